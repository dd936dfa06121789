"""Conversions that are trained: DIET-SNN and hybrid training, and the ANNs that their authors start from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn

import baselines.fine_tuned
from baselines.coding import Bernoulli
from baselines.dropout import DropoutOverTime
from benchmarks.method import MakeCoding, MakeDropout, Substitutes, dropped_over_time, no_norm, parents_weights
from benchmarks.networks.parts import Readout
from benchmarks.spec import Recipe
from benchmarks.substitutes.ann import relu

DEVIATION = 0.4
"""[ours] Their code divides pixels by a deviation of 0.5, the suite by a data set's own: 0.2 for CIFAR, 0.4 of that."""


def _sum(neuron: Callable[[], nn.Module], timesteps: int) -> Readout:
    return lambda features, classes, reencode=True: baselines.fine_tuned.Readout(features, classes, timesteps)


def _sum_without_bias(neuron: Callable[[], nn.Module], timesteps: int) -> Readout:
    return lambda features, classes, reencode=True: baselines.fine_tuned.Readout(features, classes, timesteps, False)


def _kept_at(share: float) -> MakeDropout:
    """One share wherever the network has a dropout, as in the released codes; their ANNs drop more of hidden layers."""
    return lambda timesteps: lambda of_network=0.5: DropoutOverTime(share, timesteps)


def _signed_spikes(timesteps: int) -> nn.Module:
    return Bernoulli(timesteps, scale=1 / DEVIATION)


def _measured(network: nn.Module, parent: nn.Module, images: Tensor, recipe: Recipe) -> None:
    parents_weights(network, parent, images, recipe)
    given = recipe.conversion
    baselines.fine_tuned.set_thresholds(
        network, images, given["percentile"] / 100, int(given["steps"]), given["factor"]
    )


def _matched(coding: MakeCoding | None = None) -> Substitutes:
    return Substitutes(
        baselines.fine_tuned.LIF, readout=_sum, hand_over=_measured, dropout=dropped_over_time, coding=coding
    )


def _published(dropout: MakeDropout, coding: MakeCoding | None = None) -> Substitutes:
    readout = _sum_without_bias
    return Substitutes(baselines.fine_tuned.LIF, no_norm, readout, hand_over=_measured, dropout=dropout, coding=coding)


ANN = Substitutes(relu, no_norm, _sum_without_bias)

METHODS: Mapping[str, Substitutes] = {
    "diet-snn": _matched(),
    "hybrid-training": _matched(_signed_spikes),
    "diet-snn-published-ann": ANN,
    "diet-snn-published": _published(_kept_at(0.2)),
    "hybrid-training-published-ann": ANN,
    "hybrid-training-published": _published(_kept_at(0.3), _signed_spikes),
}
