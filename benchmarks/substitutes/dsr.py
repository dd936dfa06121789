"""DSR: spiking neurons differentiated as clamps of their representations, and its rungs without spikes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

import dsr
from benchmarks.method import HandOver, MakeNeuron, Substitutes, Wrap, parents_weights
from benchmarks.networks.parts import DirectCoding, Readout
from benchmarks.spec import Recipe
from benchmarks.substitutes.fused import fused


def _representation(neuron: Callable[[], Any], timesteps: int) -> Readout:
    return lambda features, classes, reencode=True: dsr.Readout(features, classes, neuron, reencode)


def _relu_with_rate(timesteps: int) -> nn.Module:
    return dsr.ReLU()


def _clamp(
    timesteps: int,
    threshold: float = 6.0,
    threshold_floor: float = 0.01,
    train_threshold: bool = True,
    threshold_gain: float = 1.0,
) -> nn.Module:
    return dsr.Clamp(threshold, threshold_floor, train_threshold, threshold_gain)


def _exact(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    return dsr.Exact(network, DirectCoding)


def _in_representation_space(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    return dsr.RepresentationSpace(network, DirectCoding)


def _hybrid(network: nn.Module, parent: nn.Module, images: Tensor, recipe: Recipe) -> None:
    parents_weights(network, parent, images, recipe)
    dsr.set_thresholds(network, parent, images, recipe.conversion["quantile"])


def _dsr(neuron: MakeNeuron, wrap: Wrap, hand_over: HandOver = parents_weights) -> Substitutes:
    return Substitutes(neuron, readout=_representation, wrap=wrap, hand_over=hand_over, start=dsr.bound_gradient)


METHODS: Mapping[str, Substitutes] = {
    "dsr-if": _dsr(dsr.IF, _exact),
    "dsr-lif": _dsr(dsr.LIF, _exact),
    "dsr-if-rep": _dsr(dsr.IF, _in_representation_space),
    "dsr-lif-rep": _dsr(dsr.LIF, _in_representation_space),
    "dsr-clamp": _dsr(_clamp, fused),
    "dsr-quantized": _dsr(dsr.Quantized, fused),
    "dsr-ann": Substitutes(_relu_with_rate, readout=_representation, wrap=fused),
    "dsr-if-hybrid": _dsr(dsr.IF, _exact, _hybrid),
    "dsr-if-hybrid-rep": _dsr(dsr.IF, _in_representation_space, _hybrid),
    "dsr-if-hybrid-published": _dsr(dsr.IF, _exact, _hybrid),
}
