"""Surrogates of the derivative of a spike, [u >= V], that several neurons share.

triangle   phi(z) = max(0, 1 - |z|)                 z = u - V
rectangle  phi(z) = [|z| <= 1/2]
sigmoid    phi(z) = a f (1 - f),  f = 1 / (1 + exp(-a z)),  a the steepness
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

Surrogate = Literal["triangle", "rectangle", "sigmoid"]
SURROGATES: tuple[Surrogate, ...] = get_args(Surrogate)
STEEPNESS = 4.0
"""Of the sigmoid."""


def slopes(distance: Tensor, surrogate: Surrogate, steepness: float = STEEPNESS) -> Tensor:
    """Distances of membranes from the threshold, any shape, which are overwritten -> slopes, same shape."""
    if surrogate == "triangle":
        return distance.abs_().neg_().add_(1.0).clamp_(min=0.0)
    if surrogate == "rectangle":
        return distance.abs_().le_(0.5)
    fired = distance.mul_(steepness).sigmoid_()
    return torch.addcmul(fired, fired, fired, value=-1.0, out=fired).mul_(steepness)
