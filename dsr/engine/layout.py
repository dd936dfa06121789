"""How packed spikes lie in memory, and what `spikes.c` is told about layers."""

from __future__ import annotations

import ctypes
import math
from typing import Any

import torch
from torch import Tensor, nn

from dsr.engine.signals import Term

LANES, WORD, TILE, GROUP = 16, 32, 4, 4
OF_C = (torch.float32, torch.float64, torch.int32, torch.int64, torch.uint8)


class TermOfC(ctypes.Structure):
    _fields_ = (
        ("spikes", ctypes.c_void_p),
        ("values", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("channels", "height", "width", "kernel", "stride", "padding")),
    )


class LayerOfC(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("timesteps", "batch", "channels", "height", "width")),
        *((name, ctypes.c_float) for name in ("leak", "gain", "level", "threshold")),
    )


def packable(layer: nn.Module) -> bool:
    """Whether the kernels know this linear layer; others get unpacked values."""
    if isinstance(layer, nn.Linear):
        return True
    return (
        isinstance(layer, nn.Conv2d)
        and layer.groups == 1
        and layer.dilation == (1, 1)
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
        and all(len(set(pair)) == 1 for pair in (layer.kernel_size, layer.stride, layer.padding))
    )


def as_c(argument: Any) -> Any:
    """A tensor as its address, a structure by reference, whole numbers and flags as int64, other numbers as float."""
    if isinstance(argument, Tensor):
        assert argument.dtype in OF_C, f"{argument.dtype} is nothing that the kernels know"
        return ctypes.c_void_p(argument.data_ptr())
    if isinstance(argument, ctypes.Structure):
        return ctypes.byref(argument)
    if isinstance(argument, float):
        return ctypes.c_float(argument)
    return argument if isinstance(argument, ctypes.Array) else ctypes.c_int64(argument)


def padded_batch(images: int) -> int:
    return -(-images // LANES) * LANES


def whole_tiles(shift: Tensor | None, channels: int, gain: float) -> Tensor:
    """The shift of whole tiles of channels; a channel that is not there gets 0 and never fires."""
    out = torch.zeros(-(-channels // TILE) * TILE, dtype=torch.float32, device="cpu")
    if shift is not None:
        torch.mul(shift.detach(), gain, out=out[:channels])
    return out


def channels_and_pixels(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(C, H, W); features without pixels have one."""
    return shape if len(shape) == 3 else (shape[0], 1, 1)


def extents(dense: Tensor) -> tuple[int, int, int]:
    """Rows, channels, pixels."""
    return dense.shape[0], dense.shape[1], math.prod(dense.shape[2:])


def geometry(layer: nn.Conv2d | nn.Linear) -> tuple[int, int, int]:
    """Kernel, stride and padding."""
    if isinstance(layer, nn.Linear):
        return 1, 1, 0
    assert not isinstance(layer.padding, str)
    return layer.kernel_size[0], layer.stride[0], layer.padding[0]


def output_of(term: Term) -> tuple[int, tuple[int, ...]]:
    """Number of images and shape of what a term gives."""
    spikes, layer = term.spikes, term.layer
    if layer is None:
        return spikes.images, spikes.shape
    if isinstance(layer, nn.Linear):
        return spikes.images, (layer.out_features,)
    kernel, stride, padding = geometry(layer)
    pixels = [(size + 2 * padding - kernel) // stride + 1 for size in spikes.shape[1:]]
    return spikes.images, (layer.out_channels, *pixels)
