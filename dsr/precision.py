"""Convolutions and fully connected layers with operands in bfloat16: the same experiment on every machine.

    y     = round(x) * round(w) + b              round: to the nearest bfloat16
    dL/dx = round(g) *' round(w)                 *', *'': the convolution's two adjoints
    dL/dw = round(g) *'' round(x),  dL/db = sum round(g)

Products are added up in float32. Weights, biases, gradients and everything between such layers are float32. In
evaluation mode nothing is rounded.

A device with bfloat16 arithmetic multiplies bfloat16 tensors; torch stores their sums in bfloat16, too, which rounds
each result once more. Elsewhere operands are rounded and float32 convolutions multiply them: without such arithmetic
torch's own bfloat16 convolution is 3 times (AVX-512) to tens of times (AVX2) as slow as its float32 one.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsr.engine import kernels

SOURCE, HEADER = Path(__file__).with_name("rounding.c"), Path(__file__).with_name("nearest.h")


def in_hardware(device: torch.device) -> bool:
    """Whether `device` has bfloat16 arithmetic. `DSR_BFLOAT16` (`hardware` or `rounding`) decides instead if set."""
    if chosen := os.environ.get("DSR_BFLOAT16"):
        if chosen not in ("hardware", "rounding"):
            raise ValueError(f"DSR_BFLOAT16 must be hardware or rounding, not {chosen!r}")
        return chosen == "hardware"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def rounded(x: Tensor) -> Tensor:
    """Return the nearest bfloat16 values in x's own dtype and memory format."""
    plain = x.is_contiguous() or (x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last))
    library = kernels.load(SOURCE, HEADER)[0] if plain and x.device.type == "cpu" and x.dtype == torch.float32 else None
    if library is None:
        return x.bfloat16().to(x.dtype)
    out = torch.empty_like(x)  # one pass instead of two
    count, threads = ctypes.c_int64(x.numel()), ctypes.c_int64(torch.get_num_threads())
    library.nearest(ctypes.c_void_p(x.data_ptr()), count, ctypes.c_void_p(out.data_ptr()), threads)
    return out


def operand(x: Tensor) -> Tensor:
    """Return `x` as an operand: in bfloat16 if its device multiplies that, else rounded in its own dtype."""
    return x.bfloat16() if in_hardware(x.device) else rounded(x)


class _Operand(torch.autograd.Function):
    """Rounds; the gradient passes unchanged."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return rounded(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


class _Result(torch.autograd.Function):
    """Passes unchanged; rounds the gradient, an operand of both adjoints."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return rounded(grad)


class Conv2d(nn.Conv2d):
    """A convolution that rounds its operands in training mode."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        if in_hardware(x.device):
            y = self._conv_forward(x.bfloat16(), self.weight.bfloat16(), None).to(x.dtype)
            return _Result.apply(y if self.bias is None else y + self.bias.view(-1, 1, 1))
        return _Result.apply(self._conv_forward(_Operand.apply(x), _Operand.apply(self.weight), self.bias))


class Linear(nn.Linear):
    """A fully connected layer that rounds its operands in training mode."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        if in_hardware(x.device):
            y = F.linear(x.bfloat16(), self.weight.bfloat16()).to(x.dtype)
            return _Result.apply(y if self.bias is None else y + self.bias)
        return _Result.apply(F.linear(_Operand.apply(x), _Operand.apply(self.weight), self.bias))


ROUNDING: dict[type[nn.Module], type[nn.Module]] = {nn.Conv2d: Conv2d, nn.Linear: Linear}


def round_operands(network: nn.Module, others: Mapping[type[nn.Module], type[nn.Module]] | None = None) -> nn.Module:
    """Let every convolution and fully connected layer round its operands in training mode. Returns the network.

    Parameters, their names and the state dict stay. `others`: what takes the place of classes derived from torch's.
    Raises TypeError for another class derived from torch's.
    """
    classes = {**ROUNDING, **(others or {})}
    for name, layer in network.named_modules():
        if type(layer) in classes:
            layer.__class__ = classes[type(layer)]
        elif isinstance(layer, nn.modules.conv._ConvNd | nn.Linear) and not rounds(layer):
            raise TypeError(f"{name} is a {type(layer).__name__}, whose operands cannot be rounded")
    return network


def rounds(layer: nn.Module) -> bool:
    """Whether a layer rounds its operands in training mode."""
    return isinstance(layer, Conv2d | Linear)


def multiplied(layer: nn.Conv2d | nn.Linear) -> Tensor:
    """Return the weights that the layer multiplies with in its present mode, float32, without a graph."""
    weight = layer.weight.detach()
    return rounded(weight) if rounds(layer) and layer.training else weight


def input_gradient(layer: nn.Conv2d | nn.Linear, grad: Tensor, like: Tensor) -> Tensor:
    """Return dL/dx of a layer in training mode from dL/dy; `like` has x's shape and memory format."""
    return _adjoint(layer, grad, like, layer.weight.detach(), (True, False))


def weight_gradient(layer: nn.Conv2d | nn.Linear, grad: Tensor, x: Tensor) -> Tensor:
    """Return dL/dw of a layer in training mode from dL/dy and its input."""
    return _adjoint(layer, grad, x, layer.weight.detach(), (False, True))


def _adjoint(
    layer: nn.Conv2d | nn.Linear, grad: Tensor, x: Tensor, weight: Tensor, wanted: tuple[bool, bool]
) -> Tensor:
    wide, of_input = grad.dtype, wanted[0]
    if rounds(layer):
        grad, weight = operand(grad), operand(weight)
        x = torch.empty_like(x, dtype=grad.dtype) if of_input else operand(x)
    if isinstance(layer, nn.Linear):
        return (grad @ weight if of_input else grad.t() @ x).to(wide)
    assert not isinstance(layer.padding, str)
    stride = layer.stride
    if not of_input and layer.kernel_size == (1, 1) and layer.padding == (0, 0):
        x, stride = x[..., :: stride[0], :: stride[1]], (1, 1)  # oneDNN issue 6035: a crash with few channels
    geometry = stride, layer.padding, layer.dilation, False, (0, 0), layer.groups
    found = torch.ops.aten.convolution_backward(grad, x, weight, None, *geometry, (*wanted, False))
    chosen: Tensor = found[0 if of_input else 1]
    return chosen.to(wide)
