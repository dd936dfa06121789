"""TSSL-BP (Zhang and Li, NeurIPS 2020): a neuron with a synaptic filter, and the gradient of its spike times.

    I_t = (1 - 1/tau_s) I_{t-1} + x_t / tau_s                       the synapses' current
    y_t = (1 - 1/tau_m) u_{t-1} + I_t,   s_t = [y_t > V],   u_t = (1 - s_t) y_t

The paper lets layers exchange the filtered spikes a_t = (1 - 1/tau_s) a_{t-1} + s_t / tau_s and computes I_t = W a_t.
With x_t = W s_t the filter stands behind the weights: the same current, because both are linear, and layers exchange
spikes.

Backward from the last step to the first, with e_t = dL/ds_t and d_t = y_t - u_{t-1}, the membrane's rise:

    spike:     g_t = min(1 / d_t, 8) (e_t + theta_{t+1} y_t / tau_m)
    no spike:  g_t = (1 - 1/tau_m) theta_{t+1},       theta_t = g_t,   theta_{T+1} = 0

Where a neuron has been silent for some steps, a_t < 1 / (4 tau_s), it passes e_t h(y_t) to its current in place of g_t,
h the slope of a sigmoid of width 0.2 around V. theta is not replaced. In terms of dL/da the paper sums over all later
steps; e_t is the same sum as a recursion. The released code uses h in all epochs and calls it a warm-up.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from baselines.checks import at_least, positive

STEEPEST = 8.0
"""The largest slope of a spike's time, 1 / d_t."""
SILENT = 0.25
"""Below this, in units of 1 / tau_s, a trace belongs to a neuron that has been silent."""
WIDTH, FARTHEST = 0.2, 8.0
"""Of the sigmoid; beyond so many widths its slope is that at the end."""


class Dynamics(NamedTuple):
    """Constants of a neuron; taus in time steps, at least 1."""

    threshold: float
    tau_membrane: float
    tau_synapse: float

    @property
    def membrane(self) -> float:
        """What a step leaves of a membrane."""
        return 1.0 - 1.0 / self.tau_membrane

    @property
    def synapse(self) -> float:
        """What a step leaves of a synaptic current."""
        return 1.0 - 1.0 / self.tau_synapse


class _Neuron(torch.autograd.Function):
    """Filter and neuron. Only the membranes are saved, because they determine the spikes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dynamics: Dynamics) -> Tensor:
        membranes, spikes = torch.empty_like(x), torch.empty_like(x)
        current = x[0] / dynamics.tau_synapse
        membranes[0].copy_(current)
        torch.gt(membranes[0], dynamics.threshold, out=spikes[0])
        for t in range(1, len(x)):
            current.lerp_(x[t], 1.0 / dynamics.tau_synapse)
            kept = _after_reset(membranes[t - 1], spikes[t - 1])
            torch.add(current, kept, alpha=dynamics.membrane, out=membranes[t])
            torch.gt(membranes[t], dynamics.threshold, out=spikes[t])
        ctx.save_for_backward(membranes)
        ctx.dynamics = dynamics
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (membranes,) = ctx.saved_tensors
        return _backward(grad, membranes, ctx.dynamics), None


def _after_reset(membrane: Tensor, spikes: Tensor) -> Tensor:
    return membrane.addcmul(membrane, spikes, value=-1.0)


def _backward(grad: Tensor, membranes: Tensor, dynamics: Dynamics) -> Tensor:
    """Return dL/dx from e = dL/ds, all `(T, ...)`."""
    spikes = (membranes > dynamics.threshold).to(membranes.dtype)
    silent = _silent(spikes, dynamics.synapse)
    found = torch.empty_like(membranes)
    theta, later = torch.zeros_like(grad[0]), torch.zeros_like(grad[0])
    for t in range(len(grad) - 1, -1, -1):
        y, fired = membranes[t], spikes[t] > 0
        rise = y if t == 0 else y - _after_reset(membranes[t - 1], spikes[t - 1])
        of_time = (1.0 / rise).clamp_(max=STEEPEST).mul_(grad[t].addcmul(theta, y, value=1.0 / dynamics.tau_membrane))
        theta = torch.where(fired, of_time, dynamics.membrane * theta)
        later = torch.where(silent[t], grad[t] * _slope(y, dynamics.threshold), theta).add_(
            later, alpha=dynamics.synapse
        )
        torch.div(later, dynamics.tau_synapse, out=found[t])
    return found


def _silent(spikes: Tensor, decay: float) -> Tensor:
    """Whether a trace, in units of 1 / tau_s, is below SILENT; `(T, ...)`."""
    silent = torch.empty_like(spikes, dtype=torch.bool)
    trace = torch.zeros_like(spikes[0])
    for step, out in zip(spikes, silent, strict=True):
        trace.mul_(decay).add_(step)
        torch.lt(trace, SILENT, out=out)
    return silent


def _slope(membrane: Tensor, threshold: float) -> Tensor:
    soft = (membrane - threshold).div_(WIDTH).clamp_(-FARTHEST, FARTHEST).sigmoid_()
    return soft.addcmul(soft, soft, value=-1.0).div_(WIDTH)


class Neuron(nn.Module):
    """LIF neurons behind synapses that filter, with the gradient of TSSL-BP.

    `timesteps` T >= 1; `threshold` V > 0; `tau_membrane` and `tau_synapse` in time steps, at least 1. Raises ValueError
    for other values.
    """

    def __init__(
        self, timesteps: int, threshold: float = 1.0, tau_membrane: float = 5.0, tau_synapse: float = 3.0
    ) -> None:
        super().__init__()
        at_least(1, timesteps=timesteps, tau_membrane=tau_membrane, tau_synapse=tau_synapse)
        positive(threshold=threshold)
        self.timesteps = timesteps
        self.dynamics = Dynamics(threshold, tau_membrane, tau_synapse)

    def spike_amplitude(self) -> float:
        """Return the height of an emitted spike."""
        return 1.0

    def states(self) -> int:
        """Return how many numbers a step updates of every neuron: the membrane and the synaptic current."""
        return 2

    def leaks(self) -> int:
        """Return how many of these it multiplies, because they leak: both, unless a tau of 1 leaves nothing of them."""
        return sum(0 < kept < 1 for kept in (self.dynamics.membrane, self.dynamics.synapse))

    def forward(self, x: Tensor) -> Tensor:
        """Currents of spikes `(T*B, ...)`, not filtered -> spikes in {0, 1}, same shape."""
        spikes: Tensor = _Neuron.apply(x.unflatten(0, (self.timesteps, -1)), self.dynamics)
        return spikes.flatten(0, 1)

    def extra_repr(self) -> str:
        return f"timesteps={self.timesteps}, {', '.join(f'{k}={v}' for k, v in self.dynamics._asdict().items())}"
