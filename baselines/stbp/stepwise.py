"""Batch norm with the statistics of each step by itself, as in Fang et al. 2021 (PLIF) and online methods.

Statistics are over (B, H, W) of one step; running ones move T times a batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class StepwiseBatchNorm2d(nn.BatchNorm2d):
    """`(T*B, C, H, W)` -> same shape; in evaluation mode the same as batch norm, for its statistics are fixed."""

    def __init__(self, features: int, timesteps: int = 1) -> None:
        super().__init__(features)
        self.timesteps = timesteps

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch names it)
        if not self.training:
            return super().forward(input)
        return torch.cat([super(StepwiseBatchNorm2d, self).forward(step) for step in input.chunk(self.timesteps)])
