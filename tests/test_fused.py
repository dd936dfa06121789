"""Norm, addition and activation in one pass, against torch's own modules and autograd, value by value."""

from __future__ import annotations

import copy
import ctypes
import math
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize, prune

import baselines.fused.network
import dsr
from baselines import lsq
from baselines.clipped import ClippedReLU
from baselines.fused import FACTORIES as OWN
from baselines.fused import SOURCE, Fused, clamp, quantized_clamp
from baselines.fused.kernels import moments
from baselines.qcfs import Activation
from benchmarks.catalogue import timeless
from benchmarks.methods import rounding
from benchmarks.networks import build
from benchmarks.networks.parts import DirectCoding
from dsr.engine.kernels import load

LIBRARY, REASON = load(SOURCE)
pytestmark = pytest.mark.skipif(LIBRARY is None, reason=REASON)

FACTORIES = {**OWN, dsr.Clamp: clamp, dsr.Quantized: quantized_clamp}
NEURONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "clipped": lambda: ClippedReLU(0.7),
    "clamp-floor": lambda: Activation(4, 1.3, "clamp-floor"),
    "floor-clamp": lambda: Activation(8, 0.9, "floor-clamp"),
    "five-levels": lambda: Activation(5, 1.1, "clamp-floor"),
    "three-levels": lambda: Activation(3, 1.1, "floor-clamp"),
    "trained-clamp": lambda: dsr.Clamp(0.8),
    "rate": lambda: dsr.Quantized(5, 1.3),
    "late-rate": lambda: dsr.Quantized(4, 0.9, alpha=1.0, threshold_gain=0.25),
    "early-rate": lambda: dsr.Quantized(20, 1.1, alpha=1e-8),
    "lsq": lambda: lsq.Activation(3, 0.25),
}
SHAPES = [
    (64, 1, 1, 1),
    (2, 3, 5, 7),
    (1, 10, 33, 9),
    (70, 16, 1, 1),
    (6, 16, 20, 20),
    (3, 40, 6, 5),
    (2, 128, 9, 11),
    (9, 300, 2, 3),
    (37, 24),
]
PLACES = [(shape, added) for shape in SHAPES for added in ("", "both")]
PLACES += [((2, 3, 5, 7), "before"), ((6, 16, 20, 20), "behind")]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)


def made(shape: tuple[int, ...], neuron: str, affine: bool = True) -> tuple[nn.BatchNorm1d | nn.BatchNorm2d, nn.Module]:
    norm = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(shape[1], affine=affine)
    for parameter in norm.parameters():
        parameter.data.copy_(noise(shape[1], seed=7) + 0.5)
    return norm, NEURONS[neuron]()


def call(norm: Any, neuron: nn.Module) -> Any:
    return FACTORIES[type(neuron)](norm, neuron, LIBRARY)  # type: ignore[index]


def steps_of(neuron: nn.Module, z: Tensor) -> Tensor:
    """How far `z` is from the nearest place where the neuron or its slope jumps."""
    if isinstance(neuron, Activation):
        levels, theta = neuron.levels, neuron.threshold.item()
        edges = [(k + 0.5) * theta / levels for k in range(-1, levels + 1)] + [0.0, theta]
    elif isinstance(neuron, lsq.Activation):
        step = neuron.step.item()
        edges = [(k + 0.5) * step for k in range(neuron.levels)] + [0.0, neuron.levels * step]
    elif isinstance(neuron, dsr.Clamp):
        edges = [0.0, neuron.threshold.item()]
    elif isinstance(neuron, dsr.Quantized):
        theta = neuron.threshold.item()
        edges = [(k + neuron.alpha) * theta / neuron.timesteps for k in range(neuron.timesteps)] + [0.0, theta]
    else:
        edges = [0.0, getattr(neuron, "clip", 0.0)]
    return torch.stack([(z - edge).abs() for edge in edges]).amin(0)


