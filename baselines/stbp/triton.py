"""STBP's neuron on a GPU: all steps in one kernel forward and one backward; the equations are in `baselines.stbp`.

Imported only where Triton is installed (torch brings it along for CUDA).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl
from torch import Tensor

if TYPE_CHECKING:
    from baselines.stbp.neuron import Dynamics

BLOCK = 1024


@triton.jit
def _forward(x, membranes, spikes, count, timesteps, threshold, decay, SOFT: tl.constexpr, BLOCK: tl.constexpr):  # noqa: N803
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    held = tl.zeros((BLOCK,), dtype=tl.float32)
    for _ in range(timesteps):
        u = tl.load(x + place, mask=inside, other=0.0).to(tl.float32) + decay * held
        fires = u > threshold
        tl.store(membranes + place, u.to(membranes.dtype.element_ty), mask=inside)
        tl.store(spikes + place, tl.where(fires, 1.0, 0.0).to(spikes.dtype.element_ty), mask=inside)
        held = tl.where(fires, u - threshold, u) if SOFT else tl.where(fires, 0.0, u)
        x += count
        membranes += count
        spikes += count


@triton.jit
def _backward(
    grad,
    membranes,
    grad_x,
    count,
    timesteps,
    threshold,
    decay,
    width,
    TRIANGLE: tl.constexpr,  # noqa: N803
    SOFT: tl.constexpr,  # noqa: N803
    DETACH: tl.constexpr,  # noqa: N803
    BLOCK: tl.constexpr,  # noqa: N803
):
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    later = tl.zeros((BLOCK,), dtype=tl.float32)
    place += (tl.zeros((BLOCK,), dtype=tl.int64) + (timesteps - 1)) * count  # no 32 bits
    for _ in range(timesteps):
        u = tl.load(membranes + place, mask=inside, other=0.0).to(tl.float32)
        at_spike = tl.load(grad + place, mask=inside, other=0.0).to(tl.float32)
        distance = tl.abs(u - threshold)
        if TRIANGLE:
            surrogate = tl.maximum(1.0 - distance / width, 0.0) / width
        else:
            surrogate = tl.where(distance < width / 2, 1.0 / width, 0.0)
        if not DETACH:
            at_spike -= later * (threshold if SOFT else u)
        kept = later if SOFT else tl.where(u <= threshold, later, 0.0)
        at_membrane = kept + at_spike * surrogate
        tl.store(grad_x + place, at_membrane.to(grad_x.dtype.element_ty), mask=inside)
        later = at_membrane * decay
        place -= count


def forward(x: Tensor, of: Dynamics) -> tuple[Tensor, Tensor]:
    """Membranes and spikes of contiguous `(T, ...)` currents."""
    membranes, spikes, count = torch.empty_like(x), torch.empty_like(x), x[0].numel()
    grid = (triton.cdiv(count, BLOCK),)
    _forward[grid](x, membranes, spikes, count, len(x), of.threshold, of.decay, SOFT=of.soft, BLOCK=BLOCK)
    return membranes, spikes


def backward(grad: Tensor, membranes: Tensor, of: Dynamics) -> Tensor:
    """dL/dx from dL/do, contiguous `(T, ...)`."""
    grad_x, count = torch.empty_like(grad), grad[0].numel()
    _backward[(triton.cdiv(count, BLOCK),)](
        grad,
        membranes,
        grad_x,
        count,
        len(grad),
        of.threshold,
        of.decay,
        of.width,
        TRIANGLE=of.triangle,
        SOFT=of.soft,
        DETACH=of.detach,
        BLOCK=BLOCK,
    )
    return grad_x
