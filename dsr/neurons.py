"""IF and LIF neurons with the gradient of a clamp of the spike representation (paper, Eq. 4-6, 14, 15, 19, 20).

Forward, per step, with threshold V, firing ratio alpha and leak  l = exp(-dt / tau):

    IF:   u_t = v_{t-1} + x_t                     emits  y_t = V s_t
    LIF:  u_t = l v_{t-1} + (1 - l) x_t           emits  y_t = V / dt s_t
    s_t = [u_t >= alpha V],   v_t = u_t - V s_t,  v_0 = 0

Backward, with the representation r(.) (`dsr.representation`) and the mappings clamp(r(x), 0, V) for IF and
clamp(r(x) / tau, 0, V / dt) for LIF:

    dL/dx_t = G / (T tau) where the clamp is open (tau = 1 for IF), the same at every step
    dL/dV   = c sum G where the clamp is saturated above;  c = 1 for IF (0.001 on ImageNet), dt for LIF

and G = T r(dL/dy). This is the released code's gradient: for LIF, G weights the steps a second time, and the threshold
gradient has the factor dt, not 1 / dt. Only two flags per neuron and image are saved for backward, not T floats.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from dsr.dynamics import Dynamics, fire
from dsr.representation import Rate, at_every_step, firing_rate, unfold, weighted_firing_rate


class _IF(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, threshold: Tensor, timesteps: int, alpha: float, gain: float) -> Tensor:
        mean = firing_rate(x, timesteps)
        saturated = mean > threshold
        ctx.save_for_backward((mean >= 0) & ~saturated, saturated)
        ctx.timesteps, ctx.gain = timesteps, gain
        return integrate(x, timesteps, threshold, alpha, leak=1.0, gain=1.0, amplitude=threshold)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        is_open, saturated = ctx.saved_tensors
        total = unfold(grad, ctx.timesteps).sum(0)
        grad_x = at_every_step(total / ctx.timesteps * is_open, ctx.timesteps)
        return grad_x, ctx.gain * _sum(total * saturated), None, None, None


class _LIF(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, threshold: Tensor, timesteps: int, alpha: float, tau: float, dt: float) -> Tensor:
        mean = weighted_firing_rate(x, timesteps, tau, dt)
        ceiling = threshold * (tau / dt)
        ctx.save_for_backward((mean > 0) & (mean < ceiling), mean > ceiling)
        ctx.timesteps, ctx.tau, ctx.dt = timesteps, tau, dt
        leak = math.exp(-dt / tau)
        return integrate(x, timesteps, threshold, alpha, leak=leak, gain=1.0 - leak, amplitude=threshold / dt)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        is_open, saturated = ctx.saved_tensors
        total = weighted_firing_rate(grad, ctx.timesteps, ctx.tau, ctx.dt) * ctx.timesteps
        grad_x = at_every_step(total / (ctx.timesteps * ctx.tau) * is_open, ctx.timesteps)
        return grad_x, ctx.dt * _sum(total * saturated), None, None, None, None


def _sum(x: Tensor) -> Tensor:
    """Sum all values in at least float32, because half precision is too coarse for so many."""
    return x.sum(dtype=torch.promote_types(x.dtype, torch.float32))


def integrate(
    x: Tensor, timesteps: int, threshold: Tensor, alpha: float, leak: float, gain: float, amplitude: Tensor
) -> Tensor:
    """Simulate T steps of a soft-reset neuron without a graph. `(T*B, ...)` currents -> emitted values, same shape."""
    currents = unfold(x, timesteps)
    emitted = torch.empty_like(currents)
    return fire(currents, emitted, threshold, amplitude, alpha, leak, gain).view_as(x)


class Saturating(nn.Module):
    """A layer that saturates at a threshold with a lower bound, trained or fixed.

    `threshold` V; `threshold_floor`, lower bound to which V is projected before each forward pass (outside autograd, as
    in the released code); `train_threshold`, whether V is a Parameter (else a buffer). Raises ValueError for V <= 0.
    """

    threshold: Tensor

    def __init__(self, threshold: float, threshold_floor: float, train_threshold: bool) -> None:
        super().__init__()
        if not threshold > 0:
            raise ValueError(f"threshold must be positive, not {threshold}")
        self.threshold_floor = threshold_floor
        if train_threshold:
            self.threshold = nn.Parameter(torch.tensor(float(threshold)))
        else:
            self.register_buffer("threshold", torch.tensor(float(threshold)))

    def set_ceiling(self, ceiling: Tensor | float) -> None:
        """Let the output saturate at `ceiling`, in the unit of the currents; V stays at least at its floor."""
        with torch.no_grad():
            self.threshold.fill_(ceiling)
        self.project_threshold()

    def project_threshold(self) -> None:
        """V <- max(V, floor), in place."""
        with torch.no_grad():
            self.threshold.clamp_(min=self.threshold_floor)


def check_run(timesteps: int, alpha: float) -> None:
    """Raise ValueError for T below 1 and for alpha outside (0, 1]."""
    if timesteps < 1:
        raise ValueError(f"timesteps must be at least 1, not {timesteps}")
    if not 0 < alpha <= 1:
        raise ValueError(f"alpha must be in (0, 1], not {alpha}")


class Neuron(Saturating):
    """Common part of IF and LIF.

    `timesteps` T >= 1; `threshold` V in the unit of the membrane; `alpha` in (0, 1], neurons fire at alpha V. Raises
    ValueError for invalid values.
    """

    def __init__(
        self, timesteps: int, threshold: float, alpha: float, threshold_floor: float, train_threshold: bool
    ) -> None:
        check_run(timesteps, alpha)
        super().__init__(threshold, threshold_floor, train_threshold)
        self.timesteps = timesteps
        self.alpha = alpha

    def rate(self) -> Rate:
        """Return the layer that reads this neuron's representation."""
        raise NotImplementedError

    def dynamics(self) -> Dynamics:
        """Return the constants of its integration and of the clamp of its representation."""
        raise NotImplementedError

    def set_ceiling(self, ceiling: Tensor | float) -> None:
        """Let the representation saturate at `ceiling`, in the unit of the currents; V stays at least at its floor."""
        dynamics = self.dynamics()
        super().set_ceiling(ceiling * dynamics.dt / dynamics.tau)

    def extra_repr(self) -> str:
        return f"timesteps={self.timesteps}, threshold={self.threshold.item():.4g}, alpha={self.alpha}"


