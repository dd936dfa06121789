"""STBP's neuron on a GPU: one kernel over all steps forward, one backward (equations: `baselines.stbp.neuron`).

Imported only if Triton is installed (torch's CUDA builds include it).
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from baselines.stbp.dynamics import Dynamics

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
    place += (tl.zeros((BLOCK,), dtype=tl.int64) + (timesteps - 1)) * count  # 64 bits, because the offset may be large
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


def forward(x: Tensor, dynamics: Dynamics) -> tuple[Tensor, Tensor]:
    """Return membranes and spikes of contiguous `(T, ...)` currents."""
    membranes, spikes, count = torch.empty_like(x), torch.empty_like(x), x[0].numel()
    grid = (triton.cdiv(count, BLOCK),)
    constants = dynamics.threshold, dynamics.decay
    _forward[grid](x, membranes, spikes, count, len(x), *constants, SOFT=dynamics.soft, BLOCK=BLOCK)
    return membranes, spikes


def backward(grad: Tensor, membranes: Tensor, dynamics: Dynamics) -> Tensor:
    """Return dL/dx from dL/do, contiguous `(T, ...)`."""
    grad_x, count = torch.empty_like(grad), grad[0].numel()
    _backward[(triton.cdiv(count, BLOCK),)](
        grad,
        membranes,
        grad_x,
        count,
        len(grad),
        dynamics.threshold,
        dynamics.decay,
        dynamics.width,
        TRIANGLE=dynamics.triangle,
        SOFT=dynamics.soft,
        DETACH=dynamics.detach,
        BLOCK=BLOCK,
    )
    return grad_x
