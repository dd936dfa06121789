"""DSR's readout: encodes the pooled map as spikes again, classifies, normalises, spikes, and reads the representation.

    logits = r( neuron( BatchNorm( W neuron(pooled) + b ) ) )

The logits are (weighted) firing rates in [0, V] (IF) or [0, V / dt] (LIF). The released code does this; the paper only
says that the output is the spikes of the last layer.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from dsr.clamp import Clamp, Quantized
from dsr.hybrid import ReLU
from dsr.neurons import IF, LIF


class Readout(nn.Module):
    """Pooled features `(T*B, features)` -> logits `(B, classes)`.

    `neuron` makes an IF, an LIF, or with T = 1 what does not spike: a clamp or the ReLU of an ANN. `reencode`: whether
    to put a neuron between the pool and the classifier.
    """

    def __init__(
        self,
        features: int,
        classes: int,
        neuron: Callable[[], IF | LIF | Clamp | Quantized | ReLU],
        reencode: bool = True,
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
