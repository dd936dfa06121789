"""Engines on spike trains against the network itself, packed bits against their definition in torch."""

from __future__ import annotations

import copy
import re

import pytest
import torch
from invented_spikes import KINDS, NEURONS, STEPS, needs_kernels, seeded
from odd_network import gradients, images, odd, sew
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import dsr
from benchmarks.methods import rounding
from benchmarks.networks import build
from benchmarks.networks.parts import DirectCoding
from benchmarks.operations.counter import counting
from benchmarks.recipes import resolve
from benchmarks.spec import Run
from dsr.engine import packed
from dsr.engine.inference import Inference
from dsr.engine.signals import Affine, Dense, Term
from dsr.engine.trains import Trains
from dsr.reference import ReferenceNeuron


def difference(ours: Tensor, expected: Tensor, scale: Tensor) -> float:
    return ((ours - expected).norm() / scale.norm().clamp(min=1e-12)).item()


def scale_of(name: str, expected: dict[str, Tensor]) -> Tensor:
    """What the error of a gradient is measured against: itself, or the weight's for a bias that a norm annuls."""
    annulled = name.endswith(".bias") and not re.search("norm|grouped|stem.1|shortcut.1", name)
    return expected[name.removesuffix("bias") + "weight" if annulled else name]


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("frames", [False, True])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-10), pytest.param(torch.float32, 1e-4, marks=needs_kernels)]
)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("made", [odd, sew])
def test_the_exact_engine_takes_the_networks_own_step(made, kind, dtype, tolerance, frames, frozen):
    plain, (x, y) = made(kind).to(dtype), images(frames)
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
    thresholds = torch.stack([gradient for gradient in expected.values() if gradient.ndim == 0])
    for name, gradient in expected.items():
        against = scale_of(name, expected)
        if gradient.ndim == 0 and dtype == torch.float32:  # one sum, which may cancel; float64 holds it against itself
            against = thresholds
        assert difference(found[name], gradient, against) <= tolerance, name
    buffers = dict(plain.named_buffers())
    for name, buffer in engine.named_buffers():
        assert torch.allclose(buffer, buffers[name], rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize("frames", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, pytest.param(torch.float32, marks=needs_kernels)])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("made", [odd, sew])
def test_in_evaluation_mode_an_engine_computes_the_network(made, kind, dtype, frames):
    network, (x, _) = made(kind).to(dtype), images(frames)
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
    engine = build("preact-resnet18-narrow", "dsr-if", 8, 10).train()
    network, kept = engine._hidden[0], []
    for model in (network, engine):
        sizes: dict[int, int] = {}
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, sizes=sizes: sizes.update({t.data_ptr(): t.untyped_storage().nbytes()}) or t, lambda t: t
        ):
            logits = model(seeded(16, 3, 16, 16))
        kept.append(sum(sizes.values()))
        del logits
    assert kept[1] < kept[0] / 2, kept


def test_a_network_that_is_looked_into_runs_its_own_modules():
    engine, seen = dsr.Exact(odd("if"), DirectCoding).eval(), []
    engine.neuron1.register_forward_hook(lambda module, inputs, out: seen.append(out.shape))
    with torch.no_grad():
        engine(images(False)[0])
    assert seen == [(STEPS * 7, 10, 4, 4)]


