"""STBP-tdBN's norm and neuron, and a residual addition before them, in one pass each way (`normed.c`).

    z_t = gamma alpha V (x_t - mean) / sqrt(var + eps) + beta,    then the neuron of `baselines.stbp.neuron`

For backward x alone is kept, or the sum, and nothing of the neuron: it is simulated again from x. Spikes go on as
floats, which live until the next layer has read them, and as bits, which that layer keeps.
"""

from __future__ import annotations

import ctypes
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from baselines.stbp import compiled, reading
from baselines.stbp.dynamics import Dynamics
from baselines.stbp.neuron import LIF
from baselines.stbp.tdbn import ThresholdBatchNorm2d

SOURCE = Path(__file__).with_name("normed.c")
INCLUDED = compiled.SOURCE, SOURCE.parents[1] / "fused" / "norms.c"


class _Norm(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("x", "mean", "inverse", "weight", "bias")),
        *((name, ctypes.c_int64) for name in ("rows", "channels", "threads", "activation")),
        *((name, ctypes.c_float) for name in ("ceiling", "levels")),
    )


class _Normed(ctypes.Structure):
    _fields_ = (
        ("neuron", compiled.Neuron),
        *((name, ctypes.c_int64) for name in ("channels", "threads")),
        *((name, ctypes.c_void_p) for name in ("scale", "shift")),
    )


class Moments:
    """A map's mean, 1 / sqrt(variance + eps) and unbiased variance by channel."""

    def __init__(self, x: Tensor) -> None:
        self.mean, self.inverse, self.variance = x.new_empty(3, x.shape[1]).unbind()


