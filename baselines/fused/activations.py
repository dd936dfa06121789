"""Norm and activation as one call: ReLU, a bounded ReLU (`baselines.clipped`) and QCFS (`baselines.qcfs`)."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from baselines import qcfs as quantized
from baselines.clipped import ClippedReLU
from baselines.fused import kernels
from baselines.fused.kernels import Activation, Moments, Normed

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
MOST_LEVELS = 2**22
"""Beyond it, float32 cannot tell levels from their halves."""

Meaning = Callable[[Any], tuple[Activation, Tensor | None]]
"""What a neuron computes now, and the parameter that is its ceiling, if that is trained."""


class _NormAndActivation(torch.autograd.Function):
    """The activation of the norm of a map, or of the sum of two; only that map and vectors are kept for backward."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        residual: Tensor | None,
        weight: Tensor | None,
        bias: Tensor | None,
        ceiling: Tensor | None,
        norm: _BatchNorm,
        library: ctypes.CDLL,
        activation: Activation,
    ) -> Tensor:
        maps = [None if m is None else kernels.channels_last(m) for m in (x, residual)]
        assert maps[0] is not None
        total, found = kernels.moments(library, maps[0], maps[1], norm.eps)
        kernels.track(norm, found)
        ctx.save_for_backward(total, weight, bias, *found)
        ctx.library, ctx.activation = library, activation
        return Normed(library, total, found, weight, bias, activation).activated()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        total, weight, bias, *found = ctx.saved_tensors
        normed = Normed(ctx.library, total, Moments(*found), weight, bias, ctx.activation)
        grad = kernels.channels_last(grad)
        of_weight, of_bias, of_ceiling = normed.reduced(grad)
        wanted = ctx.needs_input_grad
        of_x = normed.differentiated(grad, of_weight, of_bias) if wanted[0] or wanted[1] else None
        found = (of_x, of_x, of_weight, of_bias, of_ceiling)
        return (*(one if is_wanted else None for one, is_wanted in zip(found, wanted, strict=False)), None, None, None)


class _Call:
    """Norm, sum and activation of one place in a network (`baselines.fused.graph.Call`)."""

    def __init__(self, norm: _BatchNorm, neuron: nn.Module, library: ctypes.CDLL, meaning: Meaning) -> None:
        self.norm, self.neuron, self.library, self.meaning = norm, neuron, library, meaning

    def __call__(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        norm, (activation, ceiling) = self.norm, self.meaning(self.neuron)
        if not kernels.is_supported(norm, x, residual) or activation.levels > MOST_LEVELS:
            y: Tensor = self.neuron(norm(x if residual is None else x + residual))
            return y
        return _NormAndActivation.apply(x, residual, norm.weight, norm.bias, ceiling, norm, self.library, activation)


def relu(norm: _BatchNorm, neuron: nn.Module, library: ctypes.CDLL) -> _Call | None:
    """Fuse a norm and a ReLU, of whatever class."""
    return _call(norm, neuron, library, lambda neuron: (Activation(kernels.RELU), None))


def clipped(norm: _BatchNorm, neuron: nn.Module, library: ctypes.CDLL) -> _Call | None:
    """Fuse a norm and a `baselines.clipped.ClippedReLU`."""
    return _call(norm, neuron, library, _clip)


def qcfs(norm: _BatchNorm, neuron: nn.Module, library: ctypes.CDLL) -> _Call | None:
    """Fuse a norm and a `baselines.qcfs.Activation`."""
    return _call(norm, neuron, library, _staircase)


def _call(norm: _BatchNorm, neuron: nn.Module, library: ctypes.CDLL, meaning: Meaning) -> _Call | None:
    return _Call(norm, neuron, library, meaning) if type(norm) in NORMS else None


def _clip(neuron: ClippedReLU) -> tuple[Activation, Tensor | None]:
    return Activation(kernels.CLIP, neuron.clip), None


def _staircase(neuron: quantized.Activation) -> tuple[Activation, Tensor | None]:
    kind = kernels.CLAMP_FLOOR if neuron.order == "clamp-floor" else kernels.FLOOR_CLAMP
    return Activation(kind, neuron.threshold.item(), neuron.levels), neuron.threshold


FACTORIES = {nn.ReLU: relu, ClippedReLU: clipped, quantized.Activation: qcfs}
"""By neuron; a network of other ReLUs is given `{TheirReLU: relu}` as well."""
