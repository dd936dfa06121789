"""Representation-space DSR: the spikes of the exact method, the gradient of the clamp network at what was measured."""

from __future__ import annotations

import pytest
import torch
from clamp_network import CLASSES, STEPS, Network, clamp_network
from torch import Tensor, nn
from torch.nn import functional as F

import dsr
from benchmarks.methods import parts, rounding
from benchmarks.networks.parts import DirectCoding
from benchmarks.networks.preact_resnet import PreActResNet
from benchmarks.networks.sew_resnet import SEWResNet
from benchmarks.recipes import resolve
from benchmarks.spec import Run
from dsr.dynamics import Dynamics
from dsr.engine.representation_space import _Clamp
from dsr.engine.trains import Trains
from dsr.start import set_ceilings

METHODS = ["dsr-if", "dsr-lif"]
KINDS = pytest.mark.parametrize("kind", [PreActResNet, SEWResNet])


def plain(method: str, steps: int = STEPS, kind: type[Network] = PreActResNet) -> Network:
    """A small network with thresholds at which neurons are silent, open and saturated."""
    torch.manual_seed(0)
    recipe = resolve(Run("digits", "preact-resnet-tiny", method, steps, 0, "smoke"))
    network = kind(parts(method, steps, recipe), (1, 1), (6, 8), CLASSES)
    set_ceilings(network, 1.0)
    return network


def wrapped(network: nn.Module) -> dsr.RepresentationSpace:
    return dsr.RepresentationSpace(network, DirectCoding)


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(6, 3, 12, 12, generator=generator), torch.arange(6)


def names_of_neurons(network: nn.Module) -> dict[int, str]:
    return {id(module): name for name, module in network.named_modules() if isinstance(module, dsr.IF | dsr.LIF)}


def watch(network: nn.Module) -> dict[str, Tensor]:
    """What every neuron of the network itself emits over time, filled by the next forward pass."""
    seen: dict[str, Tensor] = {}
    for name in names_of_neurons(network).values():
        neuron = network.get_submodule(name)
        neuron.register_forward_hook(lambda _, __, out, name=name: seen.update({name: out.detach()}))
    return seen


def watch_spiking_pass(space: dsr.RepresentationSpace) -> dict[str, Tensor]:
    """The same of the spiking pass beside the representation."""
    seen: dict[str, Tensor] = {}
    names, spiking = names_of_neurons(space), space._hidden[1].spiking
    fire = spiking.neuron

    def neuron(module, signal):
        spikes = fire(module, signal)
        seen[names[id(module)]] = spiking.trains.values(spikes)
        return spikes

    spiking.neuron = neuron
    return seen


