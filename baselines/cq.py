"""CQ training (Yan et al., AAAI 2021): an ANN activation with the values of an IF neuron's rate, and no shift.

    h(x) = floor( L clamp(x, 0, theta) ) / L       dh/dx = 1 for 0 <= x <= theta; the gradient is clipped to [-1, 1]

theta is fixed at 1. An IF neuron with soft reset, threshold 1 and an empty membrane emits h(x) on average after T = L
steps of constant current (`baselines.conversion.IF`), so conversion changes no weight. In the converted network such
neurons also stand behind each pixel, whose value in [0, 1] is their current, and behind each average pool.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from baselines.checks import at_least, positive


class _Levels(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, levels: int, threshold: float) -> Tensor:
        ctx.save_for_backward((x >= 0) & (x <= threshold))
        return x.clamp(0.0, threshold).mul_(levels).floor_().div_(levels)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (inside,) = ctx.saved_tensors
        return grad.clamp(-1.0, 1.0) * inside, None, None


class Activation(nn.Module):
    """The quantised clamp of Yan et al. 2021: `levels` L >= 1 a unit, `threshold` theta > 0.

    Any shape in, same shape out; no parameters. Raises ValueError for L < 1 and theta <= 0.
    """

    def __init__(self, levels: int = 32, threshold: float = 1.0) -> None:
        super().__init__()
        at_least(1, levels=levels)
        positive(threshold=threshold)
        self.levels, self.threshold = levels, float(threshold)

    def forward(self, x: Tensor) -> Tensor:
        quantised: Tensor = _Levels.apply(x, self.levels, self.threshold)
        return quantised

    def extra_repr(self) -> str:
        return f"levels={self.levels}, threshold={self.threshold:g}"
