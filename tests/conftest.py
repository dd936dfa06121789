"""Shared fixtures, and one line at the end: the largest error against the golden vectors."""

from __future__ import annotations

import os
import signal

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tests beside this one have the other cores

import benchmarks  # noqa: F401, I001  # its settings count only where torch has not been imported yet
import pytest
import torch
from torch import Tensor

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # read when Triton is imported, by whomever

ERRORS: list[tuple[float, str]] = []
LARGEST_ERROR = 1e-4


@pytest.fixture
def close():
    """Assert that the norm of the difference is at most 1e-4 of the expected norm, and keep the largest seen."""

    def check(ours: Tensor, expected: Tensor, what: str, against: Tensor | None = None) -> None:
        ours, expected = ours.detach().double(), expected.double()
        assert ours.shape == expected.shape, what
        norm = (expected if against is None else against.double()).norm().item()
        error = (ours - expected).norm().item() / norm if norm else ours.norm().item()
        ERRORS.append((error, what))
        assert error <= LARGEST_ERROR, f"{what}: relative error {error:.1e}"

    return check


def pytest_terminal_summary(terminalreporter) -> None:
    if ERRORS:
        error, what = max(ERRORS)
        terminalreporter.write_line(
            f"golden vectors: {len(ERRORS)} arrays, largest relative error {error:.1e} ({what})"
        )


def pytest_sessionfinish(session) -> None:
    """One of several processes hands its errors to the one that prints."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["golden_errors"] = ERRORS


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node) -> None:
    ERRORS.extend((error, what) for error, what in getattr(node, "workeroutput", {}).get("golden_errors", ()))


def pytest_configure() -> None:
    """A shell's background jobs ignore Ctrl-C, and so would every program that a test starts and interrupts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
