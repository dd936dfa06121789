"""Surrogate gradients: backpropagation through time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import nn

import baselines.fused
import baselines.stbp
import baselines.stbp.compiled
import baselines.stbp.neunorm
import baselines.stbp.normed
import baselines.stbp.plif
import baselines.stbp.psn
import baselines.stbp.sew
import baselines.stbp.stepwise
import baselines.stbp.tdbn
import dsr.engine
import dsr.engine.bits
from benchmarks.method import MakeReadout, Substitutes, dropped_over_time, mean_current, no_norm
from benchmarks.networks.parts import DirectCoding, MakeLayer, Norm, Readout
from benchmarks.spec import Recipe

VOTES = 10
"""Output neurons a class, in STBP's and PLIF's own networks."""


def _threshold_norm(parameters: Mapping[str, float], timesteps: int) -> Norm:
    """tdBN: alpha = 1 / sqrt(n) where n branches are added."""
    return lambda features, branches=1: baselines.stbp.tdbn.ThresholdBatchNorm2d(
        features, alpha=branches**-0.5, **parameters
    )


def norm_of_each_step(parameters: Mapping[str, float], timesteps: int) -> Norm:
    return lambda features, branches=1: baselines.stbp.stepwise.StepwiseBatchNorm2d(features, timesteps)


def _mean_spikes(neuron: Callable[[], nn.Module], timesteps: int, votes: int = 1, bias: bool = True) -> Readout:
    return lambda features, classes, reencode=True: baselines.stbp.SpikeReadout(
        features, classes, neuron, timesteps, votes, bias
    )


def _maximum(neuron: Callable[[], nn.Module]) -> MakeLayer:
    """A maximum of spikes, or of sums of them: whether any neuron under the window fires."""
    return nn.MaxPool2d


def _neuron_and_neunorm(
    timesteps: int,
    threshold: float = 0.25,
    decay: float = 0.25,
    surrogate_width: float = 1.0,
    trace_decay: float = 0.9,
) -> nn.Module:
    neuron = baselines.stbp.LIF(timesteps, threshold, decay, surrogate_width)
    return nn.Sequential(neuron, baselines.stbp.neunorm.NeuNorm(timesteps, trace_decay))


def _compiled(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    library, _ = dsr.engine.kernels.load(baselines.stbp.normed.SOURCE, *baselines.stbp.normed.INCLUDED)
    baselines.stbp.compile_neurons(network, library)
    factories = baselines.stbp.normed.factories(dsr.engine.bits.gradients)
    return baselines.fused.Fused(network, DirectCoding, library, factories)


def _compiled_neurons(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    library, _ = dsr.engine.kernels.load(baselines.stbp.compiled.SOURCE)
    return baselines.stbp.compile_neurons(network, library)


def _fitted(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    """Weights of NeuNorms as large as the maps of the data set's images."""
    first = next(layer for layer in network.modules() if isinstance(layer, nn.Conv2d))
    edge = recipe.image_size or int(recipe.norm["edge"])
    baselines.stbp.neunorm.fit(network, torch.zeros(1, first.in_channels, edge, edge))
    return _compiled_neurons(network, timesteps, recipe)


def _stbp(readout: MakeReadout = mean_current) -> Substitutes:
    return Substitutes(baselines.stbp.LIF, _threshold_norm, readout, _compiled)


METHODS: Mapping[str, Substitutes] = {
    "stbp-tdbn": _stbp(),
    "stbp-tdbn-spikes": _stbp(_mean_spikes),
    "stbp-tdbn-tuned": _stbp(),
    "tet-published": _stbp(),
    "sew": Substitutes(baselines.stbp.sew.Neuron),
    "sew-published": Substitutes(baselines.stbp.sew.Neuron, pool=_maximum),
    "stbp": Substitutes(baselines.stbp.LIF, no_norm, wrap=_compiled_neurons),
    "stbp-published": Substitutes(
        baselines.stbp.LIF, no_norm, partial(_mean_spikes, votes=VOTES), wrap=_compiled_neurons
    ),
    "stbp-neunorm": Substitutes(_neuron_and_neunorm, no_norm, wrap=_fitted),
    "psn": Substitutes(baselines.stbp.psn.PSN),
    "plif": Substitutes(baselines.stbp.plif.PLIF),
    "plif-stepwise": Substitutes(baselines.stbp.plif.PLIF, norm_of_each_step),
    "plif-published": Substitutes(
        baselines.stbp.plif.PLIF,
        norm_of_each_step,
        partial(_mean_spikes, votes=VOTES, bias=False),
        pool=_maximum,
        dropout=dropped_over_time,
    ),
}
