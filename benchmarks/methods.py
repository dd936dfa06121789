"""The comparison on one page: what each method puts in place of ReLU, batch norm and the head.

The only module that imports `dsr` and `baselines`. A new method is one file there, one entry here, and one case in
`recipes.py`; it is then in every sweep's reach and under every test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

import baselines.ann
import baselines.conversion
import baselines.qcfs
import baselines.stbp
import dsr
from benchmarks.networks.parts import DirectCoding, Norm, Parts, Readout
from benchmarks.spec import Recipe

MakeNeuron = Callable[..., nn.Module]
MakeNorm = Callable[[Mapping[str, float]], Norm]
Wrap = Callable[[nn.Module, Recipe], nn.Module]
MakeReadout = Callable[[Callable[[], nn.Module], int], Readout]


def _batch_norm(parameters: Mapping[str, float]) -> Norm:
    return lambda features, branches=1: nn.BatchNorm2d(features)


def _threshold_norm(parameters: Mapping[str, float]) -> Norm:
    """tdBN: alpha = 1 / sqrt(n) where n branches are added."""
    return lambda features, branches=1: baselines.stbp.ThresholdBatchNorm2d(
        features, alpha=branches**-0.5, **parameters
    )


def _mean_current(neuron: Callable[[], nn.Module], timesteps: int) -> Readout:
    return lambda features, classes, reencode=True: baselines.ann.Readout(features, classes, timesteps)


def _representation(neuron: Callable[[], Any], timesteps: int) -> Readout:
    return lambda features, classes, reencode=True: dsr.Readout(features, classes, neuron, reencode)


def _relu(timesteps: int) -> nn.Module:
    return nn.ReLU()


def _qcfs(timesteps: int, **parameters: Any) -> nn.Module:
    return baselines.qcfs.Activation(**parameters)


def _as_it_is(network: nn.Module, recipe: Recipe) -> nn.Module:
    return network


def _exact(network: nn.Module, recipe: Recipe) -> nn.Module:
    return dsr.Exact(network, DirectCoding)


def _in_representation_space(network: nn.Module, recipe: Recipe) -> nn.Module:
    compute = torch.bfloat16 if recipe.precision == "bfloat16" else None
    return dsr.RepresentationSpace(network, DirectCoding, compute)


@dataclass(frozen=True)
class Method:
    """Three substitutions in a shared network. `neuron` takes T and the recipe's neuron parameters.

    `wrap` may change how the finished network is run and differentiated; parameters and their names stay.
    """

    title: str
    neuron: MakeNeuron
    norm: MakeNorm = _batch_norm
    readout: MakeReadout = _mean_current
    wrap: Wrap = _as_it_is


METHODS: Mapping[str, Method] = {
    "ann": Method("ANN, ReLU", _relu),
    "dsr-if": Method("DSR, integrate-and-fire", dsr.IF, readout=_representation, wrap=_exact),
    "dsr-lif": Method("DSR, leaky integrate-and-fire", dsr.LIF, readout=_representation, wrap=_exact),
    "dsr-if-rep": Method(
        "DSR-IF, differentiated in representation space", dsr.IF, readout=_representation, wrap=_in_representation_space
    ),
    "dsr-lif-rep": Method(
        "DSR-LIF, differentiated in representation space",
        dsr.LIF,
        readout=_representation,
        wrap=_in_representation_space,
    ),
    "stbp-tdbn": Method("STBP-tdBN, surrogate gradient", baselines.stbp.LIF, norm=_threshold_norm),
    "qcfs-ann": Method("ANN with QCFS activation, parent of qcfs", _qcfs),
    "qcfs": Method("QCFS, converted from qcfs-ann", baselines.conversion.IF),
}


def parts(method: str, timesteps: int, recipe: Recipe) -> Parts:
    """A method's parts at T steps with the recipe's parameters."""
    chosen = METHODS[method]
    neuron = partial(chosen.neuron, timesteps, **recipe.neuron)
    return Parts(timesteps, neuron, chosen.norm(recipe.norm), chosen.readout(neuron, timesteps))


def kernels_missing() -> str:
    """Why DSR's compiled kernels cannot be used here; empty when they can."""
    return dsr.engine.kernels.reason()
