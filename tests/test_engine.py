"""Engines on spike trains against the network itself, packed bits against their definition in torch."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import dsr
from benchmarks.networks import build
from benchmarks.networks.parts import DirectCoding
from benchmarks.recipes import resolve
from benchmarks.spec import Run
from dsr.engine import kernels
from dsr.engine.inference import Inference
from dsr.engine.signals import Affine, Dense, Term
from dsr.engine.trains import Trains
from dsr.reference import ReferenceNeuron

STEPS = 4
NEURONS = [lambda: dsr.IF(STEPS, threshold=0.8), lambda: dsr.LIF(STEPS, threshold=0.08, alpha=0.5, dt=0.1)]
KINDS = ["if", "lif"]

needs_kernels = pytest.mark.skipif(kernels.library() is None, reason=f"no compiled kernels: {kernels.reason()}")


def seeded(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# the network itself and its engines


class Odd(nn.Module):
    """What a network may hold: pools, two norms added, a shortcut, a grouped convolution, a neuron without a norm."""

    def __init__(self, neuron) -> None:
        super().__init__()
        self.stem = DirectCoding(nn.Conv2d(3, 6, 3, padding=1), STEPS)
        self.norm0, self.neuron0 = nn.BatchNorm2d(6), neuron()
        self.conv1, self.norm1 = nn.Conv2d(6, 10, 3, stride=2, padding=1), nn.BatchNorm2d(10)
        self.conv2, self.norm2 = nn.Conv2d(6, 10, 1, stride=2, bias=False), nn.BatchNorm2d(10)
        self.neuron1 = neuron()
        self.grouped, self.neuron2 = nn.Conv2d(10, 10, 3, padding=1, groups=2), neuron()
        self.conv3, self.norm3, self.neuron3 = nn.Conv2d(10, 10, 3, padding=1), nn.BatchNorm2d(10), neuron()
        self.pool, self.whole = nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1)
        self.readout = dsr.Readout(10, 5, neuron)

    def forward(self, x: Tensor) -> Tensor:
        x = self.neuron0(self.norm0(self.stem(x)))
        x = self.neuron1(self.norm1(self.conv1(x)) + self.norm2(self.conv2(x)))
        x = self.neuron2(self.grouped(x))
        x = self.neuron3(self.norm3(self.conv3(x) + x))
        return self.readout(self.whole(self.pool(x)).flatten(1))


def odd(kind: str) -> Odd:
    torch.manual_seed(0)
    return Odd(NEURONS[KINDS.index(kind)])


def images(frames: bool) -> tuple[Tensor, Tensor]:
    shape = (STEPS, 7, 3, 8, 8) if frames else (7, 3, 8, 8)
    return seeded(*shape) * 2, torch.arange(7) % 5


def gradients(network: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    logits = network(x)
    F.cross_entropy(logits, y).backward()
    return logits.detach(), {name: p.grad for name, p in network.named_parameters()}


def difference(ours: Tensor, expected: Tensor, scale: Tensor) -> float:
    return ((ours - expected).norm() / scale.norm().clamp(min=1e-12)).item()


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("frames", [False, True])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-10), pytest.param(torch.float32, 1e-4, marks=needs_kernels)]
)
@pytest.mark.parametrize("kind", KINDS)
def test_the_exact_engine_takes_the_networks_own_step(kind, dtype, tolerance, frames, frozen):
    plain, (x, y) = odd(kind).to(dtype), images(frames)
    x = x.to(dtype)
    engine = dsr.Exact(copy.deepcopy(plain), DirectCoding, always=True)
    for network in (plain, engine):
        network.train()
        for module in network.modules():
            if frozen and isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
    expected_logits, expected = gradients(plain, x, y)
    logits, found = gradients(engine, x, y)

    assert logits.abs().sum() > 0, "the network is silent: the test shows nothing"
    assert difference(logits, expected_logits, expected_logits) <= tolerance
    for name, gradient in expected.items():
        annulled = name.endswith(".bias") and name.split(".")[0] not in ("norm0", "norm1", "norm2", "norm3", "grouped")
        against = expected[name.removesuffix("bias") + "weight"] if annulled else gradient
        assert difference(found[name], gradient, against) <= tolerance, name
    buffers = dict(plain.named_buffers())
    for name, buffer in engine.named_buffers():
        assert torch.allclose(buffer, buffers[name], rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize("frames", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, pytest.param(torch.float32, marks=needs_kernels)])
@pytest.mark.parametrize("kind", KINDS)
def test_in_evaluation_mode_an_engine_computes_the_network(kind, dtype, frames):
    network, (x, _) = odd(kind).to(dtype), images(frames)
    x = x.to(dtype)
    network(x)
    network.eval()
    with torch.no_grad():
        expected = network(x)
        found = Inference(network, DirectCoding).run(x)
    assert expected.abs().sum() > 0
    assert torch.allclose(found, expected, atol=1e-10 if dtype == torch.float64 else 1e-5)


@needs_kernels
def test_the_exact_engine_keeps_less_than_half_of_what_the_network_keeps():
    engine = build("preact-resnet-tiny", "dsr-if", 8, 10).train()
    network, kept = engine._hidden[0], []
    for model in (network, engine):
        sizes: dict[int, int] = {}
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, sizes=sizes: sizes.update({t.data_ptr(): t.nbytes}) or t, lambda t: t
        ):
            logits = model(seeded(16, 3, 16, 16))
        kept.append(sum(sizes.values()))
        del logits
    assert kept[1] < kept[0] / 2, kept


def test_a_network_that_is_looked_into_runs_its_own_modules():
    engine, seen = dsr.Exact(odd("if"), DirectCoding).eval(), []
    engine.neuron1.register_forward_hook(lambda module, inputs, out: seen.append(out.shape))
    engine(images(False)[0])
    assert seen == [(STEPS * 7, 10, 4, 4)]


def test_bfloat16_rounds_weights_and_nothing_else():
    spikes = Trains(STEPS).fire(Dense(seeded(STEPS * 9, 20, 6, 6)), dsr.IF(STEPS, threshold=0.8))
    layer, rounded = nn.Conv2d(20, 8, 3, padding=1, bias=False), nn.Conv2d(20, 8, 3, padding=1, bias=False)
    rounded.weight.data = (layer.weight * spikes.amplitude).bfloat16().float() / spikes.amplitude
    with torch.no_grad():
        found = Trains(STEPS, torch.bfloat16).currents(Affine((Term(layer, spikes),)))
        expected = Trains(STEPS).currents(Affine((Term(rounded, spikes),)))
    assert found.dtype == torch.float32
    assert torch.allclose(found, expected.bfloat16().float(), atol=0.01 * expected.abs().max().item())
    assert not torch.equal(found, expected), "the result itself is rounded to bfloat16"


@pytest.mark.parametrize("kind", KINDS)
def test_a_recipe_in_bfloat16_trains(kind):
    method = f"dsr-{kind}-rep"
    recipe = resolve(Run("digits", "preact-resnet-tiny", method, STEPS, 0, "smoke"))
    logits = {}
    for precision in ("float32", "bfloat16"):
        torch.manual_seed(0)
        network = build("preact-resnet-tiny", method, STEPS, 10, 3, replace(recipe, precision=precision)).train()
        logits[precision], gradient = gradients(network, seeded(8, 3, 16, 16), torch.arange(8))
        assert all(torch.isfinite(g).all() and g.dtype == torch.float32 for g in gradient.values())
    assert not torch.equal(*logits.values()), "precision changes nothing: the test shows nothing"


@pytest.mark.parametrize("kind", KINDS)
def test_the_neurons_are_the_reference(kind):
    """Two programs of the same equations: the readable one is the yardstick of `dsr-bench perf`."""
    neuron = NEURONS[KINDS.index(kind)]()
    given = {"threshold": neuron.threshold.item(), "alpha": neuron.alpha}
    reference = ReferenceNeuron(STEPS, **given, **({"tau": 1.0, "dt": 0.1} if kind == "lif" else {}))
    results = []
    for module in (neuron.double(), reference.double()):
        x = (seeded(STEPS * 6, 3, 5) + 0.3).double().requires_grad_()
        out = module(x)
        out.backward(seeded(*out.shape, seed=1).double())
        results.append((out.detach(), x.grad, module.threshold.grad, module.rate()(out).detach()))
    for ours, expected in zip(*results, strict=True):
        assert torch.allclose(ours, expected, rtol=1e-6, atol=1e-9)
        assert expected.abs().sum() > 0


# where there are no kernels


@pytest.fixture
def fresh_kernels():
    kernels._load.cache_clear()
    yield
    kernels._load.cache_clear()


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


@needs_kernels
def test_the_library_is_compiled_once(fresh_kernels, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert kernels.library() is not None
    (built,) = tmp_path.glob("dsr-bench/*.so")
    stamp = built.stat().st_mtime_ns
    kernels._load.cache_clear()
    assert kernels.library() is not None
    assert built.stat().st_mtime_ns == stamp
