"""VGG with batch norm for 32 x 32 images: groups of 3 x 3 convolutions, each group followed by an average pool.

    [conv - norm - neuron - dropout] x n, average pool 2 x 2     per group; the pool feeds the next convolution

Average pools stand where VGG has maxima, so that all between two neurons is linear. After five pools the map is one
pixel, which is pooled to `pooled` x `pooled` (so copied, where that is more); `hidden` fully connected layers, each
with a neuron, and a classifier follow. VGG-16 as Bu et al. 2022 convert it; VGG-11 as the released DSR code has it,
dropout 0.1 and 7 x 7 copies included.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from benchmarks.networks.parts import Parts, hidden_layers, initialise


class VGG(nn.Module):
    """`groups`: the widths of the convolutions of each group; `hidden`: those of the layers before the classifier.

    `dropout`: the share of each neuron's output that is dropped in training, at every step anew.

    `(B, in_channels, H, W)` or frames `(T, B, in_channels, H, W)` -> logits `(B, classes)`.
    """

    def __init__(
        self,
        parts: Parts,
        groups: tuple[tuple[int, ...], ...],
        classes: int,
        in_channels: int = 3,
        hidden: tuple[int, ...] = (),
        dropout: float = 0.0,
        pooled: int = 1,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(*_layers(parts, groups, in_channels, dropout))
        self.pool = nn.AdaptiveAvgPool2d(pooled)
        features = groups[-1][-1] * pooled**2
        self.hidden = hidden_layers(parts, features, hidden)
        self.readout = parts.readout((features, *hidden)[-1], classes, reencode=False)
        initialise(self, linear=0.01)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.readout(self.hidden(self.pool(self.features(x)).flatten(1)))
        return logits


def _layers(parts: Parts, groups: tuple[tuple[int, ...], ...], inputs: int, dropout: float) -> Iterator[nn.Module]:
    first = True
    for group in groups:
        for outputs in group:
            layer = nn.Conv2d(inputs, outputs, 3, padding=1)
            yield parts.first(layer) if first else layer
            yield parts.norm(outputs)
            yield parts.neuron()
            if dropout:
                yield parts.dropout(dropout)
            inputs, first = outputs, False
        yield parts.pool(2)
