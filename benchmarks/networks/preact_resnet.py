"""Pre-activation ResNet as DSR builds it: any depth and width of the family.

    block(x):  a = neuron(norm(x));  conv(neuron(norm(conv(a)))) + shortcut(a)

Other than in He et al. 2016 the shortcut starts after norm and neuron in every block, so that it carries spikes, and
the first convolution is followed by no norm of its own. Convolutions inside blocks have biases, the first has none.
"""

from __future__ import annotations

from torch import Tensor, nn

from benchmarks.networks.parts import DirectCoding, Parts, initialise, stack


class Block(nn.Module):
    """Two 3 x 3 convolutions, each after norm and neuron; identity or 1 x 1 shortcut (no norm on it)."""

    def __init__(self, parts: Parts, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.norm1 = parts.norm(inputs)
        self.neuron1 = parts.neuron()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1)
        self.norm2 = parts.norm(outputs)
        self.neuron2 = parts.neuron()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        spikes = self.neuron1(self.norm1(x))
        current = self.conv1(spikes)
        current = self.conv2(self.neuron2(self.norm2(current)))
        return current + self.shortcut(spikes)


class PreActResNet(nn.Module):
    """`blocks` and `widths` per stage; every stage but the first halves the map. 3 x 3 first convolution (CIFAR)."""

    def __init__(
        self, parts: Parts, blocks: tuple[int, ...], widths: tuple[int, ...], classes: int, in_channels: int = 3
    ) -> None:
        super().__init__()
        stem = nn.Conv2d(in_channels, widths[0], 3, padding=1, bias=False)
        self.stem = DirectCoding(stem, parts.timesteps)
        self.stages = stack(Block, parts, blocks, widths, widths[0])
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
