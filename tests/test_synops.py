"""Synaptic operations against layers counted by hand, brute force, and fvcore."""

from __future__ import annotations

import pytest
import torch
from counted_network import Chain, Spikes, counted
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from benchmarks.networks.parts import DirectCoding
from benchmarks.operations.counter import SynOps


def count(network: nn.Module, x: Tensor, steps: int = 1) -> SynOps:
    return counted(network, x, steps).per_image()


def spike_at(row: int, column: int, size: int = 4) -> Tensor:
    x = torch.zeros(1, 1, size, size)
    x[0, 0, row, column] = 1.0
    return x


@pytest.mark.parametrize(("row", "column", "positions"), [(0, 0, 4), (0, 1, 6), (1, 2, 9), (3, 3, 4)])
def test_a_spike_costs_the_output_positions_it_reaches_fewer_at_borders(row, column, positions):
    # 3 x 3, stride 1, padding 1: a corner pixel lies under 4 windows, an edge pixel under 6, an inner one under 9
    counted = count(Chain(1, nn.Conv2d(1, 5, 3, padding=1)), spike_at(row, column))
    assert counted.acs == positions * 5


def test_a_strided_convolution_reaches_fewer_positions():
    # 3 x 3, stride 2, padding 1 on 4 x 4: outputs sit at 0 and 2; pixel (1, 1) lies under all four, (0, 0) under one
    assert count(Chain(1, nn.Conv2d(1, 3, 3, 2, 1)), spike_at(1, 1)).acs == 4 * 3
    assert count(Chain(1, nn.Conv2d(1, 3, 3, 2, 1)), spike_at(0, 0)).acs == 1 * 3


def test_dense_macs_leave_padding_out_and_padded_macs_count_it():
    # 2 -> 3 channels, 3 x 3 on 4 x 4: corners 4, edges 6, inside 9 taps: 4*4 + 8*6 + 4*9 = 100; stem 2 * 2 * 16
    counted = count(Chain(2, nn.Conv2d(2, 3, 3, padding=1)), torch.ones(1, 2, 4, 4))
    assert counted.dense_macs_per_step == 2 * 3 * 100 + 64
    assert counted.padded_macs_per_step == 2 * 3 * 9 * 16 + 64


def test_the_first_layer_counts_once_and_at_every_step():
    counted = count(Chain(3, nn.Conv2d(3, 1, 1), steps=5), torch.ones(2, 3, 4, 4), steps=5)
    assert counted.analog_macs == 3 * 3 * 16
    assert counted.analog_macs_every_step == 5 * 3 * 3 * 16
    assert counted.acs == 5 * 3 * 16  # every neuron fires at every step, one output channel
    assert counted.firing_rate == 1.0
    assert counted.neuron_updates == 5 * 3 * 16


def test_event_frames_count_as_images_not_as_steps():
    frames = torch.ones(5, 2, 3, 4, 4)  # T, B, C, H, W
    counter = counted(Chain(3, nn.Conv2d(3, 1, 1), steps=5), frames, 5)
    assert counter.images == 2
    assert counter.per_image().acs == 5 * 3 * 16


def test_graded_inputs_are_multiply_accumulates_and_zeros_are_skipped():
    x = torch.tensor([[[[1.0, -1.0], [2.0, -3.0]]]])
    counted = count(Chain(1, nn.Conv2d(1, 7, 1), neuron=nn.ReLU()), x)
    assert counted.acs == 0
    assert counted.analog_macs == 4 + 2 * 7  # dense first layer, then two nonzero activations
    assert counted.firing_rate is None


def test_a_pool_folds_into_the_layer_behind_it():
    # each of 16 spikes reaches all 10 outputs through the global pool
    layers = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 10))
    counted = count(Chain(2, *layers), torch.ones(1, 2, 4, 4))
    assert counted.acs == 2 * 16 * 10
    assert counted.dense_macs_per_step == 2 * 10 + 2 * 2 * 16


def test_a_pool_before_a_neuron_costs_one_accumulate_per_spike():
    layers = (nn.AvgPool2d(2), Spikes(), nn.Conv2d(1, 1, 1))
    counted = count(Chain(1, *layers), torch.ones(1, 1, 4, 4))
    assert counted.acs == 16 + 4  # 16 spikes pooled, then 4 spikes into a 1 x 1 convolution


class Shortcut(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = DirectCoding(nn.Conv2d(1, 1, 1), 1)
        self.neuron = Spikes()
        self.conv = nn.Conv2d(1, 1, 1)
        self.end = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        spikes = self.neuron(self.stem(x))
        return self.end(self.conv(spikes) + spikes)


def test_an_identity_shortcut_costs_one_accumulate_per_spike():
    network = Shortcut()
    nn.init.ones_(network.stem.layer.weight)
    nn.init.zeros_(network.stem.layer.bias)
    assert count(network, spike_at(1, 1)).acs == 1 + 1


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(3, 7),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    groups=st.sampled_from([1, 2]),
    seed=st.integers(0, 1000),
)
def test_any_geometry_equals_a_brute_force_count(size, kernel, stride, padding, groups, seed):
    torch.manual_seed(seed)
    layer = nn.Conv2d(4, 6, kernel, stride, padding, groups=groups)
    x = (torch.rand(2, 4, size, size) < 0.4).float()
    expected = 0
    out = (size + 2 * padding - kernel) // stride + 1
    for image, channel, row, column in x.nonzero().tolist():
        assert image < 2
        assert channel < 4
        for i in range(out):
            for j in range(out):
                top, left = i * stride - padding, j * stride - padding
                if top <= row < top + kernel and left <= column < left + kernel:
                    expected += 6 // groups
    assert count(Chain(4, layer), x).acs == expected / 2
