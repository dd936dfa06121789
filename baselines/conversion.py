"""The spiking side of ANN-to-SNN conversion, shared by its variants.

    v_t = v_{t-1} + x_t,   s_t = [v_t >= theta],   v_t <- v_t - theta s_t,   v_0 = start * theta,   emits theta s_t

With a constant current x the rate is (theta / T) clip(floor(T x / theta + start), 0, T), so start = 1/2 rounds.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class IF(nn.Module):
    """Integrate-and-fire neuron with soft reset, for inference only (no gradient).

    `timesteps` T >= 1; `threshold` theta, usually loaded from the trained parent; `start`, the initial membrane as a
    share of theta.
    """

    threshold: Tensor

    def __init__(self, timesteps: int, threshold: float = 1.0, start: float = 0.0) -> None:
        super().__init__()
        if timesteps < 1:
            raise ValueError(f"timesteps must be at least 1, not {timesteps}")
        self.timesteps = timesteps
        self.start = start
        self.register_buffer("threshold", torch.tensor(float(threshold)))

    def spike_amplitude(self) -> float:
        """Height of an emitted spike; the next layer's weights absorb it."""
        return self.threshold.item()

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Input currents `(T*B, ...)` -> emitted values in {0, theta}, same shape."""
        theta = self.threshold.item()
        currents = x.view(self.timesteps, -1, *x.shape[1:])
        emitted = torch.empty_like(currents)
        membrane = torch.full_like(currents[0], self.start * theta)
        for current, out in zip(currents, emitted, strict=True):
            membrane.add_(current)
            torch.ge(membrane, theta, out=out)
            out.mul_(theta)
            membrane.sub_(out)
        return emitted.view_as(x)
