"""Conversions that build on QCFS, and the ANNs they convert: SRP and SlipReLU."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

import baselines.conversion
import baselines.slip_relu
import baselines.srp
from benchmarks.method import Substitutes, parents_weights
from benchmarks.spec import Recipe
from benchmarks.substitutes.conversions import converted, qcfs, step_by_step
from benchmarks.substitutes.fused import fused


def _presimulated(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    neuron = next(module for module in network.modules() if isinstance(module, baselines.srp.IF))
    return step_by_step(network, timesteps, recipe, neuron.first)


def _slip_relu(timesteps: int, slope: float = 0.5, levels: int = 4, threshold: float = 8.0) -> nn.Module:
    return baselines.slip_relu.Activation(slope, levels, threshold)


SRP = Substitutes(baselines.srp.IF, wrap=_presimulated, hand_over=parents_weights, streams=True)

METHODS: Mapping[str, Substitutes] = {
    "qcfs-srp": SRP,
    "qcfs-srp-published-ann": Substitutes(qcfs, wrap=fused),
    "qcfs-srp-published": SRP,
    "slip-relu-ann": Substitutes(_slip_relu, wrap=fused),
    "slip-relu": converted(parents_weights),
}
