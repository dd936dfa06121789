"""Dropout whose mask stays the same for all steps of a batch, and for the equation that is differentiated."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class HeldDropout(nn.Dropout):
    """`(B, ...)` -> same shape; in training, the mask is drawn at the first call and held until `reset()`."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p)
        self.mask: Tensor | None = None

    def reset(self) -> None:
        """Draw another mask at the next call."""
        self.mask = None

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch names it)
        if not self.training or self.p == 0:
            return input
        if self.mask is None:
            self.mask = F.dropout(torch.ones_like(input, requires_grad=False), self.p)
        return input * self.mask
