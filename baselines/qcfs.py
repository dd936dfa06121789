"""QCFS (Bu et al., ICLR 2022): train an ANN whose activation is what an IF neuron's rate can be, then convert it.

    h(x) = theta / L  floor( L clamp(x / theta, 0, 1) + 1/2 )         clamp, then floor:  open for 0 <= x <= theta
    h(x) = theta clamp( floor( L x / theta + 1/2 ) / L, 0, 1 )        floor, then clamp:  open for
                                                                      -theta / 2L <= x < theta (1 + 1 / 2L)

with a trained theta and a straight-through floor. The values are the same, the gradients are not: where h is open
dh/dx = 1, and everywhere dh/dtheta = h / theta - [open] x / theta. The authors have published both: clamp, then floor
(the default here) is their repository ANN_SNN_QCFS, to which the README of their first one, SNN_conversion_QCFS, sends
its readers; floor, then clamp is the first one's, and the paper's Eq. 15.

Converted with the same weights and theta, v_0 = theta / 2 (`baselines.conversion.IF`): under constant input an IF
neuron after T = L steps emits exactly h(x) on average.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

Order = Literal["clamp-floor", "floor-clamp"]


class _Floor(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.floor()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


class Activation(nn.Module):
    """Quantization-clip-floor-shift activation with a trained threshold (Bu et al. 2022, Eq. 15; gradient as released).

    `levels` L >= 1; `threshold` is theta at the start; `order` of the two operations decides on the gradient:
    `clamp-floor` is the authors' later repository's, `floor-clamp` their first one's. Any shape in, same shape out.
    Raises ValueError for L < 1 and another order.
    """

    def __init__(self, levels: int = 4, threshold: float = 8.0, order: Order = "clamp-floor") -> None:
        super().__init__()
        if levels < 1:
            raise ValueError(f"levels must be at least 1, not {levels}")
        if order not in get_args(Order):
            raise ValueError(f"order is {' or '.join(get_args(Order))}, not {order}")
        self.levels, self.order = levels, order
        self.threshold = nn.Parameter(torch.tensor(float(threshold)))

    def forward(self, x: Tensor) -> Tensor:
        share = x / self.threshold
        if self.order == "clamp-floor":
            share = share.clamp(0.0, 1.0)
        share = _Floor.apply(share * self.levels + 0.5) / self.levels
        if self.order == "floor-clamp":
            share = share.clamp(0.0, 1.0)
        return share * self.threshold

    def extra_repr(self) -> str:
        return f"levels={self.levels}, threshold={self.threshold.item():.4g}, order={self.order}"
