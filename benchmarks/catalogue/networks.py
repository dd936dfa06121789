"""What every network says about itself: its layers as numbers, and what else depends on which network it is.

Modules are built from these numbers in `benchmarks.networks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from benchmarks.spec import require

Widths = tuple[int, ...]
Connect = Literal["add", "and", "iand"]
"""How a SEW block joins the spikes of its branches (`benchmarks.networks.sew_resnet`)."""


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
    """Channels layer by layer, a pool behind each group; hidden units, dropout, and the edge of the last map.

    `last_pool`: whether one is behind the last group, too. `strided`: there are no pools; every group but the first
    begins with a stride of 2. `dropout` is that of convolutions' outputs, in front of a pool, or behind it where
    `dropped_behind_pools`, or not at a pool where `pools_undropped`; `hidden_dropout` acts in front of each fully
    connected layer, the classifier included. `hidden_norms`: hidden layers have norms, as convolutions have. `biases`:
    of convolutions and hidden layers. `plain_start`: torch's default initial weights. `gain`: convolutions start so
    many times as large as torch's, fully connected layers normal by Kaiming's rule. `unpadded_last`: the last
    convolution has no padding.
    """

    groups: tuple[Widths, ...]
    hidden: Widths = ()
    dropout: float = 0.0
    pooled: int = 1
    last_pool: bool = True
    strided: bool = False
    pools_undropped: bool = False
    dropped_behind_pools: bool = False
    hidden_dropout: tuple[float, ...] = ()
    hidden_norms: bool = False
    biases: bool = True
    plain_start: bool = False
    unpadded_last: bool = False
    gain: float | None = None


@dataclass(frozen=True)
class Feedback:
    """Channels and strides layer by layer; the last layer feeds back into the first. Dropout of currents."""

    widths: Widths
    strides: tuple[int, ...]
    dropout: float = 0.0


@dataclass(frozen=True)
class SEW:
    """SEW ResNet: blocks and channels per stage; `large_images`: with the stem for ImageNet."""

    blocks: tuple[int, ...]
    widths: Widths
    large_images: bool = False
    connect: Connect = "add"


@dataclass(frozen=True)
class SEWEvents:
    """SEW network for event data: channels stage by stage, a block and a pool each."""

    widths: Widths
    connect: Connect = "add"


Shape = PreAct | Plain | VGG | Feedback | SEW | SEWEvents


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


def _sew(name: str, blocks: tuple[int, ...]) -> Mapping[str, Network]:
    """A SEW ResNet and its narrow form, each with the stem for small images and with that for ImageNet."""
    wide, narrow, found = (64, 128, 256, 512), (16, 32, 64, 128), dict[str, Network]()
    for full, large in ((name, False), (f"{name}-imagenet", True)):
        found[full] = Network(SEW(blocks, wide, large), costly=True)
        found[f"{full}-narrow"] = Network(SEW(blocks, narrow, large), narrow_of=full, costly=True)
    return found


def _cifarnet(groups: tuple[Widths, ...], hidden: Widths) -> VGG:
    """Wu et al. (STBP), as released: average pools, dropout on the inputs of all layers but the first and the last.

    Theirs has no norm between convolution and neuron; here that is the method's. Biases and torch's start.
    """
    return VGG(
        groups,
        hidden,
        dropout=0.5,
        pooled=8,
        last_pool=False,
        dropped_behind_pools=True,
        hidden_dropout=(0.0, 0.5, 0.0),
        plain_start=True,
    )


def _plif(groups: tuple[Widths, ...], hidden: int, pooled: int, dropout: tuple[float, ...]) -> VGG:
    """Fang et al. 2021 (PLIF), as released, without biases; theirs has maxima, which here are the method's pool.

    [ours] How their weights start is not in our sources: as torch's do. Their network for CIFAR10-DVS sees 128 x 128
    pixels, and its last map is 8 x 8; that of this suite's frames of 48 x 48 is 3 x 3.
    """
    return VGG(groups, (hidden,), pooled=pooled, hidden_dropout=dropout, biases=False, plain_start=True)


def _cq(widths: Widths) -> VGG:
    """Yan et al. 2021 (CQ training), their VGG-*: its last convolution turns 4 x 4 pixels into 2 x 2.

    [ours] Where its dropout stands and how its weights start is not in our sources: behind neurons, and as torch's do.
    """
    first, second, third, last = widths
    groups = ((first,) * 2, (second,) * 2, (third,) * 2, (last,))
    return VGG(groups, dropout=0.15, plain_start=True, unpadded_last=True)


def _tandem(groups: tuple[Widths, ...], hidden: int) -> VGG:
    """Wu et al. 2021 (Tandem learning), as released: their "CIFARNet", which is another network in nearly every paper.

    Two of five convolutions have a stride of 2; norms everywhere but on the logits; torch's start.
    """
    return VGG(
        groups, (hidden,), pooled=8, strided=True, hidden_dropout=(0.0, 0.2), hidden_norms=True, plain_start=True
    )


def _rathi(groups: tuple[Widths, ...], hidden: int, pooled: int, dropout: float) -> VGG:
    """Rathi et al., as released with DIET-SNN and with hybrid training: average pools, no biases, their ANNs' dropout.

    Theirs have no norm between convolution and neuron; here that is the method's.
    """
    return VGG(
        groups,
        (hidden, hidden),
        dropout,
        pooled,
        last_pool=False,
        pools_undropped=True,
        hidden_dropout=(0.0, 0.5, 0.5),
        biases=False,
    )


def _tssl(name: str, groups: tuple[Widths, ...], hidden: Widths) -> Mapping[str, Network]:
    """Zhang and Li 2020 (TSSL-BP): layers as their README has them, and a narrow form of ours.

    No file of this network is released: that it has no biases, how it starts and what it drops is their smaller one's.
    """
    shapes = [
        VGG(
            tuple(tuple(width // part for width in group) for group in groups),
            tuple(width // part for width in hidden),
            dropout=0.2,
            pooled=8,
            last_pool=False,
            dropped_behind_pools=True,
            hidden_dropout=(0.0, 0.2, 0.2),
            biases=False,
            gain=5.0,
        )
        for part in (1, 8)
    ]
    return {name: Network(shapes[0], costly=True), f"{name}-narrow": Network(shapes[1], narrow_of=name)}


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
    "cifarnet": Network(_cifarnet(((128, 256), (512,), (1024, 512)), (1024, 512)), costly=True),
    "cifarnet-narrow": Network(_cifarnet(((16, 32), (64,), (128, 64)), (128, 64)), narrow_of="cifarnet"),
    "plif-cifar10": Network(_plif(((256,) * 3,) * 2, 2048, 8, (0.5, 0.0)), costly=True),
    "plif-cifar10-narrow": Network(_plif(((32,) * 3,) * 2, 256, 8, (0.5, 0.0)), narrow_of="plif-cifar10"),
    "plif-dvs": Network(_plif(((128,),) * 4, 2048, 3, (0.5, 0.5)), costly=True),
    "plif-dvs-narrow": Network(_plif(((32,),) * 4, 256, 3, (0.5, 0.5)), narrow_of="plif-dvs"),
    "cq-vgg": Network(_cq((128, 256, 512, 1024)), costly=True),
    "cq-vgg-narrow": Network(_cq((16, 32, 64, 128)), narrow_of="cq-vgg"),
    "cifarnet-tandem": Network(_tandem(((128,), (256,), (512, 1024, 512)), 1024), costly=True),
    "cifarnet-tandem-narrow": Network(_tandem(((32,), (64,), (128, 256, 128)), 256), narrow_of="cifarnet-tandem"),
    # Wu et al. 2021 (ASF-BP), as released; its pools are the method's
    "vgg7": Network(VGG(((64,) * 2, (128,) * 3), hidden=(1024,), pooled=8, biases=False), costly=True),
    "vgg7-narrow": Network(VGG(((16,) * 2, (32,) * 3), hidden=(256,), pooled=8, biases=False), narrow_of="vgg7"),
    # Xiao et al. 2022 (OTTT), as released: average pools behind three groups of four, a global one behind the last.
    "ottt-vgg11": Network(VGG(((64, 128), (256,) * 2, (512,) * 2, (512,) * 2), last_pool=False), costly=True),
    "ottt-vgg11-narrow": Network(
        VGG(((16, 32), (64,) * 2, (128,) * 2, (128,) * 2), last_pool=False), narrow_of="ottt-vgg11"
    ),
    "vgg16": Network(VGG(((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3), hidden=(4096, 4096)), costly=True),
    "diet-vgg16": Network(
        _rathi(((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3), 4096, 2, 0.2), costly=True
    ),
    "diet-vgg16-narrow": Network(
        _rathi(((16, 16), (32, 32), (64,) * 3, (128,) * 3, (128,) * 3), 512, 2, 0.2), narrow_of="diet-vgg16"
    ),
    "hybrid-vgg11": Network(_rathi(((64,), (128, 256, 256), (512,) * 3, (512,) * 2), 1024, 4, 0.3), costly=True),
    "hybrid-vgg11-narrow": Network(
        _rathi(((16,), (32, 64, 64), (128,) * 3, (128,) * 2), 128, 4, 0.3), narrow_of="hybrid-vgg11"
    ),
    **_tssl("cifarnet-tssl", ((128, 256), (512,), (1024, 512)), (1024, 512)),
    "cifarnet-tssl-tiny": Network(VGG(((16,), (16,)), (64,), pooled=8, last_pool=False, biases=False, gain=5.0)),
    # Xiao et al. 2021, as released (cifar_cifarnetf.py); the narrow ones are ours.
    "cifarnet-f": Network(Feedback((128, 256, 512, 1024, 512), (2, 1, 2, 1, 1), dropout=0.2), costly=True),
    "cifarnet-f-narrow": Network(Feedback((16, 32, 64, 128, 64), (2, 1, 2, 1, 1), dropout=0.2), narrow_of="cifarnet-f"),
    "cifarnet-f-tiny": Network(Feedback((8, 16, 16), (2, 2, 1), dropout=0.2)),
    # Fang et al. 2021: with the stem for ImageNet, and for CIFAR10-DVS. The stem for small images, narrow and tiny ones
    # are ours.
    **_sew("sew-resnet18", (2, 2, 2, 2)),
    **_sew("sew-resnet34", (3, 4, 6, 3)),
    "sew-resnet-tiny": Network(SEW((2, 1, 1), (8, 16, 32))),
    "sew-resnet-imagenet-tiny": Network(SEW((1, 1, 1), (8, 16, 32), large_images=True)),
    "sew-dvs": Network(SEWEvents((64,) * 4 + (128,) * 3), costly=True),
    "sew-dvs-narrow": Network(SEWEvents((16,) * 4 + (32,) * 3), narrow_of="sew-dvs"),
}
LAYERS: Mapping[str, int] = {name: network.depth for name, network in ENTRIES.items() if network.depth}
"""[DSR] The networks of Fig. 3b and their depths."""
DEEP = tuple(LAYERS)
TINY = ("preact-resnet-tiny", "cifarnet-f-tiny")
"""Where methods are checked (`dsr-bench check`, `dsr-bench regression`)."""
WITH_FEEDBACK = tuple(name for name, network in ENTRIES.items() if network.feedback)


def full(network: str) -> str:
    """The network of which this is the narrow form; any other network itself."""
    entry = ENTRIES.get(network)
    return entry.narrow_of if entry and entry.narrow_of else network


def narrow(network: str) -> str | None:
    """The narrow form of a network; None if it has none."""
    return next((name for name, entry in ENTRIES.items() if entry.narrow_of == network), None)


def neurons_in_series(network: str) -> tuple[int, int]:
    """How many layers of neurons are on the shortest and on the longest way from image to logits.

    Not counted are neurons of a method's head. Raises BadInput for an unknown network.
    """
    match ENTRIES[require(network, ENTRIES, "network")].shape:
        case PreAct(blocks, _, large):
            always, shortcuts, residual = 1 + large, sum(blocks), sum(blocks)
        case Plain(_, blocks, _, hidden):
            always, shortcuts, residual = 1 + len(hidden), sum(blocks), sum(blocks)
        case VGG(groups, hidden):
            always, shortcuts, residual = sum(map(len, groups)) + len(hidden), 0, 0
        case SEW(blocks, _):  # neurons on shortcuts that change the map, and only there
            always, shortcuts, residual = 1, len(blocks) - 1, sum(blocks)
        case SEWEvents(widths):
            always, shortcuts, residual = len(list(groupby(widths))), 0, len(widths)
        case Feedback(widths):
            always, shortcuts, residual = len(widths), 0, 0
    return always + shortcuts, always + 2 * residual