@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize(("shape", "added"), PLACES, ids=str)
def test_values_gradients_and_statistics_are_those_of_torchs_modules(shape, neuron, added):
    """In double precision; jumps are left out, where float32 may fall on the other side."""
    norm, activation = made(shape, neuron)
    used = (True, added in ("before", "both"), added in ("behind", "both"))
    maps = [noise(*shape, seed=seed) + 0.5 if wanted else None for seed, wanted in enumerate(used)]
    reference, wide = copy.deepcopy(norm).double(), copy.deepcopy(activation).double()
    exact = [None if m is None else m.double().requires_grad_() for m in maps]
    current = reference(exact[0] if exact[1] is None else exact[0] + exact[1])
    current = current if exact[2] is None else current + exact[2]
    grad = noise(*shape, seed=4) * (steps_of(wide, current.detach()) > 1e-4)
    expected = wide(current)
    expected.backward(grad.double())
    layout = {"memory_format": torch.channels_last} if len(shape) == 4 else {}
    ours = [None if m is None else m.contiguous(**layout).requires_grad_() for m in maps]
    found = call(norm, activation)(*ours)
    found.backward(grad.contiguous(**layout))
    assert found.is_contiguous(**layout)
    kept = grad != 0
    assert torch.allclose(found.double()[kept], expected[kept], atol=1e-5)
    for one, other in zip(ours, exact, strict=True):
        if one is None:
            continue
        assert one.grad.is_contiguous(**layout)
        assert torch.allclose(one.grad.double(), other.grad, rtol=1e-4, atol=1e-4)
    for name, parameter in (*reference.named_parameters(), *wide.named_parameters()):
        of = norm if hasattr(norm, name) else activation
        scale = 1e-4 * max(1.0, math.sqrt(grad.numel() / 100))
        assert torch.allclose(getattr(of, name).grad.double(), parameter.grad, rtol=1e-4, atol=scale), name
    for name, buffer in reference.named_buffers():
        assert torch.allclose(getattr(norm, name).double(), buffer.double(), rtol=1e-5, atol=1e-6), name


@pytest.mark.parametrize("neuron", NEURONS)
def test_an_activation_has_exactly_its_own_values_and_slopes(neuron):
    """The norm passes these values on unchanged, so even those on a jump must be equal."""
    theta = 1.0
    _, activation = made((1, 1, 1, 1), neuron)
    if isinstance(activation, Activation | dsr.Clamp | dsr.Quantized):
        theta = activation.threshold.item()
    elif isinstance(activation, lsq.Activation):
        theta = activation.ceiling(1).item()
    edges = torch.arange(-8, 28) * (theta / 16)
    z = torch.cat([edges, edges.nextafter(torch.tensor(-9.0)), edges.nextafter(torch.tensor(9.0)), noise(400)])
    z = torch.stack([z, -z], 1).contiguous()  # two features; the statistics are exact: mean 0, variance 1 + rounding
    norm = nn.BatchNorm1d(2, eps=0.0)
    ours = call(norm, activation)
    found = of_statistics(ours, z, mean=0.0, inverse=1.0)
    theirs = z.clone().requires_grad_()
    expected = activation(theirs)
    expected.sum().backward()
    assert torch.equal(found[0], expected)
    assert torch.equal(found[1], theirs.grad.round())  # one, up to the rounding of theta / theta


def of_statistics(ours: Any, z: Tensor, mean: float, inverse: float) -> tuple[Tensor, Tensor]:
    """Values and slopes for given statistics, from the kernels themselves: dL/dx = g where both sums are zero."""
    from baselines.fused.kernels import Moments, Normed

    statistics = Moments(*torch.tensor([mean, inverse, 1.0]).unsqueeze(1).expand(3, z.shape[1]).contiguous())
    activation, _ = ours.meaning(ours.neuron, z[:1].numel())
    normed = Normed(ours.library, z, statistics, None, None, activation)
    none = torch.zeros(z.shape[1])
    return normed.activated(), normed.differentiated(torch.ones_like(z), none, none)


