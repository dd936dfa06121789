"""Pre-activation ResNet as DSR builds it: any depth and width of the family.

    block(x):  a = neuron(norm(x));  conv(neuron(norm(conv(a)))) + shortcut(a)

Other than in He et al. 2016 the shortcut starts after norm and neuron in every block, so that it carries spikes, and
the first convolution is followed by no norm of its own. Convolutions inside blocks have biases, the first has none.

For ImageNet the stem is a 7 x 7 convolution with stride 2, norm, neuron and an average pool with stride 2; no
convolution has a bias, and a 1 x 1 shortcut is followed by a norm.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from benchmarks.networks.parts import LANES, Parts, Projection, initialise, large_stem, stack


class Block(nn.Module):
    """Two 3 x 3 convolutions, each after norm and neuron; identity or 1 x 1 shortcut.

    `biases`: whether convolutions have biases (CIFAR), or none and the shortcut's is followed by a norm (ImageNet).
    """

    def __init__(self, parts: Parts, inputs: int, outputs: int, stride: int, biases: bool = True) -> None:
        super().__init__()
        self.norm1 = parts.norm(inputs)
        self.neuron1 = parts.neuron()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=biases)
        self.norm2 = parts.norm(outputs)
        self.neuron2 = parts.neuron()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=biases)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else _projection(parts, inputs, outputs, stride, biases)

    def forward(self, x: Tensor) -> Tensor:
        spikes = self.neuron1(self.norm1(x))
        current = self.conv1(spikes)
        current = self.conv2(self.neuron2(self.norm2(current)))
        return current + self.shortcut(spikes)


class PreActResNet(nn.Module):
    """`blocks` and `widths` per stage; every stage but the first halves the map. `large`: the stem for ImageNet."""

    def __init__(
        self,
        parts: Parts,
        blocks: tuple[int, ...],
        widths: tuple[int, ...],
        classes: int,
        in_channels: int = 3,
        large: bool = False,
    ) -> None:
        super().__init__()
        self.stem = large_stem(parts, in_channels, widths[0]) if large else _stem(parts, in_channels, widths[0])
        self.stages = stack(partial(Block, biases=not large), parts, blocks, widths, widths[0])
        self.norm = parts.norm(widths[-1])
        self.neuron = parts.neuron()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.readout = parts.readout(widths[-1], classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(self.stem(x))
        x = self.pool(self.neuron(self.norm(x)))
        logits: Tensor = self.readout(x.flatten(1))
        return logits


def _projection(parts: Parts, inputs: int, outputs: int, stride: int, biases: bool) -> nn.Module:
    kind = Projection if inputs < LANES else nn.Conv2d
    projection = kind(inputs, outputs, 1, stride, bias=biases)
    return projection if biases else nn.Sequential(projection, parts.norm(outputs))


def _stem(parts: Parts, inputs: int, outputs: int) -> nn.Module:
    return parts.first(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False))
