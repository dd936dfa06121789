"""TSSL-BP: synaptic filters, gradients of spike times, a loss of filtered trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from torch import Tensor, nn

import baselines.tssl
from baselines.dropout import RowDropoutOverTime
from benchmarks.method import MakeNorm, Substitutes, batch_norm, no_norm
from benchmarks.networks.parts import MakeLayer, Readout
from benchmarks.spec import Recipe
from benchmarks.training.backward import Objective
from benchmarks.training.losses import mean_over_time


def _readout(neuron: Callable[[], nn.Module], timesteps: int, bias: bool = True) -> Readout:
    return lambda features, classes, reencode=True: baselines.tssl.Readout(features, classes, neuron, timesteps, bias)


def _sum_pool(neuron: Callable[[], nn.Module]) -> MakeLayer:
    return baselines.tssl.SumPool2d


def _row_dropout(timesteps: int) -> MakeLayer:
    return partial(RowDropoutOverTime, timesteps=timesteps)


def _kernel_loss(outputs: Tensor, labels: Tensor, recipe: Recipe, times: int = 1) -> Tensor:
    return baselines.tssl.kernel_loss(outputs, labels, float(recipe.neuron["tau_synapse"]), times)


def clipped(network: nn.Module, images: Tensor, labels: Tensor, objective: Objective) -> tuple[Tensor, Tensor]:
    """The gradient of the loss summed over a batch, cut to length 1; before the pass weights are kept within 4.

    The released code clips weights behind the update: what is evaluated may here be one update outside.
    """
    baselines.tssl.clip_weights(network)
    outputs = network(images)
    loss = objective(outputs, labels)
    (loss * len(labels)).backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    return mean_over_time(outputs.detach()), loss.detach()


def _tssl(norm: MakeNorm, bias: bool, times: int) -> Substitutes:
    """`times`: how often the target train is filtered."""
    return Substitutes(
        baselines.tssl.Neuron,
        norm,
        partial(_readout, bias=bias),
        pool=_sum_pool,
        dropout=_row_dropout,
        loss=partial(_kernel_loss, times=times),
        gradients=clipped,
    )


METHODS: Mapping[str, Substitutes] = {
    "tssl-bp": _tssl(batch_norm, bias=True, times=1),
    "tssl-bp-published": _tssl(no_norm, bias=False, times=2),
}