def test_moments_are_accurate_far_from_zero():
    """A mean 1000 standard deviations away: squares of values would lose all digits of the variance."""
    x = noise(64, 3, 16, 16).contiguous(memory_format=torch.channels_last) + 1000.0
    _, found = moments(LIBRARY, x)  # type: ignore[arg-type]
    exact = x.double().transpose(0, 1).flatten(1)
    assert torch.allclose(found.mean.double(), exact.mean(1), rtol=1e-7)
    assert torch.allclose(found.variance.double(), exact.var(1), rtol=1e-5)
    assert torch.allclose(found.inverse.double(), (exact.var(1, correction=0) + 1e-5).rsqrt(), rtol=1e-5)


def test_moments_are_the_same_every_time_and_nearly_for_any_number_of_threads():
    x, before = noise(32, 10, 24, 24).contiguous(memory_format=torch.channels_last), torch.get_num_threads()
    try:
        by_threads = {}
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            by_threads[threads] = torch.stack(moments(LIBRARY, x)[1])  # type: ignore[arg-type]
            assert torch.equal(torch.stack(moments(LIBRARY, x)[1]), by_threads[threads])  # type: ignore[arg-type]
    finally:
        torch.set_num_threads(before)
    assert torch.allclose(by_threads[1], by_threads[3], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("changes", [{"affine": False}, {"momentum": None}, {"track_running_stats": False}], ids=str)
def test_a_norm_with_other_settings_is_as_torch_has_it(changes):
    norm, shape = nn.BatchNorm2d(6, **changes), (5, 6, 4, 4)
    plain, activation = copy.deepcopy(norm), nn.ReLU()
    for seed in range(3):
        ours, theirs = (noise(*shape, seed=seed).requires_grad_() for _ in range(2))
        found, expected = call(norm, activation)(ours, None), activation(plain(theirs))
        found.square().sum().backward()
        expected.square().sum().backward()
        assert torch.allclose(found, expected, atol=1e-6)
        assert ours.grad is not None
        assert torch.allclose(ours.grad, theirs.grad, atol=1e-5)
    for name, buffer in plain.named_buffers():
        assert torch.allclose(getattr(norm, name), buffer, rtol=1e-5, atol=1e-7), name


def test_a_norm_whose_statistics_are_frozen_does_not_update_them():
    norm = nn.BatchNorm2d(6)
    norm.track_running_stats = False  # torch then normalises by the batch and leaves the buffers alone
    before = copy.deepcopy(norm.state_dict())
    call(norm, nn.ReLU())(noise(5, 6, 4, 4), None)
    assert all(torch.equal(norm.state_dict()[name], value) for name, value in before.items())


def test_what_the_kernels_do_not_support_is_done_or_refused_by_torch():
    norm, activation = nn.BatchNorm2d(2), nn.ReLU()
    ours = call(norm, activation)
    x = noise(3, 2, 4, 4)
    assert torch.equal(call(norm.eval(), activation)(x, None), activation(norm(x)))
    norm.train()
    broadcast = ours(x, noise(1, 2, 4, 4))
    assert broadcast.shape == x.shape
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        ours(noise(1, 2, 1, 1), None)
    with pytest.raises(ValueError, match="expected 4D input"):
        ours(noise(3, 2), None)
    with pytest.raises(RuntimeError, match="running_mean"):
        ours(noise(3, 5, 4, 4), None)


@pytest.mark.parametrize("neuron", ["trained-clamp", "rate"])
def test_a_trained_ceiling_stays_above_its_floor(neuron):
    norm, activation = made((4, 2, 3, 3), neuron)
    activation.threshold.data.fill_(-1.0)  # type: ignore[union-attr,operator]
    found = call(norm, activation)(noise(4, 2, 3, 3))
    assert activation.threshold.item() == pytest.approx(0.01)  # type: ignore[operator,union-attr]
    assert found.max().item() == pytest.approx(0.01)


def test_nan_and_infinity_are_passed_on():
    for neuron in NEURONS:
        norm, activation = made((4, 2, 3, 3), neuron)
        x = noise(4, 2, 3, 3)
        x[0, 0, 0, 0] = torch.nan
        found = call(norm, activation)(x, None)
        assert found[:, 0].isnan().all(), neuron
        assert found[:, 1].isfinite().all(), neuron


# in deep networks a level or a bound that rounding moves moves others, in float32 as in double precision
NETWORKS = [("preact-resnet-tiny", method) for method in ("ann", "qcfs-ann", "deng-gu-ann", "dsr-ann")]
NETWORKS += [("preact-resnet-tiny", method) for method in ("dsr-clamp@threshold=1", "dsr-quantized@threshold=1")]
NETWORKS += [(name, method) for name in ("resnet20", "vgg11-narrow") for method in ("ann", "dsr-ann")]


@pytest.mark.parametrize(("name", "method"), NETWORKS)
def test_a_fused_network_learns_as_the_network_itself_does(name, method):
    losses = []
    for fuses in (True, False):
        torch.manual_seed(0)
        network = build(name, method, 1 if timeless(method) else 2, 10).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        assert isinstance(network, Fused)
        assert network.graph() is not None
        losses.append(trained(network if fuses else network._hidden[0], steps=3))
    assert losses[0] == pytest.approx(losses[1], rel=2e-4)
    assert abs(losses[0][-1] - losses[0][0]) > 1e-3


def test_layers_that_round_their_operands_do_so_in_a_fused_network(monkeypatch):
    monkeypatch.setenv("DSR_BFLOAT16", "rounding")
    x = noise(8, 3, 32, 32)
    rounded, expected, exact = (n(x) for n in (rounding(small()), rounding(small()._hidden[0]), small()))
    assert (rounded - expected).norm() < 0.6 * (exact - expected).norm()


def trained(network: nn.Module, steps: int) -> list[float]:
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9)
    x, labels = noise(8, 3, 32, 32).contiguous(memory_format=torch.channels_last), torch.arange(8)
    losses = []
    torch.manual_seed(1)  # dropout
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(network(x), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def calls_of(network: Fused) -> list[str]:
    graph = network.graph()
    return [] if graph is None else [str(n.target) for n in graph.graph.nodes if "fused" in str(n.target)]


def small(method: str = "ann") -> Fused:
    torch.manual_seed(0)
    network = build("preact-resnet-tiny", method, 1, 10)
    assert isinstance(network, Fused)
    return network


def test_every_norm_of_a_preactivation_network_is_fused_and_every_addition_with_it():
    network = small()
    graph = network.graph()
    assert graph is not None
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(calls_of(network)) == len(norms) == 7
    assert not any("add" in str(node.target) for node in graph.graph.nodes)
    two = [node for node in graph.graph.nodes if "fused" in str(node.target) and len(node.args) == 2]
    assert len(two) == 3


@pytest.mark.parametrize("name", ["resnet20", "resnet18"])
def test_the_additions_behind_the_norms_of_a_residual_network_are_fused(name):
    network = build(name, "ann", 1, 10)
    graph = network.graph()
    left = [m for n in graph.graph.nodes if n.op == "call_module" for m in [graph.get_submodule(str(n.target))]]
    assert not any(isinstance(m, nn.ReLU) for m in left)
    assert not any("add" in str(node.target) for node in graph.graph.nodes)
    shortcuts = [m for n, m in network.named_modules() if n.endswith("shortcut.1")]
    assert [m for m in left if isinstance(m, nn.BatchNorm2d)] == shortcuts


class Sums(nn.Module):
    """Sums on both sides of a norm, and values that are read twice."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3, self.neuron = (*(nn.BatchNorm2d(3) for _ in range(3)), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        both = self.neuron(x * 2 + self.norm1(x + x.flip(2)))
        normed = self.norm2(both)
        twice = self.neuron(normed) + normed
        total = twice + x
        return self.neuron(self.norm3(total)) + total + self.neuron(twice + twice)


def test_sums_on_both_sides_of_a_norm_are_fused_and_values_that_are_read_twice_are_not():
    plain = Sums()
    network, x = Fused(plain, DirectCoding, LIBRARY, FACTORIES), noise(4, 3, 5, 5)
    assert calls_of(network) == ["fused_norm1", "fused_norm3"]
    assert torch.allclose(network(x), copy.deepcopy(plain)(x), atol=1e-5)


def test_names_parameters_and_buffers_are_the_networks():
    network, plain = small("qcfs-ann"), small("qcfs-ann")._hidden[0]
    assert [*network.state_dict()] == [*plain.state_dict()]
    assert [n for n, _ in network.named_modules()] == [n for n, _ in plain.named_modules()]
    assert [n for n, _ in network.named_parameters()] == [n for n, _ in plain.named_parameters()]


class Root(nn.Module):
    """A network with a parameter and a buffer of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))
        self.register_buffer("offset", torch.zeros(1))
        self.norm, self.neuron, self.drop = nn.BatchNorm2d(3), nn.ReLU(), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(self.neuron(self.norm(x)) * self.gain + self.offset, 0.5, self.training)


