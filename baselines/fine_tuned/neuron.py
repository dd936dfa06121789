"""Neuron of DIET-SNN (Rathi and Roy 2020) and of hybrid training (Rathi et al., ICLR 2020).

With current x_t, threshold V, leak l, v_0 = 0, and f_t = [u_t / V > 1]:

    DIET-SNN      u_t = l (u_{t-1} - V f_{t-1}) + x_t      spikes s_t = f_t
    late          u_t = l u_{t-1} - V f_{t-1} + x_t        spikes s_t = f_{t-1}, s_1 = 0

A late neuron answers the current of the step before, so every layer adds a step of delay. Spikes are 0 or 1, and
nothing rescales the weights behind them. Backpropagation through time is exact but for the step, with z = u / V - 1:

    df/dz = height max(0, 1 - |z|)                          triangle
    df/dz = height exp(-decay n)                            spike-time: n steps after the neuron's last spike,
                                                            0 if it has not fired yet, whatever its membrane

In the reset the spike is a constant and V is not, so V has a gradient from the slope and one from the reset:

    dL/du_t = a_t + e_t (df/dz) / V,     a_t = l dL/du_{t+1}
    dL/dV   = - sum_t  e_t (df/dz) u_t / V^2  +  f_t b_t,       b_t = a_t (late: dL/du_{t+1})
    dL/dl   = sum_t  v_t dL/du_{t+1},     v_t = u_t - V f_t (late: u_t)

where e_t = dL/df_t. Both released codes compute these gradients; of hybrid training, neither V nor l is trained.
The released code computes the spike-time slope as exp(-n)^decay in float32, which is 0 beyond n = 103; ours is not.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from baselines.checks import at_least, fraction, one_of, positive

Surrogate = Literal["triangle", "spike-time"]


class Slope(NamedTuple):
    """The surrogate of df/dz: its kind, `height`, and `decay` per step (spike-time only)."""

    surrogate: Surrogate
    height: float
    decay: float


class _LIF(torch.autograd.Function):
    """The recurrence and its exact adjoint. Only the membranes are saved, because they determine the spikes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, threshold: Tensor, leak: Tensor, slope: Slope, delayed: bool) -> Tensor:
        membranes, spikes = _forward(x, threshold, leak, delayed)
        ctx.save_for_backward(membranes, threshold.clone(), leak.clone())  # both may be projected before backward
        ctx.slope, ctx.delayed = slope, delayed
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        membranes, threshold, leak = ctx.saved_tensors
        grad = grad if grad.stride() == membranes.stride() else torch.empty_like(membranes).copy_(grad)
        return *_backward(grad, membranes, threshold, leak, ctx.slope, ctx.delayed), None, None


def _forward(x: Tensor, threshold: Tensor, leak: Tensor, delayed: bool) -> tuple[Tensor, Tensor]:
    """Return membranes before their reset and spikes of `(T, ...)` currents."""
    membranes, spikes = torch.empty_like(x), torch.empty_like(x)
    steps = len(x)
    if delayed:
        spikes[0].zero_()
    for t in range(steps):
        u = membranes[t]
        if t == 0:
            u.copy_(x[0])
        elif delayed:
            torch.addcmul(x[t], membranes[t - 1], leak, out=u).addcmul_(spikes[t], threshold, value=-1.0)
        else:
            after_reset = torch.addcmul(membranes[t - 1], spikes[t - 1], threshold, value=-1.0)
            torch.addcmul(x[t], after_reset, leak, out=u)
        if not delayed:
            _fire(u, threshold, spikes[t])
        elif t + 1 < steps:
            _fire(u, threshold, spikes[t + 1])
    return membranes, spikes


def _fire(u: Tensor, threshold: Tensor, out: Tensor) -> Tensor:
    """Write f = [u / V > 1], which is u > V for a positive V."""
    torch.div(u, threshold, out=out)
    return torch.gt(out, 1.0, out=out)