def dyadic(network: nn.Module) -> nn.Module:
    """Weights and thresholds whose sums are exact in float32, whatever their order: no spike can be rounded away."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.weight.copy_(torch.randint(-4, 6, module.weight.shape, generator=generator) / 8)
            elif isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eps = 0.0  # mean 0, variance 1
                module.bias.fill_(0.125)
            elif isinstance(module, dsr.IF):
                module.threshold.fill_(2.0)
            if getattr(module, "bias", None) is not None and isinstance(module, nn.Conv2d | nn.Linear):
                module.bias.fill_(0.25)
            if isinstance(module, nn.AvgPool2d) and module.kernel_size == 3:
                module.divisor_override = 8  # ninths are rounded
    return network.eval()


@pytest.mark.parametrize("compiled", [pytest.param(True, marks=needs_kernels), False])
@pytest.mark.parametrize("frames", [False, True])
@pytest.mark.parametrize(
    "network", ["odd", "vgg11-narrow", "preact-resnet-imagenet-tiny", "sew-resnet-tiny", "sew-dvs-narrow"]
)
def test_an_observed_engine_counts_what_hooks_count(network, frames, compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(packed, "serves", lambda x: False)
    plain = odd("if") if network == "odd" else build(network, "dsr-if", STEPS, 10)._hidden[0]
    size = 8 if network == "odd" else 32
    x = torch.randint(-4, 6, (STEPS, 5, 3, size, size), generator=torch.Generator().manual_seed(1)) / 4
    x = x if frames else x[0]
    engine = dsr.RepresentationSpace(dyadic(plain), DirectCoding).eval()
    example, found = (x[:, :1] if frames else x[:1]), []
    for model in (plain, engine):
        with counting(model, example, STEPS) as counter, torch.no_grad():
            logits = model(x)
            model(x[..., :3, :, :, :] if frames else x[:3])
        found.append((logits, counter))
    (expected, by_hooks), (logits, by_engine) = found
    assert torch.allclose(logits, expected, atol=1e-5)
    assert by_engine.tally.by_pixel.keys() == by_hooks.tally.by_pixel.keys()
    for name, count in by_hooks.tally.by_pixel.items():
        assert torch.equal(by_engine.tally.by_pixel[name], count), name
        assert torch.equal(by_engine.tally.by_step[name], by_hooks.tally.by_step[name]), name
    assert by_engine.ledger() == by_hooks.ledger()
    assert by_engine.per_image() == by_hooks.per_image()
    assert by_engine.per_image().firing_rate > 0.01
    assert by_engine.images == 8


@pytest.mark.parametrize("way", ["rounding", "hardware"])
@pytest.mark.parametrize("trains", [pytest.param(packed.PackedTrains, marks=needs_kernels), Trains])
@pytest.mark.parametrize("layer", [nn.Conv2d(20, 8, 3, padding=1, bias=False), nn.Linear(20, 8, bias=False)])
def test_bfloat16_rounds_the_weights_of_spikes_before_their_amplitude(layer, trains, way, monkeypatch):
    monkeypatch.setenv("DSR_BFLOAT16", way)
    layer, exact = copy.deepcopy(layer), copy.deepcopy(layer)
    exact.weight.data = layer.weight.data.bfloat16().float()
    rounding(layer)
    shape = (STEPS * 9, 20, 6, 6) if layer.weight.dim() == 4 else (STEPS * 9, 20)
    spikes = trains(STEPS).fire(Dense(seeded(*shape)), dsr.IF(STEPS, threshold=0.8))
    with torch.no_grad():
        found, expected = (trains(STEPS).currents(Affine((Term(one, spikes),))) for one in (layer.train(), exact))
    assert found.dtype == torch.float32
    tolerance = 0.01 if way == "hardware" and trains is Trains else 1e-6  # torch rounds sums in bfloat16, too
    assert torch.allclose(found, expected, atol=tolerance * expected.abs().max().item())
    with torch.no_grad():
        unrounded = trains(STEPS).currents(Affine((Term(layer.eval(), spikes),)))
    assert not torch.allclose(unrounded, expected, atol=1e-4 * expected.abs().max().item())


class Conversions(TorchDispatchMode):
    """Notes copies of maps that change their memory format."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        copied = [args[1]] if func is torch.ops.aten.copy_.default else args[:1]
        for x in copied if func.overloadpacket in (torch.ops.aten.copy_, torch.ops.aten.clone) else ():
            maps = x.dim() == 4 and min(x.shape[1:]) > 1 and x.stride(1) != 0 and x.shape[2:] != (3, 3)
            if maps and (out.stride(1) == 1) != (x.stride(1) == 1):
                self.seen.append(tuple(x.shape))
        return out


