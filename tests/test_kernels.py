"""Compiling the kernels, and doing without them."""

from __future__ import annotations

import pytest
import torch
from invented_spikes import needs_kernels
from odd_network import gradients, images, odd

import dsr
from benchmarks.networks.parts import DirectCoding
from dsr.engine import kernels


@pytest.fixture
def fresh_kernels():
    kernels.load.cache_clear()
    yield
    kernels.load.cache_clear()


def test_without_a_compiler_the_reason_is_said_and_torch_does_the_work(fresh_kernels, monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    assert kernels.library() is None
    assert kernels.reason() == "no C compiler (cc, gcc or clang)"
    engine, (x, y) = dsr.Exact(odd("if"), DirectCoding), images(False)
    logits, _ = gradients(engine.train(), x, y)
    assert torch.equal(logits, odd("if").train()(x))


def test_a_compiler_that_fails_is_quoted(fresh_kernels, monkeypatch, tmp_path):
    compiler = tmp_path / "cc"
    compiler.write_text('#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "spikes.c:1: error: no AVX-512" >&2\nexit 1\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert kernels.library() is None
    assert kernels.reason() == "spikes.c:1: error: no AVX-512"
    assert not list(tmp_path.glob("dsr-bench/*.so"))


@pytest.mark.slow
@needs_kernels
def test_the_library_is_compiled_once(fresh_kernels, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert kernels.library() is not None
    (built,) = tmp_path.glob("dsr-bench/*.so")
    stamp = built.stat().st_mtime_ns
    kernels.load.cache_clear()
    assert kernels.library() is not None
    assert built.stat().st_mtime_ns == stamp


@pytest.mark.slow
@needs_kernels
def test_a_damaged_library_is_compiled_anew(fresh_kernels, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "one"))
    assert kernels.library() is not None
    (built,) = tmp_path.glob("one/dsr-bench/*.so")
    damaged = tmp_path / "two" / "dsr-bench" / built.name  # elsewhere: a path that is loaded is not read again
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"cut short")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "two"))
    kernels.load.cache_clear()
    assert kernels.library() is not None
    assert damaged.stat().st_size == built.stat().st_size
