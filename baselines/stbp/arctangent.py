"""The arctangent surrogate (Fang et al. 2021): the slope that a spike is given at the distance x above its threshold.

    ds/dx = (a / 2) / (1 + (pi a x / 2)^2),   the derivative of  arctan(pi a x / 2) / pi + 1 / 2

It has height a / 2 and area 1. It is never 0, so that a membrane far from its threshold learns, too.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def slope(distance: Tensor, alpha: float = 2.0) -> Tensor:
    """Distances from the threshold, any shape -> slopes, same shape; `alpha` a > 0."""
    one = distance.new_full((), 2 / alpha)  # 2 / a + (pi^2 a / 2) x^2 is the slope's inverse
    return torch.addcmul(one, distance, distance, value=math.pi**2 * alpha / 2).reciprocal_()
