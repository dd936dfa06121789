"""Residual networks with the neuron after the addition (He et al., CVPR 2016), for 32 x 32 images.

    block(x):  neuron( norm(conv(neuron(norm(conv(x))))) + shortcut(x) )

The shortcut is the identity where shapes agree, else a strided 1 x 1 convolution with a norm. Both branches of an
addition tell their norm so (`branches=2`): tdBN scales them by 1 / sqrt(2); an identity is not scaled. No convolution
has a bias. ResNet-19 (Zheng et al. 2021) has a hidden fully connected layer with a neuron before its classifier.
"""

from __future__ import annotations

from torch import Tensor, nn

from benchmarks.networks.parts import Parts, hidden_layers, initialise, stack


class Block(nn.Module):
    """Two 3 x 3 convolutions and a shortcut, added as currents."""

    def __init__(self, parts: Parts, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = parts.norm(outputs)
        self.neuron1 = parts.neuron()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = parts.norm(outputs, branches=2)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else _projection(parts, inputs, outputs, stride)
        self.neuron2 = parts.neuron()

    def forward(self, x: Tensor) -> Tensor:
        current = self.norm2(self.conv2(self.neuron1(self.norm1(self.conv1(x)))))
        spikes: Tensor = self.neuron2(current + self.shortcut(x))
        return spikes


class ResNet(nn.Module):
    """`blocks` and `widths` per stage, all but the first halving the map; `hidden` widths before the classifier.

    `(B, in_channels, H, W)` or frames `(T, B, in_channels, H, W)` -> logits `(B, classes)`.
    """

    def __init__(
        self,
        parts: Parts,
        stem: int,
        blocks: tuple[int, ...],
        widths: tuple[int, ...],
        classes: int,
        in_channels: int = 3,
        hidden: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.stem = parts.first(nn.Conv2d(in_channels, stem, 3, padding=1, bias=False))
        self.norm = parts.norm(stem)
        self.neuron = parts.neuron()
        self.stages = stack(Block, parts, blocks, widths, stem)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.hidden = hidden_layers(parts, widths[-1], hidden)
        self.readout = parts.readout((*widths, *hidden)[-1], classes, reencode=False)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(self.neuron(self.norm(self.stem(x))))
        logits: Tensor = self.readout(self.hidden(self.pool(x).flatten(1)))
        return logits


def _projection(parts: Parts, inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), parts.norm(outputs, branches=2))
