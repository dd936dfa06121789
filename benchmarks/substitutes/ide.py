"""IDE: networks with feedback, simulated step by step and differentiated at their equilibrium."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from torch import nn

import baselines.ide
from benchmarks.method import Substitutes
from benchmarks.networks.feedback import FeedbackNet
from benchmarks.networks.parts import MakeLayer
from benchmarks.spec import Recipe


def _held(timesteps: int) -> MakeLayer:
    return baselines.ide.HeldDropout


def _at_equilibrium(network: nn.Module, timesteps: int, recipe: Recipe, as_released: bool = False) -> nn.Module:
    assert isinstance(network, FeedbackNet)
    baselines.ide.bound(network.feedback)
    at: baselines.ide.At = "f of rate" if as_released else "rate"
    return baselines.ide.Equilibrium(network, timesteps, at, moves_twice=as_released)


def _ide(as_released: bool = False) -> Substitutes:
    wrap = partial(_at_equilibrium, as_released=as_released)
    return Substitutes(baselines.ide.Neuron, wrap=wrap, streams=True, dropout=_held)


METHODS: Mapping[str, Substitutes] = {"ide": _ide(), "ide-published": _ide(as_released=True)}
