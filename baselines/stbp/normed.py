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

from baselines.fused.kernels import IDENTITY, Activation, Moments, Normed, channels_last, is_supported, moments, track
from baselines.fused.kernels import SOURCE as NORMS
from baselines.stbp import compiled, reading
from baselines.stbp.dynamics import Dynamics
from baselines.stbp.neuron import LIF
from baselines.stbp.tdbn import ThresholdBatchNorm2d

SOURCE = Path(__file__).with_name("normed.c")
INCLUDED = compiled.SOURCE, NORMS


class _Normed(ctypes.Structure):
    _fields_ = (
        ("neuron", compiled.Neuron),
        *((name, ctypes.c_int64) for name in ("channels", "threads")),
        *((name, ctypes.c_void_p) for name in ("scale", "shift")),
    )


class Kernels:
    """The functions of the compiled `normed.c` on channels-last float32 tensors `(T*B, C, H, W)`."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library

    def spikes(self, x: Tensor, scale: Tensor, shift: Tensor, steps: int, of: Dynamics) -> tuple[Tensor, Tensor]:
        """Return spikes as floats, shaped like x, and as bits `(T*B, H, W, words)`."""
        rows, channels, *size = x.shape
        spikes, bits = torch.empty_like(x), torch.empty((rows, *size, (channels + 15) // 16), dtype=torch.int16)
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


def _normed(x: Tensor, scale: Tensor, shift: Tensor, steps: int, of: Dynamics) -> _Normed:
    neuron = compiled.Neuron(steps, x.numel() // steps, *of)
    return _Normed(neuron, x.shape[1], torch.get_num_threads(), scale.data_ptr(), shift.data_ptr())


def _pointer(x: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(x.data_ptr())


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
        residual = None if residual is None else channels_last(residual)
        x, found = moments(kernels.library, channels_last(x), residual, norm.eps)
        track(norm, found)
        scale = weight * norm.scale * found.inverse
        shift = bias - found.mean * scale
        spikes, bits = kernels.spikes(x, scale, shift, neuron.timesteps, neuron.dynamics)
        ctx.save_for_backward(x, weight, scale, shift, *found)
        ctx.factor, ctx.steps, ctx.dynamics, ctx.kernels = norm.scale, neuron.timesteps, neuron.dynamics, kernels
        ctx.mark_non_differentiable(bits)
        ctx.set_materialize_grads(False)
        return spikes, bits

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
        if grad is None:
            return (None,) * 7
        x, weight, scale, shift, *vectors = ctx.saved_tensors
        found, kernels, grad = Moments(*vectors), ctx.kernels, channels_last(grad)
        grad_x, of_bias, products = kernels.currents(x, grad, scale, shift, found.mean, ctx.steps, ctx.dynamics)
        of_weight, of_bias, scaled = (products * found.inverse).float(), of_bias.float(), weight * ctx.factor
        if any(ctx.needs_input_grad[:2]):
            norm = Normed(kernels.library, x, found, scaled, None, Activation(IDENTITY))
            norm.differentiated(grad_x, of_weight, of_bias, into=grad_x)
        into = (grad_x if wanted else None for wanted in ctx.needs_input_grad[:2])
        return *into, of_weight * ctx.factor, of_bias, None, None, None


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
        dense, bits = _NormedNeuron.apply(x, residual, norm.weight, norm.bias, norm, neuron, self.kernels)
        return Spikes(dense, bits, self.by)

    def serves(self, x: Tensor, residual: Tensor | None) -> bool:
        """Whether the kernels do what norm and neuron would do now."""
        whole = x.dim() == 4 and x.shape[0] % self.neuron.timesteps == 0
        return whole and self.norm.momentum is not None and is_supported(self.norm, x, residual)


def _factory(norm: _BatchNorm, neuron: nn.Module, library: ctypes.CDLL, by: reading.Gradients) -> NormedNeuron | None:
    if type(norm) is not ThresholdBatchNorm2d or not norm.affine or not isinstance(neuron, LIF):
        return None
    return NormedNeuron(norm, neuron, Kernels(library), by)


def factories(by: reading.Gradients = reading.gradients) -> dict[type[nn.Module], Any]:
    """Return what `baselines.fused.Fused` needs to fuse STBP's networks; `by`: gradients of convolutions of spikes."""
    return {LIF: partial(_factory, by=by)}
