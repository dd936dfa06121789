"""Surrogate gradients: backpropagation through time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

import baselines.fused
import baselines.stbp
import baselines.stbp.normed
import baselines.stbp.sew
import baselines.stbp.tdbn
import dsr.engine
import dsr.engine.bits
from benchmarks.method import MakeReadout, Substitutes, mean_current
from benchmarks.networks.parts import DirectCoding, MakeLayer, Norm, Readout
from benchmarks.spec import Recipe


def _threshold_norm(parameters: Mapping[str, float], timesteps: int) -> Norm:
    """tdBN: alpha = 1 / sqrt(n) where n branches are added."""
    return lambda features, branches=1: baselines.stbp.tdbn.ThresholdBatchNorm2d(
        features, alpha=branches**-0.5, **parameters
    )


def _mean_spikes(neuron: Callable[[], nn.Module], timesteps: int) -> Readout:
    return lambda features, classes, reencode=True: baselines.stbp.SpikeReadout(features, classes, neuron, timesteps)


def _compiled(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    library, _ = dsr.engine.kernels.load(baselines.stbp.normed.SOURCE, *baselines.stbp.normed.INCLUDED)
    baselines.stbp.compile_neurons(network, library)
    factories = baselines.stbp.normed.factories(dsr.engine.bits.gradients)
    return baselines.fused.Fused(network, DirectCoding, library, factories)


def _stbp(readout: MakeReadout = mean_current) -> Substitutes:
    return Substitutes(baselines.stbp.LIF, _threshold_norm, readout, _compiled)


def _maximum(neuron: Callable[[], nn.Module]) -> MakeLayer:
    """A maximum of spikes, or of sums of them."""
    return nn.MaxPool2d


METHODS: Mapping[str, Substitutes] = {
    "stbp-tdbn": _stbp(),
    "stbp-tdbn-spikes": _stbp(_mean_spikes),
    "stbp-tdbn-tuned": _stbp(),
    "sew": Substitutes(baselines.stbp.sew.Neuron),
    "sew-published": Substitutes(baselines.stbp.sew.Neuron, pool=_maximum),
}
