"""Neurons on a GPU, in Triton: all steps of `dsr.dynamics` in one kernel, with the membrane in a register.

Each program simulates BLOCK neurons, reads every current once and writes only the spikes. Imported only if Triton is
installed (torch's CUDA builds include it).
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
    """Simulate currents `(T, ...)` and fill `emitted`, same shape, any dtype: `height` where a neuron fires, else 0.

    Any memory format works in which a step is contiguous. Currents expanded over the steps are not copied.
    """
    timesteps, count = currents.shape[0], currents[0].numel()
    assert emitted.stride(0) == count
    if currents[0].stride() != emitted[0].stride():
        currents = torch.empty_like(emitted, dtype=currents.dtype).copy_(currents)
    emitted = emitted.view(torch.uint8) if emitted.dtype == torch.bool else emitted
    _fire[(triton.cdiv(count, BLOCK),)](
        currents, emitted, threshold, height, count, currents.stride(0), timesteps, alpha, leak, gain, BLOCK=BLOCK
    )
