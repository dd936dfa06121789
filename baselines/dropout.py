"""Dropout whose mask is drawn once an image and kept at every step (Fang et al. 2021; Rathi and Roy 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class DropoutOverTime(nn.Dropout):
    """`(T*B, ...)` -> same shape: in training, the same values are dropped at all `timesteps` steps."""

    def __init__(self, p: float = 0.5, timesteps: int = 1) -> None:
        super().__init__(p)
        self.timesteps = timesteps

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch names it)
        if not self.training or self.p == 0:
            return input
        steps = input.unflatten(0, (self.timesteps, -1))
        return (steps * F.dropout(torch.ones_like(steps[0]), self.p)).flatten(0, 1)
