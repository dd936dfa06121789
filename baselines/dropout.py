"""Dropout whose mask is drawn once an image and kept at every step (Fang et al. 2021; Rathi and Roy 2021).

`DropoutOverTime` gets all steps at once, `HeldDropout` one a call (Xiao et al. 2021; Wu et al. 2021, ASF-BP).

One kind drops whole rows of a channel's map, as the released code of TSSL-BP does, one whole channels, as CQ training's
does.
"""

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
        return (steps * F.dropout(self.ones(steps[0]), self.p)).flatten(0, 1)

    def ones(self, step: Tensor) -> Tensor:
        """A one for everything of a step that is dropped or kept together."""
        return torch.ones_like(step)


class RowDropoutOverTime(DropoutOverTime):
    """The same for whole rows of pixels: of maps `(T*B, C, H, W)`, one draw per image, channel and row."""

    def ones(self, step: Tensor) -> Tensor:
        """`(B, C, H, 1)`, or of features `(B, F)` a one each."""
        return torch.ones_like(step[..., :1]) if step.dim() == 4 else torch.ones_like(step)


class ChannelDropoutOverTime(DropoutOverTime):
    """The same for whole channels: of maps `(T*B, C, H, W)`, one draw per image and channel."""

    def ones(self, step: Tensor) -> Tensor:
        """`(B, C, 1, 1)`, or of features `(B, F)` a one each."""
        return torch.ones_like(step[..., :1, :1]) if step.dim() == 4 else torch.ones_like(step)


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
