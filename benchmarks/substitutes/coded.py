"""Conversions whose images become spikes, too, and the ANNs they convert: CQ training and Spike-Norm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

import baselines.clipped
import baselines.conversion
import baselines.cq
import baselines.spike_norm
from baselines.coding import BernoulliStep
from baselines.dropout import ChannelDropoutOverTime
from benchmarks.method import Substitutes, parents_weights
from benchmarks.networks.parts import MakeLayer
from benchmarks.spec import Recipe
from benchmarks.substitutes.ann import relu
from benchmarks.substitutes.conversions import step_by_step
from benchmarks.substitutes.fused import fused


def _clamped(timesteps: int, clip: float = 1.0) -> nn.Module:
    return baselines.clipped.ClippedReLU(clip)


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
    return lambda p=0.5: ChannelDropoutOverTime(p, timesteps)


def _largest_currents(network: nn.Module, parent: nn.Module, images: Tensor, recipe: Recipe) -> None:
    assert isinstance(network, baselines.conversion.Converted)
    parents_weights(network, parent, images, recipe)
    baselines.spike_norm.set_thresholds(network, images, int(recipe.conversion["steps"]))


_converted = partial(
    Substitutes,
    baselines.conversion.IF,
    wrap=step_by_step,
    streams=True,
    coding=_behind_pixels,
    pool=_behind_pools,
)

METHODS: Mapping[str, Substitutes] = {
    "ann-pixels": Substitutes(relu, wrap=fused),
    "cq-clamp-ann": Substitutes(_clamped, wrap=fused),
    "cq-ann": Substitutes(_quantised, wrap=fused),
    "cq": _converted(),
    "cq-published-ann": Substitutes(_clamped, wrap=fused, dropout=_dropped_channels),
    "cq-published": _converted(),
    "spike-norm": Substitutes(
        baselines.conversion.IF,
        wrap=step_by_step,
        hand_over=_largest_currents,
        streams=True,
        coding=_random_pixels,
    ),
}
