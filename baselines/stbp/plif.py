"""PLIF's neuron (Fang et al., ICCV 2021): the leak is trained, one number a layer; the surrogate is an arctangent.

    k = sigmoid(w) = 1 / tau                                          w is trained
    h_t = v_{t-1} + k (x_t - v_{t-1}),   s_t = [h_t >= V]             spikes are 0 or 1
    hard reset:  v_t = h_t (1 - s_t)        soft reset:  v_t = h_t - V s_t
    ds/dh = (a / 2) / (1 + (pi a (h - V) / 2)^2)

The leak multiplies the input, too: a constant current x below V takes the membrane to x, whatever tau. The reset has
no gradient, as in all published runs. With d_t = dL/dh_t

    d_t = slope_t dL/ds_t + (dv_t/dh_t) (1 - k) d_{t+1},   dL/dx_t = k d_t,   dL/dw = (1 - k) sum_t d_t (h_t - v_{t-1})

where h_t - v_{t-1} stands for k (x_t - v_{t-1}), so that neither currents nor spikes need to be kept.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from baselines.checks import above, at_least, one_of, positive
from baselines.stbp.layout import dense, like, parts
from baselines.stbp.neuron import Reset


class Dynamics(NamedTuple):
    """`threshold` V and `slope` a; `soft`: soft instead of hard reset; `detach`: no gradient through it."""

    threshold: float
    slope: float
    soft: bool
    detach: bool


class _PLIF(torch.autograd.Function):
    """The recurrence on dense `(T, ...)` and its exact adjoint. Only membranes are saved: they determine the spikes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, of: Dynamics) -> Tensor:
        share = w.sigmoid()
        membranes, spikes = torch.empty_like(x), torch.empty_like(x)
        for of_x, of_membranes, of_spikes in parts(x, membranes, spikes):
            _forward(of_x, of_membranes, of_spikes, share, of)
        ctx.save_for_backward(membranes, share)
        ctx.dynamics = of
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        membranes, share = ctx.saved_tensors
        grad_x, of_leak = torch.empty_like(membranes), torch.zeros_like(share, dtype=torch.float64)
        for of_grad, of_membranes, of_x in parts(like(grad, membranes), membranes, grad_x):
            of_leak += _backward(of_grad, of_membranes, of_x, share, ctx.dynamics)
        return grad_x, ((1.0 - share) * of_leak).to(share.dtype), None


def _forward(x: Tensor, membranes: Tensor, spikes: Tensor, share: Tensor, of: Dynamics) -> None:
    """Fill in membranes before reset and spikes; `share` is k."""
    held = torch.empty_like(x[0])
    torch.mul(x[0], share, out=membranes[0])
    torch.ge(membranes[0], of.threshold, out=spikes[0])
    for t in range(1, len(x)):
        torch.lerp(_after_reset(membranes[t - 1], of, held), x[t], share, out=membranes[t])
        torch.ge(membranes[t], of.threshold, out=spikes[t])


def _after_reset(membrane: Tensor, of: Dynamics, out: Tensor) -> Tensor:
    """Compare as numbers: several times as fast as truth values."""
    if of.soft:
        torch.ge(membrane, of.threshold, out=out)
        return torch.sub(membrane, out, alpha=of.threshold, out=out)
    return torch.lt(membrane, of.threshold, out=out).mul_(membrane)


def _backward(grad: Tensor, membranes: Tensor, grad_x: Tensor, share: Tensor, of: Dynamics) -> Tensor:
    """Fill in dL/dx from dL/ds. Return dL/dw / (1 - k). `later` is dL/dv_t, then dL/dh_t, then dL/dv_{t-1}."""
    later, scratch, slope = (torch.zeros_like(membranes[0]) for _ in range(3))
    of_leak, kept = torch.zeros_like(share, dtype=torch.float64), 1.0 - share
    for t in range(len(grad) - 1, -1, -1):
        h, of_spike = membranes[t], grad[t]
        if not of.detach:  # dv/ds = -h, or -V
            of_spike = of_spike - later * (of.threshold if of.soft else h)
        if not of.soft:
            later.mul_(torch.lt(h, of.threshold, out=scratch))
        later.addcmul_(of_spike, _slope(h, of, slope))
        moved = torch.sub(h, _after_reset(membranes[t - 1], of, scratch), out=scratch) if t else h
        of_leak += torch.dot(later, moved)
        torch.mul(later, share, out=grad_x[t])
        later.mul_(kept)
    return of_leak


def _slope(h: Tensor, of: Dynamics, out: Tensor) -> Tensor:
    """Return the surrogate of ds/dh."""
    steep = (math.pi * of.slope / 2) ** 2
    return torch.sub(h, of.threshold, out=out).square_().mul_(steep).add_(1.0).reciprocal_().mul_(of.slope / 2)


class PLIF(nn.Module):
    """Leaky integrate-and-fire neuron whose leak is trained (Fang et al. 2021; defaults as in all their runs).

    `timesteps` T >= 1; `threshold` V > 0; `tau` > 1: what 1 / k starts from; `surrogate_slope` a > 0; `detach_reset`:
    the reset has no gradient; without `train_tau` it is a LIF neuron with decay of its input. Raises ValueError for
    invalid values. `w` is a 0-dim Parameter, or a buffer if it is not trained.
    """

    w: Tensor

    def __init__(
        self,
        timesteps: int,
        threshold: float = 1.0,
        tau: float = 2.0,
        surrogate_slope: float = 2.0,
        reset: Reset = "hard",
        detach_reset: bool = True,
        train_tau: bool = True,
    ) -> None:
        super().__init__()
        at_least(1, timesteps=timesteps)
        above(1, tau=tau)
        positive(threshold=threshold, surrogate_slope=surrogate_slope)
        one_of(("hard", "soft"), reset=reset)
        self.timesteps = timesteps
        self.dynamics = Dynamics(threshold, surrogate_slope, reset == "soft", bool(detach_reset))
        w = torch.tensor(math.log(1.0 / (tau - 1)))
        if train_tau:
            self.w = nn.Parameter(w)
        else:
            self.register_buffer("w", w)

    @property
    def tau(self) -> float:
        """What 1 / k is now."""
        return 1.0 / self.w.sigmoid().item()

    def spike_amplitude(self) -> float:
        """Return the height of an emitted spike."""
        return 1.0

    def leaks(self) -> int:
        """Return how many numbers a step multiplies of every neuron: the membrane."""
        return 1

    def forward(self, x: Tensor) -> Tensor:
        """Input currents `(T*B, ...)` -> spikes in {0, 1}, same shape."""
        spikes: Tensor = _PLIF.apply(dense(x.unflatten(0, (self.timesteps, -1))), self.w, self.dynamics)
        return spikes.flatten(0, 1)

    def extra_repr(self) -> str:
        return f"timesteps={self.timesteps}, {', '.join(f'{k}={v}' for k, v in self.dynamics._asdict().items())}"
