"""SEW ResNet: residual blocks that add spikes (Fang et al., NeurIPS 2021).

    block(x):  g( b, r ),   b = neuron(norm(conv(neuron(norm(conv(x)))))),   r = x or neuron(norm(conv1x1(x)))
    g:         add  b + r        and  b r        iand  r (1 - b)

Every norm is followed by a neuron, on the branch with the 1 x 1 convolution too, and no neuron follows g. Blocks that
add therefore pass sums of spikes on: 0, 1, 2, ... times their height, up to one more than the blocks of a stage. The
other two are for spikes of height 1 and pass spikes on. No convolution has a bias.

The network for event data (its authors' for CIFAR10-DVS, 128 x 128) has a pool of 2 x 2 behind every stage, and a 1 x 1
convolution with norm and neuron in front of a stage that has other channels than the one before. Here pools round up,
so that a map of one pixel stays one: on 128 x 128 pixels that makes no difference.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from torch import Tensor, nn

from benchmarks.catalogue.networks import Connect
from benchmarks.networks.gates import And, Iand
from benchmarks.networks.parts import LANES, Parts, Projection, initialise, large_stem, stack

CONNECTIONS: Mapping[Connect, Callable[[], Callable[[Tensor, Tensor], Tensor]]] = {
    "add": lambda: operator.add,
    "and": And,
    "iand": Iand,
}


class Block(nn.Module):
    """Two 3 x 3 convolutions and a shortcut, each with norm and neuron; `connect` joins their spikes."""

    def __init__(self, parts: Parts, inputs: int, outputs: int, stride: int, connect: Connect = "add") -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = parts.norm(outputs)
        self.neuron1 = parts.neuron()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = parts.norm(outputs)
        self.neuron2 = parts.neuron()
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else _spiking(parts, _projection(inputs, outputs, stride), outputs)
        self.connect = CONNECTIONS[connect]()

    def forward(self, x: Tensor) -> Tensor:
        spikes = self.neuron1(self.norm1(self.conv1(x)))
        spikes = self.neuron2(self.norm2(self.conv2(spikes)))
        return self.connect(spikes, self.shortcut(x))


class SEWResNet(nn.Module):
    """`blocks` and `widths` per stage; every stage but the first halves the map. `large`: the stem for ImageNet.

    `(B, in_channels, H, W)` or frames `(T, B, in_channels, H, W)` -> logits `(B, classes)`.
    """

    def __init__(
        self,
        parts: Parts,
        blocks: tuple[int, ...],
        widths: tuple[int, ...],
        classes: int,
        in_channels: int = 3,
        large: bool = False,
        connect: Connect = "add",
    ) -> None:
        super().__init__()
        self.stem = large_stem(parts, in_channels, widths[0]) if large else _stem(parts, in_channels, widths[0])
        self.stages = stack(partial(Block, connect=connect), parts, blocks, widths, widths[0])
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.readout = parts.readout(widths[-1], classes, reencode=False)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.stages(self.stem(x)))
        logits: Tensor = self.readout(x.flatten(1))
        return logits


class SEWEventNet(nn.Module):
    """`widths`: the channels of each stage, which is one block with a pool behind it; `pooled`: edge of the last map.

    `(B, in_channels, H, W)` or frames `(T, B, in_channels, H, W)` -> logits `(B, classes)`.
    """

    def __init__(
        self,
        parts: Parts,
        widths: tuple[int, ...],
        classes: int,
        in_channels: int = 2,
        connect: Connect = "add",
        pooled: int = 1,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(*_stages(parts, widths, in_channels, connect))
        self.pool = nn.AdaptiveAvgPool2d(pooled)
        self.readout = parts.readout(widths[-1] * pooled**2, classes, reencode=False)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.readout(self.pool(self.features(x)).flatten(1))
        return logits


def _stages(parts: Parts, widths: tuple[int, ...], inputs: int, connect: Connect) -> Iterator[nn.Module]:
    first = True
    for outputs in widths:
        if first or inputs != outputs:
            layer = _projection(inputs, outputs, 1)
            yield _spiking(parts, parts.first(layer) if first else layer, outputs)
        yield Block(parts, outputs, outputs, 1, connect)
        yield parts.pool(2, ceil_mode=True)
        inputs, first = outputs, False


def _stem(parts: Parts, inputs: int, outputs: int) -> nn.Module:
    return _spiking(parts, parts.first(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)), outputs)


def _projection(inputs: int, outputs: int, stride: int) -> nn.Conv2d:
    kind = Projection if stride > 1 and inputs < LANES else nn.Conv2d
    return kind(inputs, outputs, 1, stride, bias=False)


def _spiking(parts: Parts, layer: nn.Module, outputs: int) -> nn.Sequential:
    """Return a layer with its norm and its neuron."""
    return nn.Sequential(layer, parts.norm(outputs), parts.neuron())
