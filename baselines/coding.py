"""What turns images into spikes, for methods whose first layer accumulates like all others.

    Bernoulli    s_t = sign(x) [U_t <= |x|], U_t uniform in [0, 1)         signed spikes whose mean is x, for |x| <= 1
    Integrated   s_t of a layer of neurons, whose current is x at every step

Sources: Rathi et al., ICLR 2020; Wu et al. (ASF-BP) 2021; Yan et al., AAAI 2021 (a neuron behind each pixel).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.checks import at_least, positive


def at_every_step(x: Tensor, timesteps: int) -> Tensor:
    """Images `(B, C, H, W)`, repeated, or frames `(T, B, C, H, W)` as `(T*B, C, H, W)`."""
    return x.flatten(0, 1) if x.dim() == 5 else torch.cat([x] * timesteps)


class Bernoulli(nn.Module):
    """Images `(B, C, H, W)` or frames `(T, B, C, H, W)` -> spikes `(T*B, C, H, W)` in {-1, 0, 1}.

    A value is divided by `scale` first; beyond 1 it spikes at every step. Training draws from torch's generator. In
    evaluation mode the draw is a function of image, pixel and step, so that an image's logits do not depend on what
    else is evaluated, or in which order.
    """

    def __init__(self, timesteps: int, scale: float = 1.0) -> None:
        super().__init__()
        at_least(1, timesteps=timesteps)
        positive(scale=scale)
        self.timesteps, self.scale, self.first = timesteps, scale, 0

    def spike_amplitude(self) -> float:
        """Return the height of a spike, whose sign is the pixel's."""
        return 1.0

    def states(self) -> int:
        """Return that no number outlives a step: spikes are drawn."""
        return 0

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        repeated = at_every_step(x, self.timesteps) / self.scale
        uniform = torch.rand_like(repeated) if self.training else hashed(repeated, self.timesteps, self.first)
        return repeated.sign() * (uniform <= repeated.abs())

    def extra_repr(self) -> str:
        return f"timesteps={self.timesteps}, scale={self.scale}"


class BernoulliStep(Bernoulli):
    """The same, one step a call, for networks that are simulated step by step; `reset()` begins a new run.

    `(B, C, H, W)` -> spikes `(B, C, H, W)`.
    """

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__(1, scale)

    def reset(self) -> None:
        """Start a new run."""
        self.first = 0

    def forward(self, x: Tensor) -> Tensor:
        spikes: Tensor = super().forward(x)
        self.first += 1
        return spikes


def hashed(x: Tensor, timesteps: int, first: int = 0) -> Tensor:
    """Numbers in [0, 1) that follow from each image's own values, its pixels' places and the steps alone.

    `(T*B, C, H, W)` -> same shape; steps are numbered from `first`. The values' bits are added with odd weights to one
    64-bit number an image, and that is mixed with the place and the step (splitmix64, Steele et al. 2014); integers
    wrap around, so sums are exact.
    """
    pixels = x.shape[1:].numel()
    rows = x.float().contiguous().view(torch.int32).long().view(timesteps, len(x) // timesteps, pixels)
    place = torch.arange(pixels, device=x.device)
    image = _mixed((rows * (2 * place + 1)).sum((0, 2)))
    step = torch.arange(first, first + timesteps, device=x.device)
    seed = _mixed(image + _mixed(step)[:, None])[:, :, None] + place
    return ((_mixed(seed) >> 40) & 0xFFFFFF).to(x.dtype).div_(2**24).view(x.shape)


def _mixed(x: Tensor) -> Tensor:
    """Return splitmix64 of 64-bit integers; a shift to the right has to clear the sign that torch copies."""
    x = x + _signed(0x9E3779B97F4A7C15)
    x = (x ^ ((x >> 30) & 0x3FFFFFFFF)) * _signed(0xBF58476D1CE4E5B9)
    x = (x ^ ((x >> 27) & 0x1FFFFFFFFF)) * _signed(0x94D049BB133111EB)
    return x ^ ((x >> 31) & 0x1FFFFFFFF)


def _signed(x: int) -> int:
    return x - 2**64 if x >= 2**63 else x


class Integrated(nn.Module):
    """Images `(B, C, H, W)` or frames `(T, B, C, H, W)` -> spikes `(T*B, C, H, W)` of neurons that they drive."""

    def __init__(self, timesteps: int, neuron: nn.Module) -> None:
        super().__init__()
        self.timesteps, self.neuron = timesteps, neuron

    def forward(self, x: Tensor) -> Tensor:
        spikes: Tensor = self.neuron(at_every_step(x, self.timesteps))
        return spikes
