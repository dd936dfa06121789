"""The ledger's columns against layers counted by hand, and both counts of pools against brute force."""

from __future__ import annotations

import itertools

import pytest
import torch
from counted_network import Chain, Spikes, counted
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from benchmarks.networks import build
from benchmarks.operations.ledger_rows import LedgerRow, RateRow
from benchmarks.operations.structure import structure
from benchmarks.recipes import resolve
from benchmarks.spec import Run


class Countdown(nn.Module):
    """Spiking neurons of three steps: one with the input n fires at the first n of them."""

    def spike_amplitude(self) -> float:
        return 0.5

    def forward(self, x: Tensor) -> Tensor:
        steps = x.view(3, -1, *x.shape[1:])
        return torch.cat([0.5 * (current > step) for step, current in enumerate(steps)])


def rows(network: nn.Module, x: Tensor, steps: int = 1) -> dict[str, LedgerRow]:
    return {row.layer: row for row in counted(network, x, steps).ledger()}


def test_a_pool_is_folded_in_count_a_and_graded_in_count_b():
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 0, 0] = x[0, 0, 0, 1] = x[0, 0, 3, 3] = 1  # two under one window, one under another
    row = rows(Chain(1, nn.AvgPool2d(2), nn.Conv2d(1, 5, 1)), x)["layers.1"]
    assert (row.kind, row.operations, row.operations_graded_pool) == ("ac", 3 * 5, 2 * 5)
    assert (row.input_nonzero, row.pooled_nonzero, row.pool_additions) == (3, 2, 3)


def test_windows_that_overlap_take_a_spike_several_times():
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 1, 1] = 1
    # 3 x 3, stride 1, padding 1: the pixel lies under 9 of 16 windows; 1 x 1 convolution to 2 channels
    row = rows(Chain(1, nn.AvgPool2d(3, 1, 1), nn.Conv2d(1, 2, 1)), x)["layers.1"]
    assert (row.operations, row.operations_graded_pool, row.pool_additions) == (9 * 2, 9 * 2, 9)


def test_behind_a_pool_of_graded_values_its_own_are_multiplied():
    row = rows(
        Chain(2, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 10), neuron=nn.ReLU()), torch.ones(3, 2, 4, 4)
    )["layers.2"]
    assert (row.kind, row.operations, row.operations_graded_pool) == ("mac", 3 * 2 * 10, 3 * 2 * 10)
    assert row.operations == 3 * row.dense_macs_per_step
    assert row.operations_nonzero == 3 * 2 * 16 * 10  # count A, the pool folded in


def test_a_pool_that_leaves_a_map_as_it_is_adds_nothing_up():
    """A map of 2 x 2 pooled to 2 x 2; pooled to 1 x 1, its four spikes are one value."""
    x = torch.ones(1, 1, 2, 2)
    same, smaller = (rows(Chain(1, nn.AdaptiveAvgPool2d(size), nn.Conv2d(1, 5, 1)), x)["layers.1"] for size in (2, 1))
    assert (same.operations, same.operations_graded_pool, same.pool_additions) == (4 * 5, None, None)
    assert (smaller.operations, smaller.operations_graded_pool, smaller.pool_additions) == (4 * 5, 5, 4)


@pytest.mark.parametrize(
    ("method", "updates", "leaks"),
    [
        *(("dsr-lif", 1, 1), ("stbp-tdbn", 1, 1), ("plif", 1, 1), ("tssl-bp", 2, 2), ("clif", 2, 3)),
        *(("sew", 1, 0), ("sew@tau=2", 1, 1), ("stbp-tdbn@decay=1", 1, 0)),
        *(("rate-bp", 1, 1), ("rate-bp@decay=1", 1, 0), ("psn", 1, 0)),
        ("dsr-if", 1, None),
    ],
)
def test_leaks_and_updates_are_those_that_a_neuron_states_whatever_its_method_is_called(method, updates, leaks):
    recipe = resolve(Run("cifar10", "preact-resnet-tiny", method, 3, 0, "paper"))
    network = build("preact-resnet-tiny", method, 3, 10, recipe=recipe).eval()
    spiking = [row for row in counted(network, torch.randn(2, 3, 32, 32), 3).ledger() if row.neuron_updates]
    assert spiking
    for row in spiking:
        times = row.output_neurons * 3 * 2
        assert row.neuron_updates == updates * times, row.layer
        assert row.neuron_leaks == (None if leaks is None else leaks * times), row.layer


