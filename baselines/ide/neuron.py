"""IDE's neuron: integrate-and-fire with soft reset, and a leak behind the reset (Xiao et al. 2021).

    u_t = v_{t-1} + x_t,   s_t = [u_t >= V],   v_t = leak (u_t - V s_t),   v_0 = 0       spikes are 0 or 1

Its rate is weighted like the membrane, a = sum_t leak^(T-t) s_t / sum_t leak^(T-t); leak = 1 is the IF neuron. For the
mean current m, weighted alike, a tends to clip(m / V, 0, 1) as T grows.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.checks import at_least, fraction, positive


class Neuron(nn.Module):
    """IF (`leak` 1) or LIF; every call is one time step, currents `(B, ...)` -> spikes, same shape.

    The membrane persists between calls until `reset()`. Spikes have no gradient. Raises ValueError for a threshold
    that is not positive and for a leak outside (0, 1].
    """

    def __init__(self, timesteps: int, threshold: float = 2.0, leak: float = 1.0) -> None:
        super().__init__()
        at_least(1, timesteps=timesteps)
        positive(threshold=threshold)
        fraction(zero=False, leak=leak)
        self.timesteps, self.threshold, self.leak = timesteps, threshold, leak
        self.membrane: Tensor | None = None

    def spike_amplitude(self) -> float:
        """Return the height of an emitted spike."""
        return 1.0

    def leaks(self) -> int:
        """Return how many numbers a step multiplies of every neuron: the membrane, if it leaks."""
        return int(self.leak < 1)

    def reset(self) -> None:
        """Start a new run."""
        self.membrane = None

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        u = x.clone() if self.membrane is None else self.membrane.add_(x)
        spikes = (u >= self.threshold).to(x.dtype)
        self.membrane = u.sub_(spikes, alpha=self.threshold).mul_(self.leak)
        return spikes

    def rate(self, current: Tensor) -> Tensor:
        """Return the rate that a constant current tends to, clip(x / V, 0, 1), with its gradient."""
        return (current / self.threshold).clamp(0.0, 1.0)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, leak={self.leak}"
