"""STBP-tdBN (Zheng et al., AAAI 2021): backpropagation through time with a surrogate gradient and a norm over time.

    u_t = decay u_{t-1} (1 - o_{t-1}) + x_t,   o_t = [u_t > V]        hard reset to 0, spikes are 0 or 1
    do/du = 1 / a  where |u - V| < a / 2                              rectangle of width a
    tdBN:  y = gamma alpha V (x - mean) / sqrt(var + eps) + beta      statistics over time, batch and space

`decay` multiplies the membrane (it is no time constant), and the gradient flows through the reset.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


class _LIF(torch.autograd.Function):
    """The recurrence and its exact adjoint by hand: only the membranes are kept, spikes follow from them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, threshold: float, decay: float, width: float) -> Tensor:
        membranes = torch.empty_like(x)
        spikes = torch.empty_like(x)
        membranes[0].copy_(x[0])
        for t in range(len(x)):
            if t > 0:
                held = membranes[t - 1] * (1.0 - spikes[t - 1])
                torch.add(x[t], held, alpha=decay, out=membranes[t])
            torch.gt(membranes[t], threshold, out=spikes[t])
        ctx.save_for_backward(membranes)
        ctx.threshold, ctx.decay, ctx.width = threshold, decay, width
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (membranes,) = ctx.saved_tensors
        grad_x = torch.empty_like(grad)
        later = torch.zeros_like(grad[0])  # dL/du_{t+1} times decay
        for t in range(len(grad) - 1, -1, -1):
            u = membranes[t]
            surrogate = ((u - ctx.threshold).abs() < ctx.width / 2).to(u.dtype).div_(ctx.width)
            grad_spike = torch.addcmul(grad[t], later, u, value=-1.0)
            kept = later * (u <= ctx.threshold)
            torch.addcmul(kept, grad_spike, surrogate, out=grad_x[t])
            later = grad_x[t] * ctx.decay
        return grad_x, None, None, None


class LIF(nn.Module):
    """Leaky integrate-and-fire neuron with hard reset and a rectangular surrogate (Zheng et al. 2021, Eq. 1-3).

    `timesteps` T >= 1; `threshold` V; `decay` in [0, 1] multiplies the membrane each step; `surrogate_width` a.
    Raises ValueError for values outside.
    """

    def __init__(
        self, timesteps: int, threshold: float = 0.5, decay: float = 0.25, surrogate_width: float = 1.0
    ) -> None:
        super().__init__()
        if timesteps < 1 or surrogate_width <= 0 or not 0 <= decay <= 1:
            raise ValueError(
                f"need timesteps >= 1, surrogate_width > 0 and decay in [0, 1], "
                f"not {timesteps}, {surrogate_width} and {decay}"
            )
        self.timesteps = timesteps
        self.threshold = threshold
        self.decay = decay
        self.surrogate_width = surrogate_width

    def spike_amplitude(self) -> float:
        """Height of an emitted spike."""
        return 1.0

    def forward(self, x: Tensor) -> Tensor:
        """Input currents `(T*B, ...)` -> spikes in {0, 1}, same shape."""
        unfolded = x.contiguous().view(self.timesteps, -1, *x.shape[1:])
        spikes: Tensor = _LIF.apply(unfolded, self.threshold, self.decay, self.surrogate_width)
        return spikes.view_as(x)

    def extra_repr(self) -> str:
        return f"timesteps={self.timesteps}, threshold={self.threshold}, decay={self.decay}"


class ThresholdBatchNorm2d(nn.BatchNorm2d):
    """Threshold-dependent batch norm: batch norm whose output has standard deviation alpha V at the start.

    `(T*B, C, H, W)` -> same shape. With time folded into the batch the statistics are over (T, B, H, W), as tdBN asks.
    `alpha` is 1 / sqrt(n) where n branches are added. alpha V multiplies; it is not part of the trained weight.
    """

    def __init__(self, features: int, threshold: float = 0.5, alpha: float = 1.0) -> None:
        super().__init__(features)
        self.scale = alpha * threshold

    def forward(self, x: Tensor) -> Tensor:
        self._check_input_dim(x)
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        weight = self.weight * self.scale
        return F.batch_norm(
            x, self.running_mean, self.running_var, weight, self.bias, self.training, self.momentum or 0.0, self.eps
        )