def test_a_layer_without_a_pool_has_one_count():
    row = rows(Chain(1, nn.Conv2d(1, 5, 1)), torch.ones(1, 1, 2, 2))["layers.0"]
    assert (row.operations, row.operations_graded_pool, row.pooled_nonzero, row.pool_additions) == (
        20,
        None,
        None,
        None,
    )


def test_the_first_layer_is_dense_once_and_says_what_it_would_be_otherwise():
    x = torch.zeros(2, 3, 4, 4)
    x[:, 0, :2] = 1  # half of one channel of three, in both images
    row = rows(Chain(3, nn.Conv2d(3, 1, 1), steps=5), x, 5)["stem.layer"]
    assert (row.origin, row.kind, row.analog_repeats, row.timesteps, row.images) == ("input", "mac", 1, 5, 2)
    assert row.operations == 2 * 3 * 3 * 16
    assert row.operations_every_step == 5 * row.operations
    assert (row.input_nonzero, row.operations_nonzero) == (2 * 8, 2 * 8 * 3)


def test_frames_run_the_first_layer_at_every_step():
    frames = torch.zeros(5, 2, 3, 4, 4)
    frames[0, 1, 2, 3, 3] = 7
    row = rows(Chain(3, nn.Conv2d(3, 1, 1), steps=5), frames, 5)["stem.layer"]
    assert (row.analog_repeats, row.operations, row.operations_every_step) == (5, 5 * 2 * 144, 5 * 2 * 144)
    assert (row.input_nonzero, row.operations_nonzero) == (1, 3)


def test_spikes_are_counted_step_by_step():
    x = torch.zeros(2, 1, 2, 2)
    x[0, 0] = torch.tensor([[0, 1], [2, 3]])
    x[1, 0, 1, 1] = 3
    counter = counted(Chain(1, nn.Conv2d(1, 4, 1), neuron=Countdown(), steps=3), x, 3)
    # the first image's neurons fire 0, 1, 2 and 3 times, one of the second image's 3 times
    assert counter.rates() == [RateRow("neuron", step, spikes, 4, 2) for step, spikes in ((1, 4), (2, 3), (3, 2))]
    row = {row.layer: row for row in counter.ledger()}
    assert (row["stem.layer"].neuron, row["stem.layer"].output_neurons) == ("neuron", 4)
    assert (row["stem.layer"].output_nonzero, row["stem.layer"].neuron_updates) == (9, 2 * 3 * 4)
    assert (row["layers.0"].input_nonzero, row["layers.0"].operations) == (9, 9 * 4)
    assert counter.per_image().firing_rate == 9 / 24


def test_graded_neurons_have_no_rate_and_no_updates():
    counter = counted(Chain(1, nn.Conv2d(1, 1, 1), neuron=nn.ReLU()), torch.tensor([[[[1.0, -1.0]]]]))
    assert counter.rates() == []
    row = counter.ledger()[0]
    assert (row.neuron, row.output_neurons, row.output_nonzero, row.neuron_updates) == ("neuron", 2, 1, None)


class Branches(nn.Module):
    """Two convolutions and a shortcut that are added, normed and fire; then a pool in front of a neuron."""

    def __init__(self, bias: bool, norm: bool) -> None:
        super().__init__()
        self.stem, self.neuron0 = Chain(4).stem, Spikes()
        self.conv1, self.conv2 = nn.Conv2d(4, 4, 3, padding=1, bias=bias), nn.Conv2d(4, 4, 1, bias=bias, groups=2)
        self.norm, self.neuron1 = nn.BatchNorm2d(4) if norm else nn.Identity(), Spikes()
        self.pool, self.neuron2 = nn.AvgPool2d(2), Spikes()
        self.linear = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        spikes = self.neuron0(self.stem(x))
        x = self.neuron1(self.norm(self.conv1(spikes) + self.conv2(spikes) + spikes))
        return self.linear(self.neuron2(self.pool(x)).flatten(1))


