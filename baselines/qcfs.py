"""QCFS (Bu et al., ICLR 2022): an ANN activation with the values of an IF neuron's rate; the ANN is then converted.

    h(x) = theta / L  floor( L clamp(x / theta, 0, 1) + 1/2 )         clamp, then floor:  open for 0 <= x <= theta
    h(x) = theta clamp( floor( L x / theta + 1/2 ) / L, 0, 1 )        floor, then clamp:  open for
                                                                      -theta / 2L <= x < theta (1 + 1 / 2L)

with a trained theta and a straight-through floor. Both orders have the same values but other gradients: dh/dx = 1 where
h is open, and dh/dtheta = h / theta - [open] x / theta everywhere. The authors published both. Clamp, then floor (the
default here) is in their repository ANN_SNN_QCFS, to which the README of their first one, SNN_conversion_QCFS, refers.
Floor, then clamp is in the first one and in the paper's Eq. 15.

Conversion keeps weights and theta and sets v_0 = theta / 2 (`baselines.conversion.IF`). Under constant input an IF
neuron then emits exactly h(x) on average after T = L steps.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from baselines.checks import at_least, one_of, positive

Order = Literal["clamp-floor", "floor-clamp"]


class _Floor(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.floor()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


def staircase(x: Tensor, threshold: Tensor, levels: int, order: Order = "clamp-floor") -> Tensor:
    """Return h(x), of the shape of `x`, with the gradients above; `threshold` theta and `levels` L are as there."""
    share = x / threshold
    if order == "clamp-floor":
        share = share.clamp(0.0, 1.0)
    share = _Floor.apply(share * levels + 0.5) / levels
    if order == "floor-clamp":
        share = share.clamp(0.0, 1.0)
    return share * threshold


class Activation(nn.Module):
    """Quantization-clip-floor-shift activation with a trained threshold (Bu et al. 2022, Eq. 15; gradient as released).

    `levels` L >= 1; `threshold` is the initial theta; `order` of the two operations determines the gradient:
    `clamp-floor` as in the authors' later repository, `floor-clamp` as in their first. Any shape in, same shape out.
    Raises ValueError for L < 1, theta <= 0 and any other order.
    """

    def __init__(self, levels: int = 4, threshold: float = 8.0, order: Order = "clamp-floor") -> None:
        super().__init__()
        at_least(1, levels=levels)
        positive(threshold=threshold)
        one_of(get_args(Order), order=order)
        self.levels, self.order = levels, order
        self.threshold = nn.Parameter(torch.tensor(float(threshold)))

    def forward(self, x: Tensor) -> Tensor:
        return staircase(x, self.threshold, self.levels, self.order)

    def extra_repr(self) -> str:
        return f"levels={self.levels}, threshold={self.threshold.item():.4g}, order={self.order}"
