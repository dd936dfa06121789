"""The neurons of SEW ResNets (Fang et al., NeurIPS 2021): hard reset, arctangent surrogate, no gradient through resets.

    IF:    h_t = v_{t-1} + x_t                            LIF:  h_t = v_{t-1} + k (x_t - v_{t-1}),   k = 1 / tau
    s_t  = [h_t >= V],   v_t = (1 - s_t) h_t,   v_0 = 0   spikes are 0 or 1

Of LIF neurons the input is multiplied by k as well. With a trained time constant, k = sigmoid(w) for one number w per
layer (PLIF, Fang et al., ICCV 2021), which starts where tau is `tau`. Backward, with the slope s' of
`baselines.stbp.arctangent`, d_t = dL/dh_t, and g = l = 1 (IF) or g = k, l = 1 - k (LIF):

    d_t = s'(h_t - V) dL/ds_t + l (1 - s_t) d_{t+1},   dL/dx_t = g d_t
    dL/dk = sum_t d_t (x_t - v_{t-1}),   dk/dw = k (1 - k)

Their ImageNet networks have IF neurons, those for event data LIF neurons with a trained time constant that starts at 2;
V = 1 and a = 2 in both. Their released CUDA code loses a part of dL/dw in layers with more than 1,024 neurons and
images; this does not.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from baselines.checks import above, at_least, positive
from baselines.stbp.arctangent import slope


class _Neuron(torch.autograd.Function):
    """The recurrence and its exact adjoint. Only the membranes h are saved, because they determine the spikes.

    `gain` k, `()`, or None for IF neurons; it has a gradient.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor | None, threshold: float, alpha: float) -> Tensor:
        membranes, spikes = _simulate(x, gain, threshold)
        ctx.save_for_backward(membranes, gain)
        ctx.threshold, ctx.alpha = threshold, alpha
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        membranes, gain = ctx.saved_tensors
        grad_h = _adjoint(grad, membranes, gain, ctx.threshold, ctx.alpha)
        if gain is None:
            return grad_h, None, None, None
        grad_gain = _of_gain(grad_h, membranes, gain, ctx.threshold) if ctx.needs_input_grad[1] else None
        return grad_h.mul_(gain), grad_gain, None, None


def _simulate(x: Tensor, gain: Tensor | None, threshold: float) -> tuple[Tensor, Tensor]:
    """Return membranes before the reset and spikes of currents `(T, ...)`."""
    membranes, spikes = torch.empty_like(x), torch.empty_like(x)
    held = torch.zeros_like(x[0])
    for h, s, current in zip(membranes, spikes, x, strict=True):
        if gain is None:
            torch.add(held, current, out=h)
        else:
            torch.sub(current, held, out=h).mul_(gain).add_(held)
        torch.ge(h, threshold, out=s)
        held = torch.addcmul(h, h, s, value=-1.0)
    return membranes, spikes


def _adjoint(grad: Tensor, membranes: Tensor, gain: Tensor | None, threshold: float, alpha: float) -> Tensor:
    """Return dL/dh from dL/ds, `(T, ...)`."""
    grad_h = torch.empty_like(membranes)
    later: Tensor | None = None
    for t in range(len(grad) - 1, -1, -1):
        h, d = membranes[t], grad_h[t]
        torch.mul(grad[t], slope(h - threshold, alpha), out=d)
        if later is not None:
            kept = later * (h < threshold)
            d.add_(kept if gain is None else kept.mul_(1.0 - gain))
        later = d
    return grad_h


def _of_gain(grad_h: Tensor, membranes: Tensor, gain: Tensor, threshold: float) -> Tensor:
    """Return dL/dk = sum of d_t (x_t - v_{t-1}), in double precision: many terms cancel each other."""
    total = torch.zeros((), dtype=torch.float64, device=gain.device)
    before: Tensor | None = None
    for h, d in zip(membranes, grad_h, strict=True):
        risen = h if before is None else h - before * (before < threshold)  # k (x_t - v_{t-1})
        total += (d * risen).sum(dtype=torch.float64)
        before = h
    return (total / gain).to(gain.dtype)


class Neuron(nn.Module):
    """Integrate-and-fire neuron, leaky if `tau` is given, with an arctangent surrogate.

    `timesteps` T >= 1; `threshold` V > 0; `tau` > 1 in time steps; `train_tau`: it is trained; `alpha` a > 0 of the
    surrogate. `(T*B, ...)` currents -> spikes in {0, 1}, same shape. Raises ValueError for invalid values.
    """

    def __init__(
        self,
        timesteps: int,
        threshold: float = 1.0,
        tau: float | None = None,
        train_tau: bool = False,
        alpha: float = 2.0,
    ) -> None:
        super().__init__()
        at_least(1, timesteps=timesteps)
        positive(threshold=threshold, alpha=alpha)
        if tau is not None:
            above(1, tau=tau)
        if train_tau and tau is None:
            raise ValueError("train_tau needs a tau that it starts from")
        self.timesteps, self.threshold, self.tau, self.alpha = timesteps, threshold, tau, alpha
        self.w = nn.Parameter(torch.tensor(-math.log(tau - 1))) if train_tau and tau is not None else None

    def spike_amplitude(self) -> float:
        """Return the height of an emitted spike."""
        return 1.0

    def leaks(self) -> int:
        """Return how many numbers a step multiplies of every neuron: the membrane, if it leaks."""
        return int(self.tau is not None)

    def gain(self, like: Tensor) -> Tensor | None:
        """Return k = 1 / tau as it is now; None for a neuron without a leak."""
        if self.tau is None:
            return None
        return like.new_tensor(1.0 / self.tau) if self.w is None else self.w.sigmoid().to(like.dtype)

    def forward(self, x: Tensor) -> Tensor:
        steps = x.unflatten(0, (self.timesteps, -1))
        spikes: Tensor = _Neuron.apply(steps, self.gain(x), self.threshold, self.alpha)
        return spikes.flatten(0, 1)

    def extra_repr(self) -> str:
        return f"timesteps={self.timesteps}, threshold={self.threshold}, tau={self.tau}, alpha={self.alpha}"