@pytest.mark.parametrize(
    ("bias", "norm", "constants"), [(True, True, 4), (True, False, 4), (False, True, 4), (False, False, 0)]
)
def test_a_layer_of_neurons_and_its_one_constant_are_booked_once(bias, norm, constants):
    row = rows(Branches(bias, norm), torch.ones(2, 4, 4, 4), steps=1)
    assert {name: line.neuron for name, line in row.items() if line.neuron} == {
        "stem.layer": "neuron0",
        "conv1": "neuron1",
        "neuron2.pooled": "neuron2",
    }
    assert {name: line.biases for name, line in row.items() if line.biases} == {
        **({"conv1": constants} if constants else {}),
        "linear": 3,
    }
    assert row["conv1"].bias_accumulates == constants * 16 * 2
    assert row["linear"].bias_accumulates == 3 * 2


def test_sizes_are_those_of_the_layers():
    def sizes(line: LedgerRow) -> tuple[object, ...]:
        channels, map_size = (line.in_channels, line.out_channels), (line.out_height, line.out_width)
        return line.operation, *channels, line.kernel, line.stride, line.groups, *map_size, line.weights

    row = rows(Branches(True, True), torch.ones(1, 4, 4, 4))
    (add,) = (name for name in row if row[name].operation == "add")
    assert sizes(row["conv1"]) == ("conv", 4, 4, 3, 1, 1, 4, 4, 144)
    assert sizes(row["conv2"]) == ("conv", 4, 4, 1, 1, 2, 4, 4, 8)
    assert sizes(row[add]) == ("add", 4, 4, 1, 1, 4, 4, 4, 4)
    assert sizes(row["neuron2.pooled"]) == ("pool", 4, 4, 2, 2, 4, 2, 2, 4)
    assert sizes(row["linear"]) == ("linear", 16, 3, 1, 1, 1, 1, 1, 48)


@pytest.mark.parametrize("method", ["dsr-if", "stbp-tdbn", "ann"])
@pytest.mark.parametrize(
    "name",
    [
        *("preact-resnet-tiny", "resnet20", "vgg16", "preact-resnet-imagenet-tiny"),
        *("sew-resnet-tiny", "sew-resnet-imagenet-tiny", "sew-dvs-narrow"),
    ],
)
def test_every_layer_of_neurons_is_booked_exactly_once(name, method):
    found = structure(build(name, method, 1, 10).eval(), torch.zeros(1, 3, 32, 32))
    assert sorted(layer.neuron for layer in found.layers if layer.neuron) == sorted(found.neurons)
    assert found.spiking == (frozenset() if method == "ann" else found.neurons.keys())


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(4, 7),
    steps=st.integers(1, 3),
    pool=st.sampled_from([(2, 2, 0), (3, 2, 1), (3, 1, 0), (2, 1, 0)]),
    kernel=st.integers(1, 2),
    stride=st.integers(1, 2),
    padding=st.integers(0, 1),
    groups=st.sampled_from([1, 2]),
    seed=st.integers(0, 1000),
)
def test_both_counts_of_any_pool_equal_a_brute_force_count(size, steps, pool, kernel, stride, padding, groups, seed):
    torch.manual_seed(seed)
    frames = (torch.rand(steps, 2, 4, size, size) < 0.3).float()
    layers = nn.AvgPool2d(*pool), nn.Conv2d(4, 6, kernel, stride, padding, groups=groups)
    row = rows(Chain(4, *layers, steps=steps), frames, steps)["layers.1"]

    def windows(length: int, window: int, by: int, border: int) -> list[range]:
        return [
            range(i * by - border, i * by - border + window) for i in range((length + 2 * border - window) // by + 1)
        ]

    reached, graded, added = 0, 0, 0
    pools = list(itertools.product(windows(size, *pool), repeat=2))
    side = len(windows(size, *pool))
    taps = list(itertools.product(windows(side, kernel, stride, padding), repeat=2))
    for image in frames.flatten(0, 2):  # every channel of every image and step
        for place, (ys, xs) in enumerate(pools):
            spikes = sum(int(image[y, x]) for y in ys for x in xs if 0 <= y < size and 0 <= x < size)
            outputs = sum(place // side in rows_ and place % side in columns for rows_, columns in taps) * 6 // groups
            added, reached, graded = added + spikes, reached + spikes * outputs, graded + (spikes > 0) * outputs
    assert (row.operations, row.operations_graded_pool, row.pool_additions) == (reached, graded, added)
    assert row.input_nonzero == int(frames.sum())
