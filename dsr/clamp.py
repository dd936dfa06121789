"""DSR's IF neuron without spikes: the clamp that is differentiated in its place, as it is or in the levels of a rate.

    Clamp:      y = clamp(x, 0, V)                             (paper, Eq. 15)
    Quantized:  y = V n / T,  n = clamp(floor(T x / V - alpha) + 1, 0, T)

n is the number of spikes that the IF neuron emits in T steps of the constant current x: for 0 <= x <= V its membrane
T x - n V ends in [(alpha - 1) V, alpha V) (paper, Eq. 18 for alpha = 1). Both have the clamp's gradient:

    dL/dx = dL/dy where 0 <= x <= V,   dL/dV = c sum dL/dy where x > V;   c = 1 (0.001 on ImageNet)

A network with `Clamp` has no representation error. One with `Quantized` has the quantisation error alone. One with
`dsr.IF` has the deviation error, too (paper, Sec. 4).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from dsr.neurons import Saturating, check_run
from dsr.representation import Rate


class _WithClampGradient(torch.autograd.Function):
    """Its value is given, its gradient is that of clamp(x, 0, V)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, threshold: Tensor, value: Tensor, gain: float) -> Tensor:
        saturated = x > threshold
        ctx.save_for_backward((x >= 0) & ~saturated, saturated)
        ctx.gain = gain
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        is_open, saturated = ctx.saved_tensors
        return grad * is_open, ctx.gain * (grad * saturated).sum(), None, None


class _Clamped(Saturating):
    """Common part: no time axis, and the clamp's gradient for whatever `value` is."""

    def __init__(
        self,
        threshold: float = 6.0,
        threshold_floor: float = 0.01,
        train_threshold: bool = True,
        threshold_gain: float = 1.0,
    ) -> None:
        super().__init__(threshold, threshold_floor, train_threshold)
        self.threshold_gain = threshold_gain

    def rate(self) -> Rate:
        """Return the layer that reads its representation, which is what it emits."""
        return Rate(1)

    def value(self, x: Tensor) -> Tensor:
        """Return what is emitted for currents `x`, same shape; called without a graph."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Currents `(B, ...)`, the same at every step -> emitted values in [0, V], same shape."""
        self.project_threshold()
        with torch.no_grad():
            value = self.value(x)
        if not torch.is_grad_enabled():
            return value
        out: Tensor = _WithClampGradient.apply(x, self.threshold, value, self.threshold_gain)
        return out


class Clamp(_Clamped):
    """The mapping that DSR differentiates in place of an IF neuron: clamp(x, 0, V). The parameters are `dsr.IF`'s."""

    def value(self, x: Tensor) -> Tensor:
        """Return what is emitted for currents `x`, same shape."""
        return torch.minimum(x.clamp(min=0.0), self.threshold)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold.item():.4g}"


class Quantized(_Clamped):
    """The rate of a `dsr.IF` under constant current, times V, with the clamp's gradient. The parameters are `dsr.IF`'s.

    It computes in one pass what that neuron emits in T = `timesteps` steps.
    """

    def __init__(
        self,
        timesteps: int,
        threshold: float = 6.0,
        alpha: float = 0.5,
        threshold_floor: float = 0.01,
        train_threshold: bool = True,
        threshold_gain: float = 1.0,
    ) -> None:
        super().__init__(threshold, threshold_floor, train_threshold, threshold_gain)
        check_run(timesteps, alpha)
        self.timesteps, self.alpha = timesteps, alpha

    def value(self, x: Tensor) -> Tensor:
        """Return what is emitted for currents `x`, same shape."""
        steps = (x / self.threshold).clamp_(0.0, 1.0).mul_(self.timesteps)
        spikes = steps.sub_(self.alpha).floor_().add_(1.0).clamp_(max=self.timesteps)
        return spikes.div_(self.timesteps).mul_(self.threshold)

    def extra_repr(self) -> str:
        return f"timesteps={self.timesteps}, threshold={self.threshold.item():.4g}, alpha={self.alpha}"
