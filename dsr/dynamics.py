"""Simulation of soft-reset neurons.

u_t = leak v_{t-1} + gain x_t,   s_t = [u_t >= alpha V],   v_t = u_t - V s_t,   v_0 = 0
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Dynamics(NamedTuple):
    """The constants of a neuron that emits spikes of height V / dt. IF: leak = gain = tau = dt = 1.

    The clamp of its representation is open for 0 <= m <= `ceiling`, where m is the mean current weighted by `weights`
    (which sum to 1). `closed`: whether a mean exactly at an end counts as open. `threshold_gain`: c of the threshold's
    gradient.
    """

    leak: float
    gain: float
    tau: float
    dt: float
    weights: list[float]
    closed: bool
    threshold_gain: float

    def ceiling(self, threshold: Tensor) -> Tensor:
        """Return the mean current above which the representation is saturated."""
        return threshold * (self.tau / self.dt)


def simulate(currents: Iterable[Tensor], threshold: Tensor, alpha: float, leak: float, gain: float) -> Iterator[Tensor]:
    """Yield spikes step by step, 0 or 1 in the currents' dtype, without a graph.

    The threshold is a tensor, because reading its value would synchronise a GPU at every layer.
    """
    membrane, level = None, alpha * threshold
    for current in currents:
        membrane = torch.zeros_like(current) if membrane is None else membrane
        if leak != 1.0:
            membrane.mul_(leak)
        membrane.add_(current, alpha=gain)
        spikes = torch.ge(membrane, level, out=torch.empty_like(membrane))
        membrane.addcmul_(spikes, threshold, value=-1.0)
        yield spikes


def fire(
    currents: Tensor, emitted: Tensor, threshold: Tensor, height: Tensor, alpha: float, leak: float, gain: float
) -> Tensor:
    """Simulate all steps of `(T, ...)` currents and fill `emitted`: `height` where a neuron fires, else 0.

    Returns `emitted`. On a GPU this is one kernel if Triton is installed.
    """
    if is_fused(currents):
        _triton().fire(currents, emitted, threshold, height, alpha, leak, gain)
        return emitted
    for spikes, out in zip(simulate(currents, threshold, alpha, leak, gain), emitted, strict=True):
        out.copy_(spikes.mul_(height))
    return emitted


def is_fused(currents: Tensor) -> bool:
    """Whether `fire` is one Triton kernel on such currents."""
    return currents.is_cuda and currents.dtype in _FUSED and _triton() is not None


_FUSED = (torch.float32, torch.bfloat16, torch.float16)


@cache
def _triton() -> Any:
    if os.environ.get("DSR_KERNELS") == "off":
        return None
    try:
        from dsr import triton_neurons
    except ImportError:
        return None
    return triton_neurons
