"""Simulation by events against the network itself: exactly where no rounding can decide, and reach by reach."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, fx, nn
from torch.nn import functional as F

import baselines.events
from baselines import calibration, conversion
from baselines.ann import Readout
from baselines.events.paths import Path, Tracer, Unsupported, paths, reach
from benchmarks.networks import build
from benchmarks.networks.parts import DirectCoding
from benchmarks.operations.counter import counting
from dsr.engine import kernels

LIBRARY, WHY = kernels.load(baselines.events.SOURCE)
needs_events = pytest.mark.skipif(LIBRARY is None, reason=f"no compiled events: {WHY}")
STEPS = 8


def dyadic(network: nn.Module, seed: int = 0) -> nn.Module:
    """Weights, currents and thresholds that are small multiples of powers of two: float32 adds them up exactly."""
    generator = torch.Generator().manual_seed(seed)

    def some(like: Tensor, largest: int, parts: int) -> Tensor:
        return torch.randint(-largest, largest + 1, like.shape, generator=generator) / parts

    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.weight.copy_(some(module.weight, 2, 8))
                if module.bias is not None:
                    module.bias.copy_(some(module.bias, 2, 8))
            elif isinstance(module, nn.BatchNorm2d):
                module.eps = 0.0
                module.weight.copy_(1 + some(module.weight, 2, 4))
                module.bias.copy_(0.25 + some(module.bias, 2, 8))
            elif isinstance(module, nn.AvgPool2d) and module.kernel_size == 3:
                module.divisor_override = 8  # ninths are rounded
            elif isinstance(module, conversion.IF):
                module.threshold.fill_(1.0)
                module.correction = some(torch.zeros(1), 2, 16)
    return network.eval()


def images(count: int = 3, size: int = 16) -> Tensor:
    return torch.randint(-4, 5, (count, 3, size, size), generator=torch.Generator().manual_seed(1)) / 4


def compare(network: conversion.Converted, x: Tensor, *, silent: bool = False) -> None:
    """By events and by the network itself: the same spikes in every layer at every step, the same logits."""
    assert network.program(x) is not None
    with torch.no_grad():
        wanted = list(network._every_neuron(x, range(1, STEPS + 1)))
    for one, other in zip(wanted, network.trajectory(x, range(1, STEPS + 1)), strict=True):
        assert one.timesteps == other.timesteps
        assert one.emitted.keys() == other.emitted.keys()
        for name, count in one.emitted.items():
            assert torch.equal(count, other.emitted[name].long()), name
            assert torch.equal(one.by_step[name], other.by_step[name].long()), name
            assert one.by_step[name].sum() == count.sum()
        for name, count in other.pooled.items():
            assert torch.equal(one.pooled[name], count.long()), name
        assert torch.allclose(one.logits, other.logits, atol=1e-5)
    assert silent or all(count.sum() > 0 for count in wanted[-1].emitted.values())


@needs_events
@pytest.mark.parametrize("start", [0.0, 0.5])
@pytest.mark.parametrize(
    "name",
    [
        *("preact-resnet-tiny", "preact-resnet20", "resnet20", "preact-resnet-imagenet-tiny"),
        *("sew-resnet-tiny", "sew-resnet-imagenet-tiny", "sew-dvs-narrow"),
    ],
)
def test_spikes_are_those_of_the_network_itself(name, start):
    network = dyadic(build(name, "threshold-balancing", STEPS, 10))
    for neuron in conversion.neurons(network).values():
        neuron.start = start
    compare(network, images())


class Odd(nn.Module):
    """Pools before convolutions, a neuron and the head, a copy of one pixel to several, spikes added to currents."""

    def __init__(self) -> None:
        super().__init__()

        def neuron() -> conversion.IF:
            return conversion.IF(STEPS, shift=0.5)

        self.stem, self.neuron0 = DirectCoding(nn.Conv2d(3, 5, 3, padding=1), 1), neuron()
        self.pool, self.conv1, self.norm1 = nn.AvgPool2d(2), nn.Conv2d(5, 9, 3, stride=2, padding=1), nn.BatchNorm2d(9)
        self.neuron1, self.conv2, self.neuron2 = neuron(), nn.Conv2d(9, 9, (1, 3), padding=(0, 1)), neuron()
        self.halved, self.neuron3 = nn.AvgPool2d(2), neuron()
        self.one, self.copies = nn.AdaptiveAvgPool2d(1), nn.AdaptiveAvgPool2d(2)
        self.hidden, self.neuron4, self.readout = nn.Linear(36, 7), neuron(), Readout(7, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.neuron1(self.norm1(self.conv1(self.pool(self.neuron0(self.stem(x))))))
        x = self.neuron2(self.norm1(self.conv2(x) + x) + x)
        x = self.copies(self.one(self.neuron3(self.halved(x))))
        return self.readout(self.neuron4(self.hidden(x.flatten(1))))


@needs_events
def test_pools_copies_and_added_spikes():
    network = conversion.Converted(dyadic(Odd()), STEPS, LIBRARY, (DirectCoding,))
    compare(network.eval(), images())


class Sums(nn.Module):
    """Sums in front of layers: of pooled and other spikes, of a spike with itself, of features without pixels."""

    def __init__(self) -> None:
        super().__init__()

        def neuron() -> conversion.IF:
            return conversion.IF(STEPS, start=0.5)

        self.stem, self.neuron0 = DirectCoding(nn.Conv2d(3, 5, 3, padding=1), 1), neuron()
        self.conv1, self.neuron1, self.pool = nn.Conv2d(5, 5, 3, stride=2, padding=1), neuron(), nn.AvgPool2d(2)
        self.conv2, self.neuron2 = nn.Conv2d(5, 2, 3, padding=1), neuron()
        self.hidden, self.neuron3 = nn.Linear(128, 7), neuron()
        self.more, self.neuron4, self.readout = nn.Linear(7, 7), neuron(), Readout(7, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.neuron0(self.stem(x))
        x = self.neuron2(self.conv2(self.neuron1(self.conv1(x)) + self.pool(x)))
        x = self.neuron3(self.hidden((x + x).flatten(1)))
        return self.readout(x + self.neuron4(self.more(x)))


@needs_events
def test_sums_of_spikes_are_counted_as_the_network_itself_counts_them():
    network, x = conversion.Converted(dyadic(Sums()), STEPS, LIBRARY, (DirectCoding,)).eval(), images()
    compare(network, x)
    (passed,) = network.trajectory(x, [STEPS])
    assert passed.pooled.keys() == {"conv2", "hidden", "readout.linear"}
    # every value of the doubled map is 0 or 2, and the readout's 0, 1 or 2: fewer of them are not 0 than spikes arrive
    assert passed.pooled["hidden"] == passed.emitted["neuron2"].sum()
    spikes = passed.emitted["neuron3"] + passed.emitted["neuron4"]
    assert 0 < passed.pooled["readout.linear"] < spikes


class Narrow(nn.Module):
    """Channels that fill no vector."""

    def __init__(self, start: float = 0.0) -> None:
        super().__init__()
        self.stem, self.neuron0 = DirectCoding(nn.Conv2d(3, 5, 3, padding=1), 1), conversion.IF(STEPS, start=start)
        self.conv, self.neuron1 = nn.Conv2d(5, 7, 3, stride=2, padding=1), conversion.IF(STEPS, start=start)
        self.pool, self.readout = nn.AdaptiveAvgPool2d(1), Readout(7, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.pool(self.neuron1(self.conv(self.neuron0(self.stem(x))))).flatten(1))


@needs_events
@pytest.mark.parametrize("start", [0.0, 0.5, 1.0, 1.5])
def test_channels_that_are_not_there_never_fire(start):
    compare(conversion.Converted(dyadic(Narrow(start)), STEPS, LIBRARY, (DirectCoding,)).eval(), images())


@needs_events
@pytest.mark.parametrize("threshold", [0.0, -0.5])
def test_a_threshold_that_is_not_positive_is_left_to_the_network(threshold):
    network = dyadic(Narrow())
    network.neuron1.threshold.fill_(threshold)
    assert conversion.Converted(network, STEPS, LIBRARY, (DirectCoding,)).eval().program(images()) is None


@needs_events
@pytest.mark.parametrize("name", ["preact-resnet-tiny", "sew-resnet-tiny", "sew-dvs-narrow"])
def test_counts_are_what_hooks_count_and_hooks_are_seen(name):
    network, x = dyadic(build(name, "threshold-balancing-half", STEPS, 10)), images()
    with torch.no_grad(), counting(network, x[:1], STEPS) as counter:
        assert network.program(x) is None
        network(x)
    (passed,) = network.trajectory(x, [STEPS])
    by_pixel, by_step = counter.tally.by_pixel, counter.tally.by_step
    assert by_pixel.keys() == {*passed.emitted, *passed.pooled, "input"}
    assert all(torch.equal(count, by_pixel[name]) for name, count in (passed.emitted | passed.pooled).items())
    assert all(torch.equal(count, by_step[name]) for name, count in passed.by_step.items())
    assert {len(count) for count in passed.by_step.values()} == {STEPS}


@needs_events
def test_bias_correction_by_events_is_the_same(monkeypatch):
    def corrected() -> conversion.Converted:
        network, ann = (
            build("preact-resnet-tiny", "maximum-shift", STEPS, 10),
            build("preact-resnet-tiny", "ann", 1, 10),
        )
        for of in (network, ann):
            dyadic(of)
        calibration.correct_biases(network, ann, images(8))
        return network

    by_events = conversion.neurons(corrected())
    monkeypatch.setattr(conversion.Converted, "program", lambda self, x: None)
    for name, neuron in conversion.neurons(corrected()).items():
        assert torch.allclose(neuron.correction, by_events[name].correction, atol=1e-5), name
        assert neuron.correction.abs().sum() > 0


@needs_events
def test_bias_correction_changes_corrections_alone_whatever_the_mode():
    """A run's network is in training mode when its parent's weights are handed over."""
    training, evaluating = (dyadic(build("preact-resnet-tiny", "maximum-shift", STEPS, 10)) for _ in range(2))
    ann = dyadic(build("preact-resnet-tiny", "ann", 1, 10))
    before = {name: value.clone() for name, value in training.state_dict().items() if "correction" not in name}
    calibration.correct_biases(training.train(), ann, images(8))
    calibration.correct_biases(evaluating, ann, images(8))
    assert training.training
    after = training.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert all(torch.equal(value, after[name]) for name, value in evaluating.state_dict().items())


@needs_events
def test_what_events_do_not_understand_the_network_does():
    network, x = dyadic(build("preact-resnet-tiny", "threshold-balancing", STEPS, 10)), images()
    assert network.train().program(x) is None
    network.eval()
    assert network.program(x.double()) is None
    assert network.program(x.expand(STEPS, *x.shape)) is None
    before = network(x)
    network._hidden[0].stages[0][0].conv1.groups = 2  # and no other change: the graph is what is asked
    assert network.program(x) is None
    assert before.shape == (3, 10)


def test_a_pool_behind_a_convolution_is_not_understood():
    network = nn.Sequential(conversion.IF(1), nn.Conv2d(2, 2, 1), nn.AvgPool2d(2), conversion.IF(1))
    graph = fx.GraphModule(network, Tracer((conversion.IF,)).trace(network))
    with pytest.raises(Unsupported, match="2 behind 0"):
        paths(graph, conversion.IF)


SIZES = st.integers(1, 3)


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(3, 7),
    width=st.integers(3, 7),
    kernel=st.tuples(SIZES, SIZES),
    stride=st.tuples(SIZES, SIZES),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    pool=st.sampled_from([None, nn.AvgPool2d(2), nn.AvgPool2d(3, 1, 1), nn.AdaptiveAvgPool2d((3, 2))]),
    kind=st.sampled_from(["convolution", "linear", "identity"]),
)
def test_a_reach_is_the_linear_map_spike_by_spike(height, width, kernel, stride, padding, pool, kind):
    torch.manual_seed(0)
    spikes = torch.eye(2 * height * width).view(-1, 2, height, width)  # one spike in each row
    pools = (pool,) if pool else ()
    seen = pool(spikes) if pool else spikes
    if kind == "convolution":
        if any(p + 2 * q < k for p, q, k in zip(seen.shape[2:], padding, kernel, strict=True)):
            return
        layer: nn.Module | None = nn.Conv2d(2, 3, kernel, stride, padding, bias=False)
    else:
        layer = nn.Linear(seen[0].numel(), 3, bias=False) if kind == "linear" else None
    scale = torch.tensor([0.5, -2.0, 3.0][: 2 if layer is None else 3])
    out = layer(seen.flatten(1)).unsqueeze(2) if kind == "linear" else (layer(seen) if layer else seen).flatten(2)
    wanted = 0.25 * out * scale.view(1, -1, 1)

    by = reach(Path("", pools, layer, scale), (2, height, width), torch.tensor(0.25))
    found = torch.zeros_like(wanted)
    for pixel in range(height * width):
        for at in range(int(by.first[pixel]), int(by.first[pixel + 1])):
            for channel in range(2):
                weight = by.weight[by.matrix[at], channel]
                row = weight if layer else F.one_hot(torch.tensor(channel), 2) * weight
                found[channel * height * width + pixel, :, by.to[at]] += row
    assert torch.allclose(found, wanted, atol=1e-6)
