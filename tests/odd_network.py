"""A small network that holds all an engine has to understand, its input, and its gradients."""

from __future__ import annotations

import torch
from invented_spikes import KINDS, NEURONS, STEPS, seeded
from torch import Tensor, nn
from torch.nn import functional as F

import dsr
from benchmarks.networks.parts import DirectCoding, Parts
from benchmarks.networks.sew_resnet import SEWResNet


class Odd(nn.Module):
    """What a network may hold: pools, two norms added, a shortcut, a grouped convolution, a neuron without a norm."""

    def __init__(self, neuron) -> None:
        super().__init__()
        self.stem = DirectCoding(nn.Conv2d(3, 6, 3, padding=1), STEPS)
        self.norm0, self.neuron0 = nn.BatchNorm2d(6), neuron()
        self.conv1, self.norm1 = nn.Conv2d(6, 10, 3, stride=2, padding=1), nn.BatchNorm2d(10)
        self.conv2, self.norm2 = nn.Conv2d(6, 10, 1, stride=2, bias=False), nn.BatchNorm2d(10)
        self.neuron1 = neuron()
        self.grouped, self.neuron2 = nn.Conv2d(10, 10, 3, padding=1, groups=2), neuron()
        self.conv3, self.norm3, self.neuron3 = nn.Conv2d(10, 10, 3, padding=1), nn.BatchNorm2d(10), neuron()
        self.pool, self.whole = nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1)
        self.readout = dsr.Readout(10, 5, neuron)

    def forward(self, x: Tensor) -> Tensor:
        x = self.neuron0(self.norm0(self.stem(x)))
        x = self.neuron1(self.norm1(self.conv1(x)) + self.norm2(self.conv2(x)))
        x = self.neuron2(self.grouped(x))
        x = self.neuron3(self.norm3(self.conv3(x) + x))
        return self.readout(self.whole(self.pool(x)).flatten(1))


def odd(kind: str) -> Odd:
    torch.manual_seed(0)
    return Odd(NEURONS[KINDS.index(kind)])


def sew(kind: str) -> SEWResNet:
    """Blocks that add spikes: convolutions of sums of up to three, and of spikes of several heights."""
    torch.manual_seed(0)
    neuron = NEURONS[KINDS.index(kind)]

    def norm(features: int, branches: int = 1) -> nn.Module:
        return nn.BatchNorm2d(features)

    parts = Parts(STEPS, neuron, norm, lambda f, c, reencode=True: dsr.Readout(f, c, neuron, reencode))
    network = SEWResNet(parts, (2, 1), (6, 10), 5)
    for number, module in enumerate(m for m in network.modules() if isinstance(m, dsr.IF | dsr.LIF)):
        module.threshold.data.mul_(1 + 0.05 * number)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.constant_(module.bias, 0.4)  # else it is silent with other statistics than the batch's
    return network


def images(frames: bool) -> tuple[Tensor, Tensor]:
    shape = (STEPS, 7, 3, 8, 8) if frames else (7, 3, 8, 8)
    return seeded(*shape) * 2, torch.arange(7) % 5


def gradients(network: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    logits = network(x)
    F.cross_entropy(logits, y).backward()
    return logits.detach(), {name: p.grad for name, p in network.named_parameters()}
