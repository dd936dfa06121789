"""The autograd functions of the exact engine: spikes go forward, G = T r(dL/dy) comes back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.grad import conv2d_input, conv2d_weight

from dsr.dynamics import Dynamics
from dsr.engine.signals import Affine, Spikes, Term, all_but_channels
from dsr.engine.trains import Trains
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
        ctx.save_for_backward(*(x for s in spikes for x in (s.data, s.amplitude)), *inputs[1::3])
        biases = [b for b in inputs[2::3] if b is not None]
        terms = tuple(Term(layer, s) for layer, s in zip(layers, spikes, strict=True))
        return trains.currents(Affine(terms, sum(biases[1:], biases[0]) if biases else None))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        count = len(ctx.layers)
        saved, kernels = ctx.saved_tensors[: 2 * count], ctx.saved_tensors[2 * count :]
        summed = ctx.trains.sum_over_time(grad, ctx.weights)
        result: list[Tensor | None] = []
        for i, (layer, shape, weight) in enumerate(zip(ctx.layers, ctx.shapes, kernels, strict=True)):
            if layer is None:
                result += [summed, None, None]
                continue
            values = ctx.trains.values(Spikes(saved[2 * i], ctx.images, shape, saved[2 * i + 1]))
            bias = None if layer.bias is None else grad.sum(all_but_channels(grad))
            result += [
                _input_gradient(layer, weight, summed, (ctx.images, *shape)),
                _weight_gradient(layer, values, grad),
            ]
            result.append(bias)
        return None, None, None, None, *result


def _input_gradient(layer: nn.Conv2d | nn.Linear, weight: Tensor, grad: Tensor, shape: tuple[int, ...]) -> Tensor:
    if isinstance(layer, nn.Linear):
        return grad @ weight
    return conv2d_input(shape, weight, grad, *_geometry(layer))


def _weight_gradient(layer: nn.Conv2d | nn.Linear, values: Tensor, grad: Tensor) -> Tensor:
    if isinstance(layer, nn.Linear):
        return grad.t() @ values
    return conv2d_weight(values, layer.weight.shape, grad, *_geometry(layer))


def _geometry(layer: nn.Conv2d) -> tuple[Any, Any, Any, int]:
    return layer.stride, layer.padding, layer.dilation, layer.groups


class NormAndNeuron(torch.autograd.Function):
    """Batch norm and neuron: dense currents in, the token of the spikes out."""

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
        dynamics: Dynamics,
        trains: Trains,
        repeated: bool,
    ) -> Tensor:
        ctx.save_for_backward(currents, weight, mean, invstd, state)
        ctx.dynamics, ctx.trains, ctx.repeated = dynamics, trains, repeated
        return _token(currents, state)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        currents, weight, mean, invstd, state = ctx.saved_tensors
        per_step, grad_threshold = _clamp_backward(ctx, grad, state)
        at_norm = ctx.trains.norm_backward(per_step, currents, mean, invstd, weight)
        return *at_norm, grad_threshold, None, None, None, None, None, None


class Neuron(torch.autograd.Function):
    """A neuron without a norm in front."""

    @staticmethod
    def forward(
        ctx: Any, currents: Tensor, threshold: Tensor, state: Tensor, dynamics: Dynamics, trains: Trains, repeated: bool
    ) -> Tensor:
        ctx.save_for_backward(state)
        ctx.dynamics, ctx.trains, ctx.repeated = dynamics, trains, repeated
        return _token(currents, state)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        per_step, grad_threshold = _clamp_backward(ctx, grad, *ctx.saved_tensors)
        if not ctx.repeated:
            per_step = at_every_step(per_step, len(ctx.dynamics.weights))
        return per_step, grad_threshold, None, None, None, None


def _token(currents: Tensor, state: Tensor) -> Tensor:
    return currents.new_zeros(()).expand(state.shape)


def _clamp_backward(ctx: Any, grad: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradients of the current at each step (of all steps together if repeated) and of the threshold."""
    factor = 1.0 / ctx.dynamics.tau if ctx.repeated else 1.0 / (len(ctx.dynamics.weights) * ctx.dynamics.tau)
    at_current, saturated = ctx.trains.clamp_backward(grad, state, factor)
    return at_current, ctx.dynamics.threshold_gain * saturated


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
