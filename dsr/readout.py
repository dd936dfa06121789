"""DSR's head: re-encode the pooled map as spikes, classify, normalise, spike, and read the representation.

    logits = r( neuron( BatchNorm( W neuron(pooled) + b ) ) )

so the logits are (weighted) firing rates: never negative, at most V (IF) or V / dt (LIF). The released code does this;
the paper only says that the output is the last layer's spikes.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from dsr.hybrid import ReLU
from dsr.neurons import IF, LIF


class Readout(nn.Module):
    """Pooled features `(T*B, features)` -> logits `(B, classes)`.

    `neuron` makes an IF or LIF, or the ReLU of an ANN, whose T is 1. `reencode`: whether a neuron stands
    between the pool and the classifier.
    """

    def __init__(
        self, features: int, classes: int, neuron: Callable[[], IF | LIF | ReLU], reencode: bool = True
    ) -> None:
        super().__init__()
        self.pooled_neuron = neuron() if reencode else nn.Identity()
        self.linear = nn.Linear(features, classes)
        self.norm = nn.BatchNorm1d(classes)
        self.neuron = neuron()
        self.rate = self.neuron.rate()

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(self.pooled_neuron(x))
        logits: Tensor = self.rate(self.neuron(self.norm(x)))
        return logits