def _backward(
    grad: Tensor, membranes: Tensor, threshold: Tensor, leak: Tensor, slope: Slope, delayed: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return dL/dx, dL/dV and dL/dl from dL/ds, `(T, ...)`. `later` is dL/du_{t+1}."""
    grad_x, fired = torch.empty_like(grad), torch.empty_like(grad[0])
    grad_threshold, grad_leak = torch.zeros_like(threshold), torch.zeros_like(leak)
    since = _since_last_spike(membranes, threshold, slope) if slope.surrogate == "spike-time" else None
    later = torch.zeros_like(grad[0])
    for t in range(len(grad) - 1, -1, -1):
        u, own = membranes[t], grad_x[t]
        emitted = t + delayed
        if emitted < len(grad):  # through the spike: e (df/dz) / V
            steepness = since[t] if since is not None else _triangle(u, threshold, slope.height)
            torch.mul(grad[emitted], steepness, out=own).div_(threshold)
            grad_threshold -= (own * u).sum() / threshold
        else:
            own.zero_()
        _fire(u, threshold, fired)
        kept = later * leak
        grad_threshold -= (fired * (later if delayed else kept)).sum()
        after_reset = u if delayed else torch.addcmul(u, fired, threshold, value=-1.0)
        grad_leak += (after_reset * later).sum()
        later = own.add_(kept)
    return grad_x, grad_threshold, grad_leak


def _triangle(u: Tensor, threshold: Tensor, height: float) -> Tensor:
    return u.div(threshold).sub_(1.0).abs_().neg_().add_(1.0).clamp_(min=0.0).mul_(height)


def _since_last_spike(membranes: Tensor, threshold: Tensor, slope: Slope) -> Tensor:
    """Return the spike-time slope at every step: height exp(-decay n), 0 before the first spike."""
    steepness = torch.zeros_like(membranes)
    fading = torch.exp(-slope.decay * torch.ones_like(threshold))
    fired = torch.empty_like(membranes[0])
    for t in range(1, len(membranes)):
        _fire(membranes[t - 1], threshold, fired)
        restarted = torch.where(fired > 0, slope.height, steepness[t - 1])
        torch.mul(restarted, fading, out=steepness[t])
    return steepness


class LIF(nn.Module):
    """Leaky integrate-and-fire neuron with a soft reset and one threshold and leak a layer, trained or fixed.

    `timesteps` T >= 1; `threshold` V > 0; `leak` l multiplies the membrane at each step, and is projected to at most 1
    before every forward pass (released code: after every batch), outside autograd; it has no lower bound, nor has V.
    `surrogate_height` and `surrogate_decay` are those of the slope. `delayed`: the late neuron of hybrid training.
    Raises ValueError for invalid values.
    """

    threshold: Tensor
    leak: Tensor

    def __init__(
        self,
        timesteps: int,
        threshold: float = 1.0,
        leak: float = 1.0,
        surrogate: Surrogate = "triangle",
        surrogate_height: float = 0.3,
        surrogate_decay: float = 0.01,
        delayed: bool = False,
        train_threshold: bool = True,
        train_leak: bool = True,
    ) -> None:
        super().__init__()
        at_least(1, timesteps=timesteps)
        positive(threshold=threshold, surrogate_height=surrogate_height)
        fraction(leak=leak)
        at_least(0, surrogate_decay=surrogate_decay)
        one_of(("triangle", "spike-time"), surrogate=surrogate)
        self.timesteps, self.delayed = timesteps, bool(delayed)
        self.slope = Slope(surrogate, surrogate_height, surrogate_decay)
        for name, value, trained in (("threshold", threshold, train_threshold), ("leak", leak, train_leak)):
            if trained:
                self.register_parameter(name, nn.Parameter(torch.tensor(float(value))))
            else:
                self.register_buffer(name, torch.tensor(float(value)))

    def spike_amplitude(self) -> float:
        """Return the height of an emitted spike."""
        return 1.0

    def leaks(self) -> int:
        """Return how many numbers a step multiplies of every neuron: its membrane, unless the leak is fixed at 1."""
        return int(isinstance(self.leak, nn.Parameter) or self.leak.item() != 1.0)

    def project_leak(self) -> None:
        """l <- min(l, 1), in place."""
        with torch.no_grad():
            self.leak.clamp_(max=1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Input currents `(T*B, ...)` -> spikes in {0, 1}, same shape."""
        self.project_leak()
        currents = x.unflatten(0, (self.timesteps, -1))
        spikes: Tensor = _LIF.apply(currents, self.threshold, self.leak, self.slope, self.delayed)
        return spikes.flatten(0, 1)

    def extra_repr(self) -> str:
        values = {**self.slope._asdict(), "delayed": self.delayed}
        return f"timesteps={self.timesteps}, {', '.join(f'{name}={value}' for name, value in values.items())}"