def test_a_networks_own_parameters_and_its_mode_are_shared():
    network = Fused(Root(), DirectCoding, LIBRARY, FACTORIES)
    assert [*network.state_dict()] == [*Root().state_dict()]
    x = noise(4, 3, 2, 2)
    network(x).sum().backward()
    assert network.gain.grad is not None
    network.double().float().eval()
    assert torch.equal(network(x), network(x))
    assert not torch.equal(network.train()(x), network(x))


def test_copies_have_graphs_and_weights_of_their_own():
    network, x = small(), noise(4, 3, 16, 16)
    expected = network(x)
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(other(x), expected)
        assert len(calls_of(other)) == 7
        for parameter in other.parameters():
            parameter.data.zero_()
    assert torch.equal(network(x), expected)


def test_layers_with_hooks_run_themselves_and_give_the_same():
    network, x, seen = small(), noise(4, 3, 16, 16), []
    expected = network(x)
    handle = network.get_submodule("stages.0.0.norm1").register_forward_hook(lambda *of: seen.append(of[2]))
    assert torch.allclose(network(x), expected, atol=1e-5)
    assert len(seen) == 1
    handle.remove()
    network(x)
    assert len(seen) == 1
    pruned = network.get_submodule("stages.0.0.conv1")
    prune.custom_from_mask(pruned, "weight", noise(*pruned.weight.shape) > 0)  # type: ignore[misc,arg-type]
    network(x).sum().backward()
    assert network.graph() is None
    assert 0.4 < (pruned.weight == 0).float().mean() < 0.6  # type: ignore[union-attr,operator]


