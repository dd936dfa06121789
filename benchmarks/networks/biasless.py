"""Convolutions and fully connected layers without biases, as the released code of TSSL-BP builds networks.

    [conv 3 x 3 - norm - neuron - dropout] x n   per group, a pool 2 x 2 between groups
    [linear - neuron - dropout] x m, classifier

That code has no norm either, but a method may have one: `parts.norm` makes it. It drops behind pools, not in front of
them as here, where every method knows what dropped spikes are. Convolutions start `gain` times as large as torch's,
fully connected layers normal by Kaiming's rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from torch import Tensor, nn

from benchmarks.networks.parts import Parts

POOLED = 8
"""The edge of the last map, that of an image of 32 x 32 pixels behind two pools; other maps are brought to it."""


class Biasless(nn.Module):
    """`groups`: the widths of the convolutions of each group; `hidden`: those of the layers before the classifier.

    `(B, in_channels, H, W)` or frames `(T, B, in_channels, H, W)` -> logits `(B, classes)`.
    """

    def __init__(
        self,
        parts: Parts,
        groups: tuple[tuple[int, ...], ...],
        hidden: tuple[int, ...],
        classes: int,
        in_channels: int = 3,
        dropout: float = 0.0,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(*_convolutions(parts, groups, in_channels, dropout))
        self.pool = nn.AdaptiveAvgPool2d(POOLED)
        features = groups[-1][-1] * POOLED**2
        self.hidden = nn.Sequential(*_fully_connected(parts, (features, *hidden), dropout))
        self.readout = parts.readout(hidden[-1], classes, reencode=False)
        _initialise(self, gain)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.readout(self.hidden(self.pool(self.features(x)).flatten(1)))
        return logits


def _convolutions(
    parts: Parts, groups: tuple[tuple[int, ...], ...], inputs: int, dropout: float
) -> Iterator[nn.Module]:
    for index, group in enumerate(groups):
        for place, outputs in enumerate(group, 1):
            layer = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
            yield parts.first(layer) if (index, place) == (0, 1) else layer
            yield parts.norm(outputs)
            yield parts.neuron()
            if dropout:
                yield parts.dropout(dropout)
            inputs = outputs
        if index + 1 < len(groups):
            yield parts.pool(2)


def _fully_connected(parts: Parts, widths: tuple[int, ...], dropout: float) -> Iterator[nn.Module]:
    for inputs, outputs in pairwise(widths):
        yield nn.Linear(inputs, outputs, bias=False)
        yield parts.neuron()
        if dropout:
            yield parts.dropout(dropout)


def _initialise(network: nn.Module, gain: float) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data *= gain  # torch's own start: uniform, within 1 / sqrt(fan in)
        elif isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
