"""One 3 x 3 convolution, forward and both adjoints, timed in every precision: what `precision="bfloat16"` costs here.

torch multiplies bfloat16 only where the device has arithmetic for it: elsewhere that is up to tens of times slower.
"""

from __future__ import annotations

import time

import torch
from torch import nn

from benchmarks.methods import bfloat16_in_hardware, rounding

ROWS, CHANNELS, EDGE = 8, 64, 16
ROUNDS = 5


def described() -> str:
    """Say which way this machine takes, and its time. Raises BadInput if `DSR_BFLOAT16` names none."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    hardware = bfloat16_in_hardware(device)
    wide, narrow = milliseconds(device)
    way = "the hardware's arithmetic" if hardware else "rounding and float32 convolutions"
    times = f"{narrow:.1f} ms for a 3 x 3 convolution and its gradients, float32 {wide:.1f} ms"
    return f"by {way}: {times} ({narrow / wide:.2f} of it)"


def milliseconds(device: torch.device) -> tuple[float, float]:
    """Time the convolution in float32, and in bfloat16 in the way that the machine takes; the shorter of five rounds.

    Both are timed alternately, so that other work on the machine disturbs both.
    """
    plain = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    narrow = rounding(nn.Sequential(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False)))
    narrow = narrow.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.randn(ROWS, CHANNELS, EDGE, EDGE, device=device).contiguous(memory_format=torch.channels_last)
    x.requires_grad_()
    gradient = torch.ones_like(x)
    found: list[list[float]] = [[], []]
    for _ in range(ROUNDS + 1):  # the first is warm-up
        for layer, durations in zip((plain, narrow), found, strict=True):
            durations.append(_once(layer, x, gradient))
    return min(found[0][1:]) * 1e3, min(found[1][1:]) * 1e3


def _once(layer: nn.Module, x: torch.Tensor, gradient: torch.Tensor) -> float:
    start = time.perf_counter()
    layer(x).backward(gradient)
    if x.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start
