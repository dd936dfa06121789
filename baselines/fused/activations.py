"""Norm and activation as one call: ReLU, a bounded ReLU (`baselines.clipped`), QCFS, LSQ, and a clamp.

The clamp has a trained ceiling V, and may be quantised to the levels of a firing rate:

    h(z) = clamp(z, 0, V)      or      V / T clamp(floor(T z / V - alpha) + 1, 0, T)

    dh/dz = [0 <= z <= V],   dh/dV = c [z > V]   of both
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from baselines import qcfs as quantized
from baselines.clipped import ClippedReLU
from baselines.fused import kernels
from baselines.fused.kernels import Activation, Moments, Normed
from baselines.lsq import Activation as LearnedSteps

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
MOST_LEVELS = 2**22
"""Beyond it, float32 cannot tell levels from their halves."""

Meaning = Callable[[Any, int], tuple[Activation, Tensor | None]]
"""What a neuron computes now, and its ceiling, if that is trained; the number is how many values an image has there."""


class Clamp(Protocol):
    """A clamp at `threshold` V, which is not below a floor that `project_threshold` knows; c is `threshold_gain`."""

    threshold: Tensor
    threshold_gain: float

    def project_threshold(self) -> None: ...


class Quantized(Clamp, Protocol):
    """One of `timesteps` levels T above 0. A rate rises to its next level at the share `alpha` of the step to it."""

    timesteps: int
    alpha: float


class _NormAndActivation(torch.autograd.Function):
    """h(norm(x + residual) + after); either may be None. Kept for backward: x + residual, `after` and vectors."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        residual: Tensor | None,
        after: Tensor | None,
        weight: Tensor | None,
        bias: Tensor | None,
        ceiling: Tensor | None,
        norm: _BatchNorm,
        library: ctypes.CDLL,
        activation: Activation,
    ) -> Tensor:
        x = kernels.channels_last(x)
        residual, after = (None if m is None else kernels.channels_last(m) for m in (residual, after))
        total, found = kernels.moments(library, x, residual, norm.eps)
        kernels.track(norm, found)
        ctx.save_for_backward(total, after, weight, bias, *found)
        ctx.library, ctx.activation = library, activation
        return Normed(library, total, found, weight, bias, activation, after).activated()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        total, after, weight, bias, *found = ctx.saved_tensors
        normed = Normed(ctx.library, total, Moments(*found), weight, bias, ctx.activation, after)
        *vectors, of_after = normed.reduced(kernels.channels_last(grad))
        wanted = ctx.needs_input_grad
        of_x = normed.differentiated(of_after, *vectors[:2]) if wanted[0] or wanted[1] else None
        gradients = (of_x, of_x, of_after, *vectors)
        return (*(one if is_wanted else None for one, is_wanted in zip(gradients, wanted, strict=False)), *(None,) * 3)


class _Call:
    """Norm, sum and activation of one place in a network (`baselines.fused.graph.Call`)."""

    adds_after = True

    def __init__(self, norm: _BatchNorm, neuron: nn.Module, library: ctypes.CDLL, meaning: Meaning) -> None:
        self.norm, self.neuron, self.library, self.meaning = norm, neuron, library, meaning

    def __call__(self, x: Tensor, residual: Tensor | None = None, after: Tensor | None = None) -> Tensor:
        norm, (activation, ceiling) = self.norm, self.meaning(self.neuron, x[:1].numel())
        if not kernels.is_supported(norm, x, residual, after) or activation.levels > MOST_LEVELS:
            z = norm(x if residual is None else x + residual)
            y: Tensor = self.neuron(z if after is None else z + after)
            return y
        arguments = x, residual, after, norm.weight, norm.bias, ceiling, norm, self.library, activation
        return _NormAndActivation.apply(*arguments)


def relu(norm: _BatchNorm, neuron: nn.Module, library: ctypes.CDLL) -> _Call | None:
    """Fuse a norm and a ReLU, of whatever class."""
    return _call(norm, neuron, library, lambda neuron, features: (Activation(kernels.RELU), None))


def clipped(norm: _BatchNorm, neuron: nn.Module, library: ctypes.CDLL) -> _Call | None:
    """Fuse a norm and a `baselines.clipped.ClippedReLU`."""
    return _call(norm, neuron, library, _clip)


def qcfs(norm: _BatchNorm, neuron: nn.Module, library: ctypes.CDLL) -> _Call | None:
    """Fuse a norm and a `baselines.qcfs.Activation`."""
    return _call(norm, neuron, library, _staircase)


def lsq(norm: _BatchNorm, neuron: nn.Module, library: ctypes.CDLL) -> _Call | None:
    """Fuse a norm and a `baselines.lsq.Activation`."""
    return _call(norm, neuron, library, _steps)


def clamp(norm: _BatchNorm, neuron: nn.Module, library: ctypes.CDLL) -> _Call | None:
    """Fuse a norm and a `Clamp`."""
    return _call(norm, neuron, library, _clamp)


def quantized_clamp(norm: _BatchNorm, neuron: nn.Module, library: ctypes.CDLL) -> _Call | None:
    """Fuse a norm and a `Quantized` clamp."""
    return _call(norm, neuron, library, _levels)


def _call(norm: _BatchNorm, neuron: nn.Module, library: ctypes.CDLL, meaning: Meaning) -> _Call | None:
    return _Call(norm, neuron, library, meaning) if type(norm) in NORMS else None


def _clip(neuron: ClippedReLU, features: int) -> tuple[Activation, Tensor | None]:
    return Activation(kernels.CLIP, neuron.clip), None


def _staircase(neuron: quantized.Activation, features: int) -> tuple[Activation, Tensor | None]:
    kind = kernels.CLAMP_FLOOR if neuron.order == "clamp-floor" else kernels.FLOOR_CLAMP
    return Activation(kind, neuron.threshold.item(), neuron.levels), neuron.threshold


def _steps(neuron: LearnedSteps, features: int) -> tuple[Activation, Tensor]:
    ceiling = neuron.ceiling(features)
    return Activation(kernels.CLAMP_FLOOR, ceiling.item(), neuron.levels), ceiling


def _clamp(neuron: Clamp, features: int) -> tuple[Activation, Tensor]:
    neuron.project_threshold()
    return Activation(kernels.CLIP, neuron.threshold.item()), _with_gain(neuron.threshold, neuron.threshold_gain)


def _levels(neuron: Quantized, features: int) -> tuple[Activation, Tensor]:
    activation, ceiling = _clamp(neuron, features)
    return activation._replace(kind=kernels.LEVELS, levels=neuron.timesteps, alpha=neuron.alpha), ceiling


def _with_gain(threshold: Tensor, gain: float) -> Tensor:
    """Return a threshold that passes its gradient on times `gain`."""
    return threshold if gain == 1.0 else threshold * gain + (threshold * (1.0 - gain)).detach()


FACTORIES = {nn.ReLU: relu, ClippedReLU: clipped, quantized.Activation: qcfs, LearnedSteps: lsq}
"""By neuron; a network of other ReLUs is given `{TheirReLU: relu}` as well, and one of clamps `clamp`."""
