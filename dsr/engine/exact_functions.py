"""The autograd functions of the exact engine: spikes go forward, G = T r(dL/dy) comes back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from dsr.dynamics import Dynamics
from dsr.engine.layout import memory_format
from dsr.engine.signals import Affine, Spikes, Term, all_but_channels
from dsr.engine.trains import Trains
from dsr.precision import input_gradient, rounded, rounds
from dsr.representation import at_every_step


class Currents(torch.autograd.Function):
    """Sum of linear layers of spike trains. `inputs` has three entries per term: token, weight, bias."""

    @staticmethod
    def forward(
        ctx: Any,
        layers: tuple[nn.Conv2d | nn.Linear | None, ...],
        spikes: tuple[Spikes, ...],
        weights: list[float],
        trains: Trains,
        *inputs: Tensor | None,
    ) -> Tensor:
        ctx.layers, ctx.weights, ctx.trains = layers, weights, trains
        ctx.images, ctx.shapes = spikes[0].images, [s.shape for s in spikes]
        ctx.save_for_backward(*(x for s in spikes for x in (s.data, s.amplitude)))
        biases = [b for b in inputs[2::3] if b is not None]
        terms = tuple(Term(layer, s) for layer, s in zip(layers, spikes, strict=True))
        return trains.currents(Affine(terms, sum(biases[1:], biases[0]) if biases else None))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        summed, total = ctx.trains.sums(grad, ctx.weights)
        result: list[Tensor | None] = []
        for i, (layer, shape) in enumerate(zip(ctx.layers, ctx.shapes, strict=True)):
            if layer is None:
                result += [summed, None, None]
                continue
            shape = (ctx.images, *shape)
            like = torch.empty(shape, dtype=grad.dtype, device=grad.device, memory_format=memory_format(shape))
            spikes = Spikes(saved[2 * i], ctx.images, shape[1:], saved[2 * i + 1])
            result += [
                input_gradient(layer, summed, like),
                ctx.trains.weight_gradient(layer, grad, spikes),
                None if layer.bias is None else rounded(grad).sum(all_but_channels(grad)) if rounds(layer) else total,
            ]
        return None, None, None, None, *result


class NormAndNeuron(torch.autograd.Function):
    """Batch norm and neuron: dense currents in, out `value`, which receives the gradient G.

    `value` is the token of the spikes, or the measured representation in representation space.
    """

    @staticmethod
    def forward(
        ctx: Any,
        currents: Tensor,
        weight: Tensor,
        bias: Tensor,
        threshold: Tensor,
        mean: Tensor,
        invstd: Tensor,
        state: Tensor,
        value: Tensor,
        dynamics: Dynamics,
        trains: Trains,
        repeated: bool,
    ) -> Tensor:
        ctx.save_for_backward(currents, weight, mean, invstd, state)
        ctx.dynamics, ctx.trains, ctx.repeated = dynamics, trains, repeated
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        currents, weight, mean, invstd, state = ctx.saved_tensors
        given = (grad, state, _factor(ctx), currents, mean, invstd, weight)
        *at_norm, saturated = ctx.trains.norm_and_clamp_backward(*given)
        grad_threshold = ctx.dynamics.threshold_gain * saturated
        return *at_norm, grad_threshold, None, None, None, None, None, None, None


class Neuron(torch.autograd.Function):
    """A neuron without a norm in front."""

    @staticmethod
    def forward(
        ctx: Any, currents: Tensor, threshold: Tensor, state: Tensor, dynamics: Dynamics, trains: Trains, repeated: bool
    ) -> Tensor:
        ctx.save_for_backward(state)
        ctx.dynamics, ctx.trains, ctx.repeated = dynamics, trains, repeated
        return token(currents, state)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (state,) = ctx.saved_tensors
        per_step, saturated = ctx.trains.clamp_backward(grad, state, _factor(ctx))
        if not ctx.repeated:
            per_step = at_every_step(per_step, len(ctx.dynamics.weights))
        return per_step, ctx.dynamics.threshold_gain * saturated, None, None, None, None


def token(currents: Tensor, state: Tensor) -> Tensor:
    """Return what stands for spikes in the graph; its values have no meaning."""
    return currents.new_zeros(()).expand(state.shape)


def _factor(ctx: Any) -> float:
    """Return the gradient of the clamp at the current of each step, of all steps together if it is repeated."""
    return 1.0 / ctx.dynamics.tau if ctx.repeated else 1.0 / (len(ctx.dynamics.weights) * ctx.dynamics.tau)


class Values(torch.autograd.Function):
    """Dense emitted values of spikes; their gradient, summed over time, goes to the token."""

    @staticmethod
    def forward(ctx: Any, token: Tensor, spikes: Spikes, weights: list[float], trains: Trains) -> Tensor:
        ctx.weights, ctx.trains = weights, trains
        return trains.values(spikes)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return ctx.trains.sum_over_time(grad, ctx.weights), None, None, None


class Read(torch.autograd.Function):
    """The representation. dL/dy_t = w_t dL/dr, so G = T sum w_t^2 dL/dr."""

    @staticmethod
    def forward(ctx: Any, token: Tensor, measured: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return measured

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return grad * ctx.factor, None, None
