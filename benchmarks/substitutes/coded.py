"""Conversions whose images become spikes, too, and the ANNs they convert: CQ training and Spike-Norm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

import baselines.conversion
import baselines.cq
import baselines.spike_norm
from baselines.coding import BernoulliStep
from baselines.dropout import ChannelDropoutOverTime
from benchmarks.method import Substitutes, parents_weights
from benchmarks.networks.parts import MakeLayer
from benchmarks.spec import Recipe
from benchmarks.substitutes.ann import relu
from benchmarks.substitutes.conversions import clipped, step_by_step
from benchmarks.substitutes.fused import fused


def _quantised(timesteps: int, levels: int = 32) -> nn.Module:
    return baselines.cq.Activation(levels)


def _behind_pixels(timesteps: int) -> nn.Module:
    return baselines.conversion.IF(timesteps)


def _random_pixels(timesteps: int) -> nn.Module:
    return BernoulliStep()


def _behind_pools(neuron: Callable[[], nn.Module]) -> MakeLayer:
    """An average pool and neurons, which turn its shares of a spike into spikes."""

    def make(*size: Any, **how: Any) -> nn.Module:
        return nn.Sequential(nn.AvgPool2d(*size, **how), neuron())

    return make


def _dropped_channels(timesteps: int) -> MakeLayer:
    return partial(ChannelDropoutOverTime, timesteps=timesteps)


def _largest_currents(network: nn.Module, parent: nn.Module, images: Tensor, recipe: Recipe) -> None:
    assert isinstance(network, baselines.conversion.Converted)
    parents_weights(network, parent, images, recipe)
    baselines.spike_norm.set_thresholds(network, images, int(recipe.conversion["steps"]))


CONVERTED = Substitutes(
    baselines.conversion.IF,
    wrap=step_by_step,
    streams=True,
    coding=_behind_pixels,
    pool=_behind_pools,
)

METHODS: Mapping[str, Substitutes] = {
    "ann-pixels": Substitutes(relu, wrap=fused),
    "cq-clamp-ann": Substitutes(clipped, wrap=fused),
    "cq-ann": Substitutes(_quantised, wrap=fused),
    "cq": CONVERTED,
    "cq-published-ann": Substitutes(clipped, wrap=fused, dropout=_dropped_channels),
    "cq-published": CONVERTED,
    "spike-norm": Substitutes(
        baselines.conversion.IF,
        wrap=step_by_step,
        hand_over=_largest_currents,
        streams=True,
        coding=_random_pixels,
    ),
}
