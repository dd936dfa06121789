"""The memory layout of packed spikes, and the structures that `spikes.c` receives."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dsr.engine.signals import Term

LANES, WORD, TILE, GROUP, PATTERNS = 16, 32, 4, 4, 16
OF_C = (torch.float32, torch.float64, torch.int16, torch.int32, torch.int64, torch.uint8)


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


class ClampOfC(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("scale", "shift", "weights", "state")),
        ("ceiling", ctypes.c_float),
        *((name, ctypes.c_int64) for name in ("closed", "repeated")),
    )


def packable(layer: nn.Module) -> bool:
    """Whether the kernels support this linear layer; other layers receive unpacked values."""
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
    """Convert an argument for C: tensors and structures to pointers, integers and flags to int64, floats to float.

    None becomes a null pointer.
    """
    if argument is None:
        return ctypes.c_void_p()
    if isinstance(argument, Tensor):
        assert argument.dtype in OF_C, f"the kernels do not support {argument.dtype}"
        return ctypes.c_void_p(argument.data_ptr())
    if isinstance(argument, ctypes.Structure):
        return ctypes.byref(argument)
    if isinstance(argument, float):
        return ctypes.c_float(argument)
    return argument if isinstance(argument, ctypes.Array) else ctypes.c_int64(argument)


def padded_batch(images: int) -> int:
    return -(-images // LANES) * LANES


def padded_shift(shift: Tensor | None, channels: int, gain: float) -> Tensor:
    """Pad the shift to whole registers of channels with 0; padding channels never fire."""
    out = torch.zeros(-(-channels // LANES) * LANES, dtype=torch.float32, device="cpu")
    if shift is not None:
        torch.mul(shift.detach(), gain, out=out[:channels])
    return out


def channels_and_pixels(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return (C, H, W); features without pixels count as one pixel."""
    return shape if len(shape) == 3 else (shape[0], 1, 1)


def by_pixel(dense: Tensor) -> Tensor:
    """Return the tensor with the channels of a pixel side by side; itself if they are."""
    return dense.contiguous(memory_format=memory_format(dense.shape))


def memory_format(shape: Sequence[int]) -> torch.memory_format:
    """Return the memory format of dense tensors: channels_last if they have pixels."""
    return torch.channels_last if len(shape) == 4 else torch.contiguous_format


def extents(dense: Tensor) -> tuple[int, int]:
    """Return the numbers of rows, one per image and pixel, and of channels."""
    return dense.numel() // dense.shape[1], dense.shape[1]


def geometry(layer: nn.Conv2d | nn.Linear) -> tuple[int, int, int]:
    """Return kernel size, stride and padding."""
    if isinstance(layer, nn.Linear):
        return 1, 1, 0
    assert not isinstance(layer.padding, str)
    return layer.kernel_size[0], layer.stride[0], layer.padding[0]


def output_of(term: Term) -> tuple[int, tuple[int, ...]]:
    """Return the number of images and the shape of a term's output."""
    spikes, layer = term.spikes, term.layer
    if layer is None:
        return spikes.images, spikes.shape
    if isinstance(layer, nn.Linear):
        return spikes.images, (layer.out_features,)
    kernel, stride, padding = geometry(layer)
    pixels = [(size + 2 * padding - kernel) // stride + 1 for size in spikes.shape[1:]]
    return spikes.images, (layer.out_channels, *pixels)