class IF(Neuron):
    """Integrate-and-fire neuron of DSR: emits V or 0, soft reset, clamp gradient (paper, Eq. 4, 6, 15, 19, 20).

    `threshold_gain` is c, by which the threshold's gradient is multiplied; 0.001 in the released code's ImageNet part.
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
        super().__init__(timesteps, threshold, alpha, threshold_floor, train_threshold)
        self.threshold_gain = threshold_gain

    def spike_amplitude(self) -> float:
        """Return the height of an emitted spike, which the next layer's weights absorb."""
        return self.threshold.item()

    def rate(self) -> Rate:
        """Return the layer that reads this neuron's representation."""
        return Rate(self.timesteps)

    def dynamics(self) -> Dynamics:
        """Return the constants of its integration and of the clamp of its representation."""
        return Dynamics(1.0, 1.0, 1.0, 1.0, self.rate().weights(), closed=True, threshold_gain=self.threshold_gain)

    def forward(self, x: Tensor) -> Tensor:
        """Input currents `(T*B, ...)` -> emitted values in {0, V}, same shape."""
        self.project_threshold()
        out: Tensor = _IF.apply(x, self.threshold, self.timesteps, self.alpha, self.threshold_gain)
        return out


class LIF(Neuron):
    """Leaky integrate-and-fire neuron of DSR: emits V / dt or 0 (paper, Eq. 5, 6, 14, 19, 20).

    `tau` and `dt` are in one unit of time, 0 < dt < tau.
    """

    def __init__(
        self,
        timesteps: int,
        threshold: float = 0.3,
        alpha: float = 0.3,
        tau: float = 1.0,
        dt: float = 0.05,
        threshold_floor: float = 5e-4,
        train_threshold: bool = True,
    ) -> None:
        super().__init__(timesteps, threshold, alpha, threshold_floor, train_threshold)
        if not 0 < dt < tau:
            raise ValueError(f"dt must be in (0, tau), not {dt} with tau = {tau}")
        self.tau = tau
        self.dt = dt

    def spike_amplitude(self) -> float:
        """Return the height of an emitted spike, which the next layer's weights absorb."""
        return self.threshold.item() / self.dt

    def leaks(self) -> int:
        """Return how many numbers a step multiplies of every neuron: the membrane."""
        return 1

    def rate(self) -> Rate:
        """Return the layer that reads this neuron's representation."""
        return Rate(self.timesteps, self.tau, self.dt)

    def dynamics(self) -> Dynamics:
        """Return the constants of its integration and of the clamp of its representation."""
        leak = math.exp(-self.dt / self.tau)
        weights = self.rate().weights()
        return Dynamics(leak, 1.0 - leak, self.tau, self.dt, weights, closed=False, threshold_gain=self.dt)

    def forward(self, x: Tensor) -> Tensor:
        """Input currents `(T*B, ...)` -> emitted values in {0, V / dt}, same shape."""
        self.project_threshold()
        out: Tensor = _LIF.apply(x, self.threshold, self.timesteps, self.alpha, self.tau, self.dt)
        return out
