"""A convolution of spikes that keeps bits for backward: a spike takes 32 times as much memory as a number.

Bits `(rows, H, W, words)` are int16: bit i of a pixel's word w is channel 16 w + i.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

Wanted = tuple[bool, bool, bool]
Gradients = Callable[
    [nn.Conv2d, Tensor, Tensor, torch.Size, Wanted], tuple[Tensor | None, Tensor | None, Tensor | None]
]
"""`(layer, dL/dy, bits, the spikes' shape, which are wanted)` -> dL/dspikes, dL/dweight and dL/dbias."""


def unpacked(bits: Tensor, shape: torch.Size) -> Tensor:
    """Return spikes `shape` (N, C, H, W) as floats, channels-last."""
    places = torch.arange(16, dtype=torch.int32, device=bits.device)
    spikes = bits.to(torch.int32).unsqueeze(-1).bitwise_right_shift(places).bitwise_and_(1).flatten(3)
    return spikes[..., : shape[1]].to(torch.float32).permute(0, 3, 1, 2)


def gradients(
    layer: nn.Conv2d, grad: Tensor, bits: Tensor, shape: torch.Size, wanted: Wanted
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return a plain convolution's gradients by torch, from unpacked spikes."""
    assert not isinstance(layer.padding, str)
    geometry = layer.stride, layer.padding, layer.dilation, False, (0, 0), layer.groups
    of_bias = None if layer.bias is None else list(layer.bias.shape)
    spikes, weight = unpacked(bits, shape), layer.weight.detach()
    if layer.kernel_size == (1, 1) and layer.stride != (1, 1):  # channels-last can crash (oneDNN issue 6035)
        grad, spikes, weight = grad.contiguous(), spikes.contiguous(), weight.contiguous()
    found = torch.ops.aten.convolution_backward(grad, spikes, weight, of_bias, *geometry, wanted)
    chosen: tuple[Tensor | None, Tensor | None, Tensor | None] = found
    return chosen


class _Convolution(torch.autograd.Function):
    """The layer's own forward pass on dense spikes, of which bits are kept."""

    @staticmethod
    def forward(
        ctx: Any, spikes: Tensor, weight: Tensor, bias: Tensor | None, bits: Tensor, layer: nn.Conv2d, by: Gradients
    ) -> Tensor:
        ctx.save_for_backward(bits, weight)  # the weight, so that torch notices if it changes before backward
        ctx.layer, ctx.by, ctx.shape = layer, by, spikes.shape
        current: Tensor = layer(spikes)
        return current

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        bits, _ = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        return *ctx.by(ctx.layer, grad, bits, ctx.shape, ctx.needs_input_grad[:3]), None, None, None


def convolution(layer: nn.Conv2d, spikes: Tensor, bits: Tensor, by: Gradients) -> Tensor:
    """Apply a layer to dense spikes `(N, C, H, W)` and keep their bits for backward, which `by` computes."""
    if layer.padding_mode != "zeros" or isinstance(layer.padding, str) or spikes.dim() != 4:
        out: Tensor = layer(spikes)
        return out
    current: Tensor = _Convolution.apply(spikes, layer.weight, layer.bias, bits, layer, by)
    return current