def freeze(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.eval()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("method", METHODS)
@KINDS
def test_with_frozen_statistics_it_emits_the_exact_methods_spikes(kind, method, dtype, precision, monkeypatch):
    monkeypatch.setenv("DSR_BFLOAT16", "rounding")  # hardware rounds sums once more: spikes differ
    network, (x, _) = plain(method, kind=kind).to(dtype), batch()
    network, x = rounding(network) if precision == "bfloat16" else network, x.to(dtype)
    network(x)  # running statistics that are not the initial ones
    space = wrapped(network).train()
    freeze(space)
    seen = watch_spiking_pass(space)
    logits = space(x)
    expected = watch(network)
    expected_logits = network(x)
    assert len(seen) == len(expected) == 7
    for name, emitted in seen.items():
        differ = ((emitted > 0) != (expected[name] > 0)).float().mean()
        assert differ <= (0 if dtype == torch.float64 else 1e-3), name  # float32: a sum in another order
        assert 0 < (emitted > 0).float().mean() < 1, f"{name} is silent or always on: the test shows nothing"
    assert torch.allclose(logits, expected_logits, atol=1e-12 if dtype == torch.float64 else 1e-5)


def watch_variances(space: dsr.RepresentationSpace) -> dict[str, Tensor]:
    """The variances over time that the norms were given."""
    seen: dict[str, Tensor] = {}
    engine = space._hidden[1]
    names = {id(module): name for name, module in space.named_modules()}
    measure, norm = engine.spiking.time_variance, engine.norm

    def named_norm(module, signal):
        engine.spiking.time_variance = lambda *a: seen.setdefault(names[id(module)], measure(*a))
        return norm(module, signal)

    engine.norm = named_norm
    return seen


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("method", METHODS)
@KINDS
def test_its_gradient_is_that_of_the_clamp_network_at_the_measured_representations(kind, method, precision):
    network, (x, y) = plain(method, kind=kind).double(), batch()
    clamps, x = clamp_network(network, method).double(), x.double()
    for each in (network, clamps) if precision == "bfloat16" else ():
        rounding(each)
    space = wrapped(network).train()
    seen, variances = watch_spiking_pass(space), watch_variances(space)
    logits = space(x)
    F.cross_entropy(logits, y).backward()

    rate = network.readout.rate
    for name, emitted in seen.items():
        clamps.get_submodule(name).measured = rate(emitted)
    for name, variance in variances.items():
        clamps.get_submodule(name).over_time = variance
    assert sum(isinstance(v, Tensor) and bool((v > 0).any()) for v in variances.values()) >= 5
    expected = clamps.train()(x)
    F.cross_entropy(expected, y).backward()

    assert torch.allclose(logits, expected, atol=1e-12)
    scale = 0.1**2 if method == "dsr-lif" else 1.0  # the LIF threshold's gradient carries dt, not 1 / dt
    theirs = dict(clamps.named_parameters())
    # gradients of a sum's readers are added up in another order, which may tip the rounding of one of them to bfloat16
    tolerance = 1e-6 if precision == "bfloat16" and kind is SEWResNet else 1e-12
    moved = 0
    for name, parameter in space.named_parameters():
        expectation = theirs[name].grad * (scale if name.endswith("threshold") else 1.0)
        assert torch.allclose(parameter.grad, expectation, rtol=1e-7, atol=tolerance), name
        moved += bool(name.endswith("threshold") and parameter.grad.abs() > 1e-6)
    assert moved >= 3, "hardly a neuron is saturated: the test shows nothing of the thresholds"
    for name, buffer in space.named_buffers():
        assert torch.allclose(buffer.float(), clamps.get_buffer(name).float(), atol=1e-7), name


@pytest.mark.parametrize(("tau", "dt"), [(1.0, 1.0), (2.0, 0.1)])
def test_the_clamps_gradient_equals_finite_differences(tau, dt):
    mean = torch.tensor([-1.0, 0.3, 0.9, 5.0, 90.0], dtype=torch.float64, requires_grad=True)

    def value(mean: Tensor) -> Tensor:
        threshold = torch.tensor(2.0 * dt, dtype=torch.float64)
        measured = torch.clamp(mean / tau, 0, 2.0).detach()
        of = Dynamics(1.0, 1.0, tau, dt, [1.0], closed=True, threshold_gain=dt)
        return _Clamp.apply(mean, threshold, measured, of, Trains(1))

    assert torch.autograd.gradcheck(value, (mean,), fast_mode=False)


@pytest.mark.parametrize("method", METHODS)
def test_what_backward_keeps_does_not_grow_with_t(method):
    kept = {}
    for steps in (2, 8):
        space, sizes = wrapped(plain(method, steps)).train(), []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, s=sizes: s.append(t.nbytes) or t, lambda t: t):
            space(batch()[0])
        kept[steps] = sum(sizes)
    assert kept[2] == kept[8] > 0


def test_frames_that_repeat_an_image_give_the_images_gradient():
    x, y = batch()
    gradients = []
    for images in (x, x.expand(STEPS, *x.shape)):
        space = wrapped(plain("dsr-lif")).train()
        F.cross_entropy(space(images), y).backward()
        gradients.append({name: p.grad for name, p in space.named_parameters()})
    for name, gradient in gradients[0].items():
        assert torch.allclose(gradient, gradients[1][name], rtol=1e-3, atol=1e-5), name


def test_names_of_parameters_and_buffers_are_the_networks():
    network = plain("dsr-if")
    names = list(network.state_dict())
    assert list(wrapped(network).state_dict()) == names


def test_neurons_that_disagree_on_time_are_refused():
    network = plain("dsr-if")
    network.neuron = dsr.IF(STEPS + 1)
    with pytest.raises(ValueError, match="must share T, tau and dt"):
        wrapped(network)


def test_a_layer_it_does_not_know_is_named():
    network = plain("dsr-if")
    network.pool = nn.AdaptiveMaxPool2d(1)
    with pytest.raises(NotImplementedError, match="pool: AdaptiveMaxPool2d is not defined in representation space"):
        wrapped(network).train()(batch()[0])