class Kernels:
    """The functions of the compiled `normed.c` on channels-last float32 tensors `(T*B, C, H, W)`."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library

    def moments(self, x: Tensor, residual: Tensor | None, eps: float) -> tuple[Tensor, Moments]:
        """Return x + residual and its moments."""
        total, found = x if residual is None else torch.empty_like(x), Moments(x)
        added = (None, None) if residual is None else (_pointer(residual), _pointer(total))
        results = (_pointer(one) for one in (found.mean, found.inverse, found.variance))
        sizes = ctypes.c_int64(x.numel() // x.shape[1]), ctypes.c_int64(x.shape[1])
        self.library.moments(_pointer(x), *added, *sizes, ctypes.c_double(eps), *results, _threads())
        return total, found

    def spikes(self, x: Tensor, scale: Tensor, shift: Tensor, steps: int, of: Dynamics) -> tuple[Tensor, Tensor]:
        """Return spikes as floats, shaped like x, and as bits `(T*B, H, W, words)`."""
        rows, channels, *size = x.shape
        spikes, bits = torch.empty_like(x), torch.empty((rows, *size, (channels + 15) // 16), dtype=torch.uint16)
        normed = _normed(x, scale, shift, steps, of)
        self.library.normed_forward(ctypes.byref(normed), _pointer(x), _pointer(spikes), _pointer(bits))
        return spikes, bits

    def currents(
        self, x: Tensor, grad: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, steps: int, of: Dynamics
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return dL/dz from dL/dspikes, and by channel its sum and that of dL/dz (x - mean)."""
        normed, grad_z = _normed(x, scale, shift, steps, of), torch.empty_like(x)
        self.library.strip_of.restype = ctypes.c_int64
        strip = self.library.strip_of(ctypes.c_int64(steps), ctypes.c_int64(x.shape[1]))
        scratch = x.new_empty(normed.threads * steps * strip)
        sums = x.new_zeros(2 * (normed.threads * strip + x.shape[1]), dtype=torch.float64)
        by_lane, of_bias, of_weight = sums.split([2 * normed.threads * strip, x.shape[1], x.shape[1]])
        pointers = (_pointer(one) for one in (x, grad, mean, grad_z, scratch, by_lane, of_bias, of_weight))
        self.library.normed_backward(ctypes.byref(normed), *pointers)
        return grad_z, of_bias, of_weight

    def differentiate(
        self, x: Tensor, grad_z: Tensor, found: Moments, weight: Tensor, of_weight: Tensor, of_bias: Tensor
    ) -> None:
        """Replace dL/dz by dL/dx."""
        pointers = (one.data_ptr() for one in (x, found.mean, found.inverse, weight))
        norm = _Norm(*pointers, None, x.numel() // x.shape[1], x.shape[1], torch.get_num_threads(), 0, 1.0, 1.0)
        tensors = (_pointer(one) for one in (grad_z, of_weight, of_bias, grad_z))
        self.library.differentiate(ctypes.byref(norm), *tensors)


def _normed(x: Tensor, scale: Tensor, shift: Tensor, steps: int, of: Dynamics) -> _Normed:
    neuron = compiled.Neuron(steps, x.numel() // steps, *of)
    return _Normed(neuron, x.shape[1], torch.get_num_threads(), scale.data_ptr(), shift.data_ptr())


def _pointer(x: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(x.data_ptr())


def _threads() -> ctypes.c_int64:
    return ctypes.c_int64(torch.get_num_threads())


class _NormedNeuron(torch.autograd.Function):
    """Sum, norm and neuron. Returns spikes and their bits."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        residual: Tensor | None,
        weight: Tensor,
        bias: Tensor,
        norm: ThresholdBatchNorm2d,
        neuron: LIF,
        kernels: Kernels,
    ) -> tuple[Tensor, Tensor]:
        residual = None if residual is None else _last(residual)
        x, found = kernels.moments(_last(x), residual, norm.eps)
        _track(norm, found)
        scale = weight * norm.scale * found.inverse
        shift = bias - found.mean * scale
        spikes, bits = kernels.spikes(x, scale, shift, neuron.timesteps, neuron.dynamics)
        ctx.save_for_backward(x, weight, scale, shift, found.mean, found.inverse)
        ctx.factor, ctx.steps, ctx.dynamics, ctx.kernels = norm.scale, neuron.timesteps, neuron.dynamics, kernels
        ctx.found = found
        ctx.mark_non_differentiable(bits)
        ctx.set_materialize_grads(False)
        return spikes, bits

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
        if grad is None:
            return (None,) * 7
        x, weight, scale, shift, mean, inverse = ctx.saved_tensors
        grad_x, of_bias, products = ctx.kernels.currents(x, _last(grad), scale, shift, mean, ctx.steps, ctx.dynamics)
        of_weight, of_bias = (products * inverse).float(), of_bias.float()
        if not any(ctx.needs_input_grad[:2]):
            return None, None, of_weight * ctx.factor, of_bias, None, None, None
        ctx.kernels.differentiate(x, grad_x, ctx.found, weight * ctx.factor, of_weight, of_bias)
        into = (grad_x if wanted else None for wanted in ctx.needs_input_grad[:2])
        return *into, of_weight * ctx.factor, of_bias, None, None, None


def _last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _track(norm: ThresholdBatchNorm2d, found: Moments) -> None:
    """Update running statistics as `F.batch_norm` does in training mode."""
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
    if norm.running_mean is not None and norm.running_var is not None:
        norm.running_mean.lerp_(found.mean, norm.momentum or 0.0)
        norm.running_var.lerp_(found.variance, norm.momentum or 0.0)


class Spikes:
    """A layer's spikes: `dense` for any layer, and bits (if they are known) for convolutions to keep."""

    def __init__(self, dense: Tensor, bits: Tensor | None, by: reading.Gradients) -> None:
        self.dense, self.bits, self.by = dense, bits, by

    def convolution(self, layer: nn.Conv2d) -> Tensor:
        """Apply a convolution to the spikes."""
        if self.bits is not None:
            return reading.convolution(layer, self.dense, self.bits, self.by)
        current: Tensor = layer(self.dense)
        return current


class NormedNeuron:
    """A norm and the neuron behind it as one call `(x, residual) -> Spikes`; itself or, where it cannot, these two."""

    pairs = True

    def __init__(self, norm: ThresholdBatchNorm2d, neuron: LIF, kernels: Kernels, by: reading.Gradients) -> None:
        self.norm, self.neuron, self.kernels, self.by = norm, neuron, kernels, by

    def __call__(self, x: Tensor, residual: Tensor | None = None) -> Spikes:
        norm, neuron = self.norm, self.neuron
        if not self.serves(x, residual):
            return Spikes(neuron(norm(x if residual is None else x + residual)), None, self.by)
        return Spikes(*_NormedNeuron.apply(x, residual, norm.weight, norm.bias, norm, neuron, self.kernels), self.by)

    def serves(self, x: Tensor, residual: Tensor | None) -> bool:
        """Whether the kernels do what norm and neuron would do: more than one value per channel, in training mode."""
        norm, same = self.norm, residual is None or (residual.shape == x.shape and residual.dtype == x.dtype)
        floats = x.device.type == "cpu" and x.dtype == torch.float32 == norm.weight.dtype
        shaped = x.dim() == 4 and x.shape[1] == norm.num_features and x.shape[0] % self.neuron.timesteps == 0
        return norm.training and floats and shaped and same and x.numel() > x.shape[1]


def _factory(norm: _BatchNorm, neuron: nn.Module, library: ctypes.CDLL, by: reading.Gradients) -> NormedNeuron | None:
    fits = type(norm) is ThresholdBatchNorm2d and norm.affine and isinstance(neuron, LIF)
    return NormedNeuron(norm, neuron, Kernels(library), by) if fits else None


def factories(by: reading.Gradients = reading.gradients) -> dict[type[nn.Module], Any]:
    """Return what `baselines.fused.Fused` needs to fuse STBP's networks; `by`: gradients of convolutions of spikes."""
    return {LIF: partial(_factory, by=by)}
