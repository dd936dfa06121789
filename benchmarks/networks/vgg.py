"""VGG with batch norm for 32 x 32 images: groups of 3 x 3 convolutions, each group followed by an average pool.

    [conv - norm - neuron - dropout] x n, average pool 2 x 2     per group; the pool feeds the next convolution

Average pools stand where VGG has maxima, so that all between two neurons is linear. After five pools the map is one
pixel, which is pooled to `pooled` x `pooled` (so copied, where that is more); `hidden` fully connected layers, each
with a neuron, and a classifier follow. VGG-16 as Bu et al. 2022 convert it; VGG-11 as the released DSR code has it,
dropout 0.1 and 7 x 7 copies included. Tandem learning's network has strides in place of pools (`strided`), and a norm
in its hidden layer (`normed`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, zip_longest

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
        self.flat = not shape.normed
        if self.flat:
            self.hidden = hidden_layers(parts, features, shape.hidden, shape.hidden_dropout)
        else:
            self.hidden = nn.Sequential(*_normed(parts, shape))
        self.readout = parts.readout((features, *shape.hidden)[-1], classes, reencode=False)
        initialise(self, linear=0.01)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.features(x))
        logits: Tensor = self.readout(self.hidden(x.flatten(1) if self.flat else x))
        return logits


def _layers(parts: Parts, shape: networks.VGG, inputs: int) -> Iterator[nn.Module]:
    first = True
    for number, group in enumerate(shape.groups):
        for place, outputs in enumerate(group):
            stride = 2 if shape.strided and number and not place else 1
            layer = nn.Conv2d(inputs, outputs, 3, stride, padding=1)
            yield parts.first(layer) if first else layer
            yield parts.norm(outputs)
            yield parts.neuron()
            if shape.dropout:
                yield parts.dropout(shape.dropout)
            inputs, first = outputs, False
        if not shape.strided:
            yield parts.pool(2)


def _normed(parts: Parts, shape: networks.VGG) -> Iterator[nn.Module]:
    """Hidden layers with norms, as convolutions: the first of the whole map, the others of its one pixel."""
    edge, widths = shape.pooled, pairwise((shape.groups[-1][-1], *shape.hidden))
    for share, pair in zip_longest(shape.hidden_dropout, widths):
        yield from [parts.dropout(share)] if share else []
        if pair:
            yield from (nn.Conv2d(pair[0], pair[1], edge), parts.norm(pair[1]), parts.neuron())
            edge = 1
    yield nn.Flatten()
