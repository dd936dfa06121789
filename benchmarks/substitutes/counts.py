"""Spike counts: spikes forward, one backward pass as of an ANN."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from baselines.counts import asf_bp, rate_bp, tandem
from baselines.counts.flow import Accumulated
from baselines.counts.pairs import Paired
from benchmarks.method import MakeReadout, Substitutes, dropped_over_time, no_norm
from benchmarks.networks.parts import DirectCoding, MakeLayer, Norm, Readout
from benchmarks.spec import Recipe

BEYOND_ONE = 2.753
"""ASF-BP divides pixels by 0.557, 0.549 and 0.553, this suite by 0.2023, 0.1994 and 0.2010: all values end below 1."""


def _norm_of_counts(parameters: Mapping[str, float], timesteps: int) -> Norm:
    return lambda features, branches=1: tandem.Norm(features, timesteps, **parameters)


def _classifier_of_counts(neuron: Callable[[], nn.Module], timesteps: int) -> Readout:
    return lambda features, classes, reencode=True: tandem.Readout(features, classes, timesteps)


def _one_mask(timesteps: int) -> MakeLayer:
    return tandem.Dropout


def _on_pairs(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    tandem.start_norms(network)
    return Paired(network, timesteps, DirectCoding)


def _norm_of_rates(parameters: Mapping[str, float], timesteps: int) -> Norm:
    return lambda features, branches=1: rate_bp.Norm(features)


def _mean_current_of_rates(neuron: Callable[[], nn.Module], timesteps: int, divided: bool = False) -> Readout:
    return lambda features, classes, reencode=True: rate_bp.Readout(features, classes, timesteps, divided)


def _on_rates(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    return Paired(network, timesteps, DirectCoding)


def _current_by_threshold(neuron: Callable[[], Any], timesteps: int) -> Readout:
    threshold = neuron().threshold
    return lambda features, classes, reencode=True: asf_bp.Readout(features, classes, threshold)


def _signed_spikes(timesteps: int) -> nn.Module:
    return asf_bp.Input(BEYOND_ONE)


def _mask_of_flow(timesteps: int) -> MakeLayer:
    return asf_bp.Dropout


def _on_sums(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    asf_bp.start(network)
    return Accumulated(network, timesteps)


def summed_squared_error(outputs: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """Squared distance of `(B, classes)` from the one-hot label, summed over classes and over a full batch of images.

    It is the mean over images times the recipe's batch size, so that in a smaller batch an image counts for more.
    """
    distance = outputs - F.one_hot(labels, outputs.shape[1]).to(outputs.dtype)
    return distance.square().sum(1).mean() * recipe.batch_size


def _tandem() -> Substitutes:
    return Substitutes(tandem.IF, _norm_of_counts, _classifier_of_counts, _on_pairs, dropout=_one_mask)


def _rate_bp(readout: MakeReadout = _mean_current_of_rates) -> Substitutes:
    return Substitutes(rate_bp.LIF, _norm_of_rates, readout, _on_rates, dropout=_one_mask)


def _asf_bp() -> Substitutes:
    return Substitutes(
        asf_bp.IF,
        no_norm,
        _current_by_threshold,
        _on_sums,
        streams=True,
        coding=_signed_spikes,
        pool=asf_bp.Pools,
        dropout=_mask_of_flow,
        loss=summed_squared_error,
    )


METHODS: Mapping[str, Substitutes] = {
    "tandem": _tandem(),
    "tandem-published": _tandem(),
    "rate-bp": _rate_bp(),
    "rate-bp-bptt": Substitutes(rate_bp.LIF, dropout=dropped_over_time),
    "rate-bp-published": _rate_bp(partial(_mean_current_of_rates, divided=True)),
    "asf-bp": _asf_bp(),
    "asf-bp-published": _asf_bp(),
}
