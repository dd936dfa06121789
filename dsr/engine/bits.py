"""Spikes as bits, channels last, and gradients of convolution weights computed from them by `bits.c`.

Bits of spikes `(rows, C, H, W)` are `(rows, H, W, ceil(C / 16))` int16: channel 16 w + i is bit i of word w. The weight
gradient of a convolution of spikes adds one row of the output's gradient per spike and tap, so its cost is proportional
to the firing rate; at the rates of trained networks (0.05 to 0.2) that is a fraction of a dense convolution's.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import torch
from torch import Tensor, nn

from dsr import precision
from dsr.engine import kernels
from dsr.engine.layout import as_c, packable

SOURCE, HEADER = Path(__file__).with_name("bits.c"), Path(__file__).with_name("lanes.h")
WORD = 16


class _Shape(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_int64) for name in ("rows", "height", "width", "inputs", "outputs", "kernel", "padding")
    )


def library() -> ctypes.CDLL | None:
    """Return the compiled kernels; None if they cannot be compiled."""
    return kernels.load(SOURCE, HEADER, precision.HEADER)[0]


def serves(layer: nn.Module) -> bool:
    """Whether `weight_gradient` serves the layer: an ungrouped 3 x 3 or 1 x 1 convolution with stride 1."""
    return (
        isinstance(layer, nn.Conv2d)
        and packable(layer)
        and layer.kernel_size[0] in (1, 3)
        and layer.stride[0] == 1
        and int(layer.padding[0]) < layer.kernel_size[0]
        and library() is not None
    )


def pack(spikes: Tensor) -> Tensor:
    """Return the bits of `(rows, C, H, W)` float32 values: 1 where a value is not 0."""
    spikes = spikes.contiguous(memory_format=torch.channels_last)
    rows, channels, height, width = spikes.shape
    bits = torch.empty(rows, height, width, -(-channels // WORD), dtype=torch.int16)
    _call("pack", spikes, rows * height * width, channels, bits)
    return bits


def unpack(bits: Tensor, channels: int) -> Tensor:
    """Return the spikes `(rows, C, H, W)`, 0 or 1, float32, channels last."""
    rows, height, width, _ = bits.shape
    spikes = torch.empty(rows, channels, height, width, memory_format=torch.channels_last)
    _call("unpack", bits, rows * height * width, channels, spikes)
    return spikes


def repack(data: Tensor, images: int, channels: int) -> Tensor:
    """Return the bits of a packed spike train `(T, ceil(C / 32), H, W, padded batch)` of `dsr.engine.packed`."""
    steps, _, height, width, batch = data.shape
    bits = torch.empty(steps * images, height, width, -(-channels // WORD), dtype=torch.int16)
    _call("repack", data, steps, channels, height * width, batch, images, bits)
    return bits


def weight_gradient(layer: nn.Conv2d, grad: Tensor, bits: Tensor) -> Tensor:
    """Return dL/dw of a layer that `serves`, from dL/dy `(rows, C, H, W)` float32 and the bits of its 0/1 input.

    A layer that rounds its operands gets the rounded dL/dy. Sums are taken per block of some hundred pixels, blocks are
    added up in float32; the order depends on the number of threads alone.
    """
    grad = grad.contiguous(memory_format=torch.channels_last)
    outputs, inputs, kernel, _ = layer.weight.shape
    threads, padded = torch.get_num_threads(), -(-outputs // WORD) * WORD
    sums = torch.empty(threads, inputs, kernel, kernel, padded)
    shape = _Shape(*bits.shape[:3], inputs, outputs, kernel, int(layer.padding[0]))
    if _call("weight_gradient", shape, bits, grad, precision.rounds(layer), sums):
        raise MemoryError("no memory for the gradient of a convolution's weights")
    return sums[0, ..., :outputs].permute(3, 0, 1, 2)


def gradients(
    layer: nn.Conv2d, grad: Tensor, bits: Tensor, shape: torch.Size, wanted: tuple[bool, bool, bool]
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return dL/dspikes, dL/dw and dL/db of a convolution, as far as `wanted`, from dL/dy and its input's bits.

    `shape`: the spikes' `(rows, C, H, W)`.
    """
    of_input = of_weight = of_bias = None
    if wanted[1] and serves(layer):
        of_weight = weight_gradient(layer, grad, bits)
    elif wanted[1]:
        of_weight = precision.weight_gradient(layer, grad, unpack(bits, shape[1]))
    if wanted[0]:  # after the spikes have been freed
        like = torch.empty(shape, memory_format=torch.channels_last)
        of_input = precision.input_gradient(layer, grad, like)
    if wanted[2]:
        of_bias = (precision.rounded(grad) if precision.rounds(layer) else grad).sum((0, 2, 3))
    return of_input, of_weight, of_bias


def _call(function: str, *arguments: object) -> int:
    found = library()
    assert found is not None, kernels.reason()
    code: int = getattr(found, function)(*map(as_c, (*arguments, torch.get_num_threads())))
    return code
