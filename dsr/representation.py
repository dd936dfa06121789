"""Spike representation: the (weighted) firing rate of a neuron over T steps (paper, Sec. 3.3 and 3.4).

IF:   r(y) = 1/T  sum_t y_t
LIF:  r(y) = sum_t w_t y_t / sum_t w_t,   w_t = exp(-(T - t) dt / tau),   t = 1 .. T
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def unfold(x: Tensor, timesteps: int) -> Tensor:
    """View `(T*B, ...)` as `(T, B, ...)`. Raises ValueError if the number of rows is not a multiple of T."""
    if x.shape[0] % timesteps:
        raise ValueError(f"{x.shape[0]} rows are not a multiple of T = {timesteps}; expected (T*B, ...)")
    return x.view(timesteps, x.shape[0] // timesteps, *x.shape[1:])


def lif_weights(timesteps: int, tau: float, dt: float) -> list[float]:
    """Return the weights of the T steps, which sum to 1; the last step has the largest."""
    weights = [math.exp(-(timesteps - t) * dt / tau) for t in range(1, timesteps + 1)]
    total = math.fsum(weights)
    return [w / total for w in weights]


def at_every_step(x: Tensor, timesteps: int) -> Tensor:
    """Repeat `(B, ...)` at every step: `(T*B, ...)`, in the same memory format."""
    return torch.cat([x] * timesteps) if timesteps > 1 else x


def firing_rate(x: Tensor, timesteps: int) -> Tensor:
    """Mean over time. `(T*B, ...) -> (B, ...)`, in the unit of `x` (paper, Sec. 3.3.2)."""
    return unfold(x, timesteps).mean(0)


def weighted_firing_rate(x: Tensor, timesteps: int, tau: float, dt: float) -> Tensor:
    """Mean over time, weights growing by exp(dt / tau) per step. `(T*B, ...) -> (B, ...)` (paper, Sec. 3.3.1)."""
    weights = torch.tensor(lif_weights(timesteps, tau, dt), dtype=x.dtype, device=x.device)
    return weighted_sum(x, weights)


def weighted_sum(x: Tensor, weights: Tensor) -> Tensor:
    """Weighted sum over time. `(T*B, ...)`, weights `(T,)` -> `(B, ...)`, in channels_last for tensors with pixels."""
    if x.dim() == 4:
        return torch.tensordot(weights, unfold(x.permute(0, 2, 3, 1), len(weights)), dims=1).permute(0, 3, 1, 2)
    return torch.tensordot(weights, unfold(x, len(weights)), dims=1)


class Rate(nn.Module):
    """The representation as a layer: `(T*B, ...) -> (B, ...)`; weighted if `tau` and `dt` are given."""

    def __init__(self, timesteps: int, tau: float | None = None, dt: float | None = None) -> None:
        super().__init__()
        self.timesteps, self.tau, self.dt = timesteps, tau, dt

    def weights(self) -> list[float]:
        """Return the weights of the T steps, which sum to 1."""
        if self.tau is None or self.dt is None:
            return [1.0 / self.timesteps] * self.timesteps
        return lif_weights(self.timesteps, self.tau, self.dt)

    def forward(self, x: Tensor) -> Tensor:
        if self.tau is None or self.dt is None:
            return firing_rate(x, self.timesteps)
        return weighted_firing_rate(x, self.timesteps, self.tau, self.dt)