def test_a_parametrized_convolution_is_called_as_a_whole():
    class Halved(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x / 2

    network, x = small(), noise(4, 3, 16, 16)
    plain = copy.deepcopy(network._hidden[0])
    for one in (network, plain):
        parametrize.register_parametrization(one.get_submodule("stages.0.0.conv1"), "weight", Halved())
    assert len(calls_of(network)) == 7
    assert torch.allclose(network(x), plain(x), atol=1e-5)


def test_an_exchanged_layer_is_not_passed_over():
    network, x = small(), noise(4, 3, 16, 16)
    network(x)
    network.readout = nn.Linear(network.readout.linear.in_features, 7)  # type: ignore[operator,union-attr,arg-type]
    assert network(x).shape == (4, 7)
    assert network.eval()(x).shape == (4, 7)
    network.train().get_submodule("stages.0.0").neuron1 = nn.Tanh()
    network(x)
    assert len(calls_of(network)) == 6


class Branching(nn.Module):
    """A layer that cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) if x.sum() > 0 else x


def test_a_network_that_cannot_be_traced_runs_itself():
    network, x = small(), noise(4, 3, 16, 16)
    expected = network(x)
    network.stages = nn.Sequential(network.stages, Branching())  # type: ignore[arg-type]
    assert torch.allclose(network(x), expected, atol=1e-5)
    assert network.graph() is None


def test_double_precision_autocast_and_other_processes_run_the_network_itself(monkeypatch):
    network, x = small(), noise(4, 3, 16, 16)
    expected = network(x)
    monkeypatch.setattr(baselines.fused.network, "fused", lambda *of: pytest.fail("a graph was traced"))
    other = copy.deepcopy(network)
    with torch.autocast("cpu", torch.bfloat16):
        assert (other(x) - expected).abs().max() < 0.5
    assert torch.allclose(copy.deepcopy(network).double()(x.double()).float(), expected, atol=1e-4)
    monkeypatch.setattr(baselines.fused.network, "_several", lambda: True)
    assert torch.allclose(other(x), expected, atol=1e-5)


def test_without_a_library_the_network_runs_itself(monkeypatch):
    plain = small()._hidden[0]
    network, x = Fused(plain, DirectCoding, None, FACTORIES), noise(4, 3, 16, 16)
    assert torch.equal(network(x), plain(x))
    monkeypatch.setattr(dsr.engine.kernels, "load", lambda *of: (None, "no compiler"))
    network = small("qcfs-ann")
    assert network.graph() is None
    network(x).sum().backward()


class Spikes:
    """An output in two forms; convolutions ask for the second."""

    def __init__(self, dense: Tensor, asked: list[nn.Conv2d]) -> None:
        self.dense, self.asked = dense, asked

    def convolution(self, layer: nn.Conv2d) -> Tensor:
        self.asked.append(layer)
        return layer(self.dense)  # type: ignore[no-any-return]


def test_convolutions_read_the_second_form_of_a_neurons_output():
    asked: list[nn.Conv2d] = []

    class InTwoForms:
        pairs = True

        def __init__(self, norm: nn.Module, neuron: nn.Module, library: ctypes.CDLL) -> None:
            self.norm, self.neuron = norm, neuron

        def __call__(self, x: Tensor, residual: Tensor | None = None) -> Spikes:
            return Spikes(self.neuron(self.norm(x if residual is None else x + residual)), asked)

    plain, x = small()._hidden[0], noise(4, 3, 16, 16)
    network = Fused(plain, DirectCoding, LIBRARY, {nn.ReLU: InTwoForms})
    assert torch.equal(network(x), plain(x))
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert asked == convolutions[1:]  # all but the stem, in the order in which they run


def test_the_kernels_are_compiled_for_avx2_as_well(tmp_path):
    """The same values from 8 lanes: operations are the same, in the same order."""
    if "avx2" not in Path("/proc/cpuinfo").read_text(encoding="utf-8"):
        pytest.skip("no AVX2")
    narrow = compiled(tmp_path, "haswell")
    x = noise(6, 10, 9, 9).contiguous(memory_format=torch.channels_last)
    for neuron in NEURONS:
        norm, activation = made((6, 10, 9, 9), neuron)
        results = []
        for library in (LIBRARY, narrow):
            value = x.clone().requires_grad_()
            found = FACTORIES[type(activation)](norm, activation, library)(value, x)  # type: ignore[arg-type,misc]
            found.square().sum().backward()
            results.append((found.detach(), value.grad))
        assert torch.allclose(results[0][0], results[1][0], atol=1e-6)
        assert torch.allclose(results[0][1], results[1][1], atol=1e-5)  # type: ignore[arg-type]


def compiled(folder: Path, machine: str) -> ctypes.CDLL:
    target = folder / "norms.so"
    flags = [flag for flag in dsr.engine.kernels.FLAGS if not flag.startswith("-march")]
    subprocess.run(["cc", *flags, f"-march={machine}", str(SOURCE), "-o", str(target)], check=True, timeout=300)
    return ctypes.CDLL(str(target))
