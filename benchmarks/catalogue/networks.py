"""What every network says about itself: its layers as numbers, and what else depends on which network it is.

Modules are built from these numbers in `benchmarks.networks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Widths = tuple[int, ...]


@dataclass(frozen=True)
class PreAct:
    """Pre-activation ResNet: blocks and channels per stage; `large_images`: with the stem for ImageNet."""

    blocks: tuple[int, ...]
    widths: Widths
    large_images: bool = False


@dataclass(frozen=True)
class Plain:
    """ResNet after He et al. 2015: channels of the stem, blocks and channels per stage, hidden units."""

    stem: int
    blocks: tuple[int, ...]
    widths: Widths
    hidden: Widths = ()


@dataclass(frozen=True)
class VGG:
    """Channels layer by layer, a pool behind each group; hidden units, dropout, and the edge of the last map."""

    groups: tuple[Widths, ...]
    hidden: Widths = ()
    dropout: float = 0.0
    pooled: int = 1


@dataclass(frozen=True)
class Biasless:
    """Channels layer by layer, a pool between groups; hidden units, dropout behind every layer; no biases.

    Convolutions start `gain` times as large as torch's.
    """

    groups: tuple[Widths, ...]
    hidden: Widths
    dropout: float = 0.0
    gain: float = 1.0


@dataclass(frozen=True)
class Feedback:
    """Channels and strides layer by layer; the last layer feeds back into the first. Dropout of currents."""

    widths: Widths
    strides: tuple[int, ...]
    dropout: float = 0.0


Shape = PreAct | Plain | VGG | Biasless | Feedback


@dataclass(frozen=True)
class Network:
    """`narrow_of` names the network of which this is the narrow form for two cores.

    `costly`: `dsr-bench check` leaves it out; a smaller network is made of the same blocks. `depth`: layers, in the
    paper's comparison of depths (Fig. 3b).
    """

    shape: Shape
    narrow_of: str | None = None
    costly: bool = False
    depth: int | None = None

    @property
    def feedback(self) -> bool:
        """Whether the last layer feeds back into the first, so that only methods that say so run on it."""
        return isinstance(self.shape, Feedback)


def _of_depth(depth: int) -> Network:
    """[DSR] Three stages of (depth - 2) / 6 blocks. The paper does not state the widths: He et al.'s are assumed."""
    return Network(PreAct(((depth - 2) // 6,) * 3, (16, 32, 64)), costly=depth > 56, depth=depth)


ENTRIES: Mapping[str, Network] = {
    "preact-resnet18": Network(PreAct((2, 2, 2, 2), (64, 128, 256, 512)), costly=True),
    "preact-resnet18-narrow": Network(PreAct((2, 2, 2, 2), (16, 32, 64, 128)), narrow_of="preact-resnet18"),
    # For the question whether width matters to DSR: half of PreAct-ResNet-18's.
    "preact-resnet18-32": Network(PreAct((2, 2, 2, 2), (32, 64, 128, 256)), costly=True),
    **{f"preact-resnet{depth}": _of_depth(depth) for depth in (20, 32, 44, 56, 110)},
    "preact-resnet-tiny": Network(PreAct((1, 1, 1), (8, 16, 32))),
    # With the stem for ImageNet; the narrow ones are ours.
    "preact-resnet18-imagenet": Network(PreAct((2, 2, 2, 2), (64, 128, 256, 512), large_images=True), costly=True),
    "preact-resnet18-imagenet-narrow": Network(
        PreAct((2, 2, 2, 2), (16, 32, 64, 128), large_images=True), narrow_of="preact-resnet18-imagenet"
    ),
    "preact-resnet-imagenet-tiny": Network(PreAct((1, 1, 1), (8, 16, 32), large_images=True)),
    # Zheng et al. 2021: a stem of 64 channels, three blocks of 128, three of 256, two of 512, 256 hidden units.
    "resnet19": Network(Plain(64, (3, 3, 2), (128, 256, 512), hidden=(256,))),
    # Bu et al. 2022 convert these two and vgg16.
    "resnet18": Network(Plain(64, (2, 2, 2, 2), (64, 128, 256, 512))),
    "resnet20": Network(Plain(16, (3, 3, 3), (16, 32, 64))),
    # DSR's network for DVS-CIFAR10; the narrow one is ours, for laptops.
    "vgg11": Network(VGG(((64,), (128,), (256,) * 2, (512,) * 2, (512,) * 2), dropout=0.1, pooled=7), costly=True),
    "vgg11-narrow": Network(
        VGG(((16,), (32,), (64,) * 2, (128,) * 2, (128,) * 2), dropout=0.1, pooled=7), narrow_of="vgg11"
    ),
    "vgg16": Network(VGG(((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3), hidden=(4096, 4096)), costly=True),
    # Zhang & Li 2020: layers as their README has them. No file of this network is released: biases, start and dropout
    # are those of their smaller one.
    "cifarnet-tssl": Network(
        Biasless(((128, 256), (512,), (1024, 512)), hidden=(1024, 512), dropout=0.2, gain=5.0), costly=True
    ),
    "cifarnet-tssl-narrow": Network(
        Biasless(((16, 32), (64,), (128, 64)), hidden=(128, 64), dropout=0.2, gain=5.0), narrow_of="cifarnet-tssl"
    ),
    "cifarnet-tssl-tiny": Network(Biasless(((16,), (16,)), hidden=(64,), gain=5.0)),
    # Xiao et al. 2021, as released (cifar_cifarnetf.py); the narrow ones are ours.
    "cifarnet-f": Network(Feedback((128, 256, 512, 1024, 512), (2, 1, 2, 1, 1), dropout=0.2), costly=True),
    "cifarnet-f-narrow": Network(Feedback((16, 32, 64, 128, 64), (2, 1, 2, 1, 1), dropout=0.2), narrow_of="cifarnet-f"),
    "cifarnet-f-tiny": Network(Feedback((8, 16, 16), (2, 2, 1), dropout=0.2)),
}
LAYERS: Mapping[str, int] = {name: network.depth for name, network in ENTRIES.items() if network.depth}
"""[DSR] The networks of Fig. 3b and their depths."""
DEEP = tuple(LAYERS)


WITH_FEEDBACK = tuple(name for name, network in ENTRIES.items() if network.feedback)


def full(network: str) -> str:
    """The network of which this is the narrow form; any other network itself."""
    entry = ENTRIES.get(network)
    return entry.narrow_of if entry and entry.narrow_of else network


def narrow(network: str) -> str | None:
    """The narrow form of a network; None if it has none."""
    return next((name for name, entry in ENTRIES.items() if entry.narrow_of == network), None)
