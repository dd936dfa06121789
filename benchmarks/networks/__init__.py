"""Networks by name, built from their entries in `benchmarks.catalogue.networks`.

A network is given its parts (neuron, norm, readout) and never knows whose they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import nn

from benchmarks.catalogue import networks
from benchmarks.networks.preact_resnet import PreActResNet
from benchmarks.networks.resnet import ResNet
from benchmarks.networks.sew_resnet import SEWEventNet, SEWResNet
from benchmarks.networks.vgg import VGG
from benchmarks.recipes import resolve
from benchmarks.spec import Recipe, Run, require

if TYPE_CHECKING:
    from benchmarks.networks.parts import Parts

Builder = Callable[["Parts", int, int], nn.Module]


def _builder(shape: networks.Shape) -> Builder:
    def build(parts: Parts, classes: int, in_channels: int) -> nn.Module:
        match shape:
            case networks.PreAct(blocks, widths, large):
                return PreActResNet(parts, blocks, widths, classes, in_channels, large)
            case networks.Plain(stem, blocks, widths, hidden):
                return ResNet(parts, stem, blocks, widths, classes, in_channels, hidden)
            case networks.VGG():
                return VGG(parts, shape, classes, in_channels)
            case networks.SEW(blocks, widths, large, connect):
                return SEWResNet(parts, blocks, widths, classes, in_channels, large, connect)
            case networks.SEWEvents(widths, connect):
                return SEWEventNet(parts, widths, classes, in_channels, connect)

    return build


NETWORKS: Mapping[str, Builder] = {name: _builder(entry.shape) for name, entry in networks.ENTRIES.items()}


def build(
    name: str,
    method: str,
    timesteps: int,
    classes: int,
    in_channels: int = 3,
    recipe: Recipe | None = None,
) -> nn.Module:
    """Make a freshly initialised network for a method.

    The network maps images `(B, C, H, W)`, or event frames `(T, B, C, H, W)`, to logits `(B, classes)`. Its weights are
    channels-last, as its inputs should be. Without a `recipe`, the parts have the published parameters for CIFAR-10 at
    this T. Raises BadInput for unknown names.
    """
    from benchmarks.methods import named, parts, with_precision  # builds on this package

    require(name, NETWORKS, "network")
    named(method)
    recipe = recipe or resolve(Run("cifar10", name, method, timesteps, 0, "paper"))
    network = NETWORKS[name](parts(method, timesteps, recipe), classes, in_channels)
    network = with_precision(network.to(memory_format=torch.channels_last), recipe)  # type: ignore[call-overload]
    return named(method).wrap(network, timesteps, recipe)
