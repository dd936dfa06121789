"""Neurons on a GPU: all steps of `dsr.dynamics` in one kernel, the membrane in a register; written in Triton.

Each program works on BLOCK neurons and reads every current once; nothing but the spikes is written. Imported only where
Triton is installed (torch brings it along for CUDA).
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024


@triton.jit
def _fire(
    currents,
    emitted,
    threshold,
    height,
    count,
    step,
    timesteps,
    alpha,
    leak,
    gain,
    BLOCK: tl.constexpr,  # noqa: N803
):
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    soft = tl.load(threshold).to(tl.float32)
    high = tl.load(height).to(tl.float32)
    membrane = tl.zeros((BLOCK,), dtype=tl.float32)
    for _ in range(timesteps):
        membrane = leak * membrane + gain * tl.load(currents + place, mask=inside, other=0.0).to(tl.float32)
        fires = membrane >= alpha * soft
        tl.store(emitted + place, tl.where(fires, high, 0.0).to(emitted.dtype.element_ty), mask=inside)
        membrane = tl.where(fires, membrane - soft, membrane)
        currents += step
        emitted += count


def fire(
    currents: Tensor, emitted: Tensor, threshold: Tensor, height: Tensor, alpha: float, leak: float, gain: float
) -> None:
    """Currents `(T, ...)` -> `emitted`, same shape and any dtype: `height` where a neuron fires, else 0.

    Any memory format in which a step is one block. Currents that are expanded over the steps are read where they are.
    """
    timesteps, count = currents.shape[0], currents[0].numel()
    assert emitted.stride(0) == count
    if currents[0].stride() != emitted[0].stride():
        currents = torch.empty_like(emitted, dtype=currents.dtype).copy_(currents)
    emitted = emitted.view(torch.uint8) if emitted.dtype == torch.bool else emitted
    _fire[(triton.cdiv(count, BLOCK),)](
        currents, emitted, threshold, height, count, currents.stride(0), timesteps, alpha, leak, gain, BLOCK=BLOCK
    )
