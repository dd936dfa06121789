"""What a method is: its facts, three substitutions in a shared network, and how it takes over a parent's weights.

A method from outside this repository makes instances of `Method`, too: `benchmarks.plugins` says how they are found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

import baselines.ann
from baselines.dropout import DropoutOverTime
from benchmarks.catalogue.facts import Facts
from benchmarks.networks.parts import MakeLayer, Norm, Readout, SpikingNeuron
from benchmarks.spec import Recipe
from benchmarks.training.backward import Gradients, at_once
from benchmarks.training.losses import LossFunction

MakeNeuron = Callable[..., nn.Module]
MakeNorm = Callable[[Mapping[str, float], int], Norm]
MakeCoding = Callable[[int], nn.Module]
MakePool = Callable[[Callable[[], nn.Module]], MakeLayer]
MakeDropout = Callable[[int], MakeLayer]
Wrap = Callable[[nn.Module, int, Recipe], nn.Module]
MakeReadout = Callable[[Callable[[], nn.Module], int], Readout]
HandOver = Callable[[nn.Module, nn.Module, Tensor, Recipe], None]
Start = Callable[[nn.Module, Tensor, Tensor], float]


def batch_norm(parameters: Mapping[str, float], timesteps: int) -> Norm:
    """Plain batch norm; with time folded into the batch, its statistics are over time too."""
    return lambda features, branches=1: nn.BatchNorm2d(features)


def no_norm(parameters: Mapping[str, float], timesteps: int) -> Norm:
    """Currents as they are."""
    return lambda features, branches=1: nn.Identity()


def average_pool(neuron: Callable[[], nn.Module]) -> MakeLayer:
    """An average pool, which leaves all between two layers of neurons linear."""
    return nn.AvgPool2d


def dropped_anew(timesteps: int) -> MakeLayer:
    """Dropout whose mask is drawn again at every step."""
    return nn.Dropout


def dropped_over_time(timesteps: int) -> MakeLayer:
    """Dropout whose mask is drawn once an image and kept at every step."""
    return partial(DropoutOverTime, timesteps=timesteps)


def mean_current(neuron: Callable[[], nn.Module], timesteps: int) -> Readout:
    """Logits are the classifier's output, averaged over the steps."""
    return lambda features, classes, reencode=True: baselines.ann.Readout(features, classes, timesteps)


def as_it_is(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    """The network, run without changes."""
    return network


def parents_weights(network: nn.Module, parent: nn.Module, images: Tensor, recipe: Recipe) -> None:
    """Copy a trained parent's weights; only a spiking neuron may have parameters that its parent lacks."""
    unmatched = network.load_state_dict(parent.state_dict(), strict=False)
    neurons = {name for name, module in network.named_modules() if isinstance(module, SpikingNeuron)}
    assert not unmatched.unexpected_keys, unmatched
    assert {name.rpartition(".")[0] for name in unmatched.missing_keys} <= neurons, unmatched


@dataclass(frozen=True)
class Substitutes:
    """What a method puts into a shared network, and how the network is trained and run.

    `neuron` takes T and the recipe's neuron parameters; `norm` takes the recipe's norm parameters and T.
    `coding` takes T and makes what turns images into spikes; None: the first layer gets the images as currents.
    `pool` takes what makes neurons, and returns what makes pools; `dropout` takes T, and returns what makes dropouts.

    `gradients` finds the gradients of a batch, where one backward pass does not (`benchmarks.training.backward`).
    `loss`: what is lowered, if that is none of `benchmarks.training.losses`, one of which the recipe names.

    `wrap` may change how the finished network is run and differentiated; parameters and their names stay. What runs
    faster than its modules would may count its spikes itself (`benchmarks.operations.tally.CountsItself`). `hand_over`
    gives a network what its trained parent has, from training images if it needs some. `streams`: the network does
    one time step at a time, so its parts see T = 1. `start` sets the thresholds that a recipe with
    `start="first-gradient"` leaves to the first batch: it takes network, images and labels, and returns the threshold.
    """

    neuron: MakeNeuron
    norm: MakeNorm = batch_norm
    readout: MakeReadout = mean_current
    wrap: Wrap = as_it_is
    hand_over: HandOver = parents_weights
    streams: bool = False
    start: Start | None = None
    coding: MakeCoding | None = None
    pool: MakePool = average_pool
    dropout: MakeDropout = dropped_anew
    gradients: Gradients = at_once
    loss: LossFunction | None = None


@dataclass(frozen=True)
class Method(Substitutes, Facts):
    """A method: `Method(title, neuron, ...)`, its facts by keyword (`benchmarks.catalogue.facts`).

    A method from outside makes one. Its `recipe` says what the method would be published with, whatever the run's
    scale: the suite cuts it down, but for a batch size other than DSR's. A conversion states `parent`, and its recipe
    has 0 epochs.
    """
