"""VGG with batch norm for 32 x 32 images: groups of 3 x 3 convolutions, each group followed by a pool.

    [conv - norm - neuron - dropout] x n, pool 2 x 2         per group; the pool feeds the next convolution

Average pools stand where VGG has maxima, so that all between two neurons is linear, unless the method brings another
pool. After five pools the map is one pixel, which is pooled to `pooled` x `pooled` (so copied, where that is more);
`hidden` fully connected layers, each with a neuron, and a classifier follow. VGG-16 as Bu et al. 2022 convert it;
VGG-11 as the released DSR code has it, dropout 0.1 and 7 x 7 copies included; the networks of STBP and PLIF.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from benchmarks.catalogue import networks
from benchmarks.networks.parts import Parts, hidden_layers, initialise


class VGG(nn.Module):
    """A network of a `shape`, whose fields `benchmarks.catalogue.networks` explains.

    `(B, in_channels, H, W)` or frames `(T, B, in_channels, H, W)` -> logits `(B, classes)`.
    """

    def __init__(self, parts: Parts, shape: networks.VGG, classes: int, in_channels: int = 3) -> None:
        super().__init__()
        features = shape.groups[-1][-1] * shape.pooled**2
        self.features = nn.Sequential(*_layers(parts, shape, in_channels))
        self.pool = nn.AdaptiveAvgPool2d(shape.pooled)
        self.hidden = hidden_layers(parts, features, shape.hidden, shape.biases, shape.hidden_dropout)
        self.readout = parts.readout((features, *shape.hidden)[-1], classes, reencode=False)
        if not shape.plain_start:
            initialise(self, linear=0.01)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.readout(self.hidden(self.pool(self.features(x)).flatten(1)))
        return logits


def _layers(parts: Parts, shape: networks.VGG, inputs: int) -> Iterator[nn.Module]:
    first = True
    for number, group in enumerate(shape.groups, 1):
        pooled = shape.last_pool or number < len(shape.groups)
        for place, outputs in enumerate(group, 1):
            layer = nn.Conv2d(inputs, outputs, 3, padding=1, bias=shape.biases)
            yield parts.first(layer) if first else layer
            yield parts.norm(outputs)
            yield parts.neuron()
            yield from _behind_neuron(parts, shape, pooled and place == len(group))
            inputs, first = outputs, False


def _behind_neuron(parts: Parts, shape: networks.VGG, pooled: bool) -> list[nn.Module]:
    """The dropout and the pool, if they are there, in the network's order."""
    dropped = [parts.dropout(shape.dropout)] if shape.dropout else []
    pool = [parts.pool(2)] if pooled else []
    return pool + dropped if shape.dropped_behind_pools else dropped + pool
