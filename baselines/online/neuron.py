"""The neuron of SLTT and OTTT: a leaky membrane with a surrogate gradient within a step, and none from step to step.

    u_t = l sg(v_{t-1}) + x_t,   s_t = [u_t >= V],   l = 1 - 1 / tau          sg: no gradient
    soft reset:  v_t = u_t - V s_t        hard reset:  v_t = (1 - s_t) u_t
    dL/dx_t = phi(u_t - V) dL/ds_t

    triangle   phi(z) = max(0, 1 - |z|)
    rectangle  phi(z) = [|z| <= 1/2]
    sigmoid    phi(z) = 4 f (1 - f),  f = 1 / (1 + exp(-4 z))

SLTT has tau = 1.1 and the triangle, OTTT tau = 2 and the sigmoid. Neither multiplies the input by 1 - l. `ThroughTime`
has no sg, and a gradient through the reset: backpropagation through time, with which SLTT's authors compare.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from baselines.checks import at_least, one_of, positive
from baselines.surrogates import STEEPNESS, SURROGATES, Surrogate, slopes

Reset = Literal["soft", "hard"]


class _Spike(torch.autograd.Function):
    """Spikes of height `height` where the membrane is at least at the threshold; the membrane alone is kept."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, threshold: float, surrogate: Surrogate, steepness: float, height: float) -> Tensor:
        ctx.save_for_backward(u)
        ctx.threshold, ctx.surrogate, ctx.steepness, ctx.height = threshold, surrogate, steepness, height
        spikes = torch.ge(u, threshold, out=torch.empty_like(u))
        return spikes if height == 1.0 else spikes.mul_(height)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (u,) = ctx.saved_tensors
        slope = slopes(u - ctx.threshold, ctx.surrogate, ctx.steepness)
        found = slope.mul_(grad) if ctx.height == 1.0 else slope.mul_(grad).mul_(ctx.height)
        return found, None, None, None, None


class LIF(nn.Module):
    """Leaky integrate-and-fire neuron of which every call is one time step.

    `threshold` V > 0; `tau` >= 1 in time steps: the membrane is multiplied by 1 - 1 / tau; `steepness` > 0 of the
    sigmoid; `height` of an emitted spike. `timesteps`, the length of a run, changes nothing. The membrane stays between
    calls until `clear()`. `(B, ...)` currents -> `(B, ...)`, 0 or `height`. Raises ValueError for invalid values.
    """

    def __init__(
        self,
        timesteps: int,
        threshold: float = 1.0,
        tau: float = 1.1,
        surrogate: Surrogate = "triangle",
        reset: Reset = "soft",
        steepness: float = STEEPNESS,
        height: float = 1.0,
    ) -> None:
        super().__init__()
        at_least(1, timesteps=timesteps, tau=tau)
        positive(threshold=threshold, steepness=steepness, height=height)
        one_of(SURROGATES, surrogate=surrogate)
        one_of(("soft", "hard"), reset=reset)
        self.timesteps, self.threshold, self.tau = timesteps, threshold, tau
        self.surrogate: Surrogate = surrogate
        self.soft, self.steepness, self.height = reset == "soft", steepness, height
        self.membrane: Tensor | None = None

    @property
    def decay(self) -> float:
        """What the membrane is multiplied by in a step: l."""
        return 1.0 - 1.0 / self.tau

    def spike_amplitude(self) -> float:
        """Return the height of an emitted spike."""
        return self.height

    def leaks(self) -> int:
        """Return how many numbers a step multiplies of every neuron: the membrane, unless nothing of it is left."""
        return int(self.tau > 1)

    def clear(self) -> None:
        """Start a new run: the membrane is 0."""
        self.membrane = None

    def forward(self, x: Tensor) -> Tensor:
        u = x if self.membrane is None else torch.add(x, self.membrane, alpha=self.decay)
        spikes: Tensor = _Spike.apply(u, self.threshold, self.surrogate, self.steepness, self.height)
        self.membrane = self._kept(u, spikes)
        return spikes

    @torch.no_grad()
    def _kept(self, u: Tensor, spikes: Tensor) -> Tensor:
        """Return the membrane for the next step, in place of the last one."""
        return self._after_reset(u, spikes, torch.empty_like(u) if self.membrane is None else self.membrane)

    def _after_reset(self, u: Tensor, spikes: Tensor, into: Tensor | None = None) -> Tensor:
        if self.soft:
            return torch.sub(u, spikes, alpha=self.threshold / self.height, out=into)
        return torch.addcmul(u, u, spikes, value=-1.0 / self.height, out=into)

    def extra_repr(self) -> str:
        reset = "soft" if self.soft else "hard"
        return f"threshold={self.threshold}, tau={self.tau}, surrogate={self.surrogate}, reset={reset}"


class ThroughTime(LIF):
    """The same neuron with backpropagation through time: gradients pass from step to step and through the reset."""

    def _kept(self, u: Tensor, spikes: Tensor) -> Tensor:
        return self._after_reset(u, spikes)
