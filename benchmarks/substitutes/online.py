"""Training step by step, with no gradient from step to step: SLTT and OTTT, and SLTT's network trained through time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from torch import nn

import baselines.online
from baselines.online import standardised, traces
from benchmarks.method import MakeNorm, Substitutes, Wrap, batch_norm, no_norm
from benchmarks.networks.parts import DirectCoding, Projection
from benchmarks.spec import BadInput, Recipe
from benchmarks.training.backward import at_every_step


def _stepwise(network: nn.Module, timesteps: int, recipe: Recipe, divides_by_all: bool = False) -> nn.Module:
    return baselines.online.Steps(network, timesteps, recipe.trained_steps, divides_by_all)


def _traced(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    neuron = next(module for module in network.modules() if isinstance(module, baselines.online.LIF))
    try:
        traces.trace(network, neuron.decay, DirectCoding, {Projection: traces.Conv2d})
    except TypeError as error:
        if recipe.precision == "float32":
            raise BadInput(str(error)) from error
        raise BadInput(
            f"precision {recipe.precision}: a layer that rounds its operands cannot learn from a trace of its input; "
            f"OTTT's layers do, so it trains in float32"
        ) from error
    return _stepwise(network, timesteps, recipe)


def _traced_and_standardised(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    return standardised.standardise(_traced(network, timesteps, recipe))


def _online(wrap: Wrap, norm: MakeNorm = batch_norm) -> Substitutes:
    return Substitutes(baselines.online.LIF, norm, wrap=wrap, streams=True, gradients=at_every_step)


METHODS: Mapping[str, Substitutes] = {
    "sltt": _online(_stepwise),
    "sltt-k": _online(_stepwise),
    "sltt-bptt": Substitutes(baselines.online.ThroughTime, wrap=_stepwise, streams=True),
    "sltt-published": _online(_stepwise),
    "sltt-k-published": _online(partial(_stepwise, divides_by_all=True)),
    "ottt": _online(_traced),
    "ottt-published": _online(_traced_and_standardised, no_norm),
}
