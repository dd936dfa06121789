"""Networks by name. A network is given its parts (neuron, norm, readout) and never knows whose they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from torch import nn

from benchmarks.networks.preact_resnet import PreActResNet
from benchmarks.networks.resnet import ResNet
from benchmarks.networks.vgg import VGG
from benchmarks.recipes import resolve
from benchmarks.spec import Recipe, Run, require

if TYPE_CHECKING:
    from benchmarks.networks.parts import Parts

Builder = Callable[["Parts", int, int], nn.Module]


def _preact(blocks: tuple[int, ...], widths: tuple[int, ...], large: bool = False) -> Builder:
    def build(parts: Parts, classes: int, in_channels: int) -> nn.Module:
        return PreActResNet(parts, blocks, widths, classes, in_channels, large)

    return build


def _resnet(stem: int, blocks: tuple[int, ...], widths: tuple[int, ...], hidden: tuple[int, ...] = ()) -> Builder:
    def build(parts: Parts, classes: int, in_channels: int) -> nn.Module:
        return ResNet(parts, stem, blocks, widths, classes, in_channels, hidden)

    return build


def _vgg(*groups: tuple[int, ...], hidden: tuple[int, ...] = (), dropout: float = 0.0, pooled: int = 1) -> Builder:
    def build(parts: Parts, classes: int, in_channels: int) -> nn.Module:
        return VGG(parts, groups, classes, in_channels, hidden, dropout, pooled)

    return build


NETWORKS: Mapping[str, Builder] = {
    "preact-resnet18": _preact((2, 2, 2, 2), (64, 128, 256, 512)),
    "preact-resnet18-narrow": _preact((2, 2, 2, 2), (16, 32, 64, 128)),
    # Fig. 3b. Three stages of (depth - 2) / 6 blocks; the paper does not state the widths: He et al.'s are assumed.
    **{f"preact-resnet{depth}": _preact(((depth - 2) // 6,) * 3, (16, 32, 64)) for depth in (20, 32, 44, 56, 110)},
    "preact-resnet-tiny": _preact((1, 1, 1), (8, 16, 32)),
    # With the stem for ImageNet; the narrow ones are ours.
    "preact-resnet18-imagenet": _preact((2, 2, 2, 2), (64, 128, 256, 512), large=True),
    "preact-resnet18-imagenet-narrow": _preact((2, 2, 2, 2), (16, 32, 64, 128), large=True),
    "preact-resnet-imagenet-tiny": _preact((1, 1, 1), (8, 16, 32), large=True),
    # Zheng et al. 2021: a stem of 64 channels, three blocks of 128, three of 256, two of 512, 256 hidden units.
    "resnet19": _resnet(64, (3, 3, 2), (128, 256, 512), hidden=(256,)),
    # Bu et al. 2022 convert these three.
    "resnet18": _resnet(64, (2, 2, 2, 2), (64, 128, 256, 512)),
    "resnet20": _resnet(16, (3, 3, 3), (16, 32, 64)),
    # DSR's network for DVS-CIFAR10.
    "vgg11": _vgg((64,), (128,), (256, 256), (512, 512), (512, 512), dropout=0.1, pooled=7),
    "vgg11-narrow": _vgg((16,), (32,), (64, 64), (128, 128), (128, 128), dropout=0.1, pooled=7),  # ours, for laptops
    "vgg16": _vgg((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3, hidden=(4096, 4096)),
}


def build(
    name: str,
    method: str,
    timesteps: int,
    classes: int,
    in_channels: int = 3,
    recipe: Recipe | None = None,
) -> nn.Module:
    """Make a freshly initialised network for a method.

    The network maps images `(B, C, H, W)`, or event frames `(T, B, C, H, W)`, to logits `(B, classes)`. Without a
    `recipe`, the parts have the published parameters for CIFAR-10 at this T. Raises BadInput for unknown names.
    """
    from benchmarks.methods import named, parts  # builds on this package

    require(name, NETWORKS, "network")
    named(method)
    recipe = recipe or resolve(Run("cifar10", name, method, timesteps, 0, "paper"))
    network = NETWORKS[name](parts(method, timesteps, recipe), classes, in_channels)
    return named(method).wrap(network, timesteps, recipe)
