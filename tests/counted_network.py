"""A network whose operations can be counted by hand: what enters it leaves the first layer, and becomes spikes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.networks.parts import DirectCoding
from benchmarks.operations.counter import Counter, counting


class Spikes(nn.Module):
    """A neuron that emits what it is given, at an amplitude that is not 1."""

    def spike_amplitude(self) -> float:
        return 6.0

    def forward(self, x: Tensor) -> Tensor:
        return 6.0 * (x > 0)


class Chain(nn.Module):
    """Analog 1 x 1 convolution (identity), spikes, then what is to be counted."""

    def __init__(self, channels: int, *layers: nn.Module, neuron: nn.Module | None = None, steps: int = 1) -> None:
        super().__init__()
        first = nn.Conv2d(channels, channels, 1, bias=False)
        with torch.no_grad():
            first.weight.copy_(torch.eye(channels)[:, :, None, None])
        self.stem = DirectCoding(first, steps)
        self.neuron = neuron or Spikes()
        self.layers = nn.Sequential(*layers)
        self.end = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.layers(self.neuron(self.stem(x))))


def counted(network: nn.Module, x: Tensor, steps: int = 1) -> Counter:
    """`x`: images `(B, C, H, W)` or frames `(T, B, C, H, W)`."""
    network.eval()
    example = x[:, :1] if x.dim() == 5 else x[:1]
    with counting(network, example, steps) as counter, torch.no_grad():
        network(x)
    return counter
