"""QCFS (Bu et al., ICLR 2022): train an ANN whose activation is what an IF neuron's rate can be, then convert it.

    h(x) = theta / L  floor( L clamp(x / theta, 0, 1) + 1/2 )         trained theta, straight-through floor

Converted with the same weights and theta, v_0 = theta / 2 (`baselines.conversion.IF`): under constant input an IF
neuron after T = L steps emits exactly h(x) on average.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class _Floor(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.floor()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


class Activation(nn.Module):
    """Quantization-clip-floor-shift activation with a trained threshold (Bu et al. 2022, Eq. 15; gradient as released).

    `levels` L >= 1; `threshold` is theta at the start. Any shape in, same shape out. Raises ValueError for L < 1.
    """

    def __init__(self, levels: int = 4, threshold: float = 8.0) -> None:
        super().__init__()
        if levels < 1:
            raise ValueError(f"levels must be at least 1, not {levels}")
        self.levels = levels
        self.threshold = nn.Parameter(torch.tensor(float(threshold)))

    def forward(self, x: Tensor) -> Tensor:
        share = torch.clamp(x / self.threshold, 0.0, 1.0)
        floored: Tensor = _Floor.apply(share * self.levels + 0.5)
        return floored / self.levels * self.threshold

    def extra_repr(self) -> str:
        return f"levels={self.levels}, threshold={self.threshold.item():.4g}"