@needs_kernels
@pytest.mark.parametrize("method", ["dsr-if", "dsr-lif", "dsr-if-rep", "dsr-lif-rep"])
def test_a_training_step_in_channels_last_converts_no_map(method):
    network = build("preact-resnet-tiny", method, STEPS, 10).train().to(memory_format=torch.channels_last)
    x = seeded(8, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    with Conversions() as conversions:
        gradients(network, x, torch.arange(8))
    rows = 8 if method.endswith("rep") else 8 * STEPS
    assert conversions.seen == [(rows, 32, 4, 4)], "torch's global pool returns the gradient of the last map in NCHW"
    with Conversions() as conversions:
        x.contiguous()
    assert conversions.seen == [(8, 3, 16, 16)], "the test sees no conversion"


def exact_in_bfloat16(network: nn.Module) -> nn.Module:
    """Spikes whose height bfloat16 represents: the network itself then rounds weights and gradients only."""
    for neuron in network.modules():
        if isinstance(neuron, dsr.IF | dsr.LIF):
            neuron.threshold.data.fill_(0.75 if isinstance(neuron, dsr.IF) else 0.1)
    return network


@pytest.mark.parametrize("dtype", [torch.float64, pytest.param(torch.float32, marks=needs_kernels)])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("made", [odd, sew])
def test_the_exact_engine_takes_the_step_of_a_network_that_rounds(made, kind, dtype, monkeypatch):
    """Hardware rounds the network's sums once more, which the engine does not have: it is asked to round, too."""
    monkeypatch.setenv("DSR_BFLOAT16", "rounding")
    plain, (x, y) = exact_in_bfloat16(made(kind)).to(dtype), images(False)
    x = x.to(dtype)
    unrounded, _ = gradients(copy.deepcopy(plain), x, y)
    engine = dsr.Exact(rounding(copy.deepcopy(plain)), DirectCoding, always=True)
    expected_logits, expected = gradients(rounding(plain), x, y)
    logits, found = gradients(engine, x, y)

    assert difference(unrounded, expected_logits, expected_logits) > 0.01, "precision changes nothing"
    assert difference(logits, expected_logits, expected_logits) <= 1e-5
    for name, gradient in expected.items():
        # the network rounds the gradient of every step, the engine the one of all steps
        assert difference(found[name], gradient, scale_of(name, expected)) <= 0.02, name


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_that_rounds_trains_in_representation_space(kind):
    method = f"dsr-{kind}-rep"
    variant = f"{method}@threshold={1 if kind == 'if' else 0.1}"
    recipe = resolve(Run("digits", "preact-resnet-tiny", variant, STEPS, 0, "smoke"))
    logits = {}
    for precision in ("float32", "bfloat16"):
        torch.manual_seed(0)
        network = build("preact-resnet-tiny", method, STEPS, 10, 3, recipe).train()
        network = rounding(network) if precision == "bfloat16" else network
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


@pytest.mark.parametrize("made", [odd, sew])
def test_if_neurons_learn_alike_under_both_gradients_where_the_norms_see_the_whole_batch(made):
    x, y = images(frames=False)
    x, exact = x.double(), dsr.Exact(made("if").double(), DirectCoding)
    space = dsr.RepresentationSpace(made("if").double(), DirectCoding)
    logits, ours = gradients(space, x, y)
    expected_logits, theirs = gradients(exact, x, y)
    assert torch.allclose(logits, expected_logits, atol=1e-9)
    for (name, buffer), other in zip(space.named_buffers(), exact.buffers(), strict=True):
        assert torch.allclose(buffer, other, atol=1e-9), name
    for name in (name for name, gradient in theirs.items() if gradient.dim() == 4):
        # not equal: the variance over time has no gradient in representation space
        assert torch.cosine_similarity(ours[name].flatten(), theirs[name].flatten(), dim=0) > 0.98, name
