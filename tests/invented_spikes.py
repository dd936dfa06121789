"""Spikes and neurons made up for the tests of engines and kernels."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import dsr
from dsr.engine import kernels

STEPS = 4
NEURONS = [lambda: dsr.IF(STEPS, threshold=0.8), lambda: dsr.LIF(STEPS, threshold=0.08, alpha=0.5, dt=0.1)]
KINDS = ["if", "lif"]

needs_kernels = pytest.mark.skipif(kernels.library() is None, reason=f"no compiled kernels: {kernels.reason()}")


def seeded(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
