"""What every data set says about itself; how its files are read is in `benchmarks.data`, under the same name.

[DSR] the paper and its released code; [ours] chosen by us.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from benchmarks.catalogue.facts import Family
from benchmarks.spec import SCALES, Augmentation, Scale

Kind = Literal["images", "files", "events"]


@dataclass(frozen=True)
class Part:
    """[ours] What a run at scale `laptop` or `workstation` trains on: images, epochs, batch and the epochs of warm-up.

    At scale `workstation` the warm-up is a share of the training (`recipes.scales`).
    """

    train: int
    validation: int
    epochs: int = 8
    batch: int = 64
    warmup_epochs: float = 0.5

    @property
    def warmup_iterations(self) -> int:
        return int(self.train // self.batch * self.warmup_epochs)


@dataclass(frozen=True)
class InPaper:
    """[DSR] The data set in the paper's Tab. 2: its name there, the network, T, and the families that DSR is above.

    `hybrid`: DSR is represented by hybrid training.
    """

    name: str
    network: str
    timesteps: int
    above: tuple[Family, ...] = ("surrogate gradient", "conversion")
    hybrid: bool = False


@dataclass(frozen=True)
class DataSet:
    """`title` is what listings print, `name` what sentences and table headings call it.

    `kind`: images in memory, image files that are decoded when needed, or recordings of an event camera. `channels` and
    `edge` (pixels) are those a network sees, unless a recipe has another edge. `train` and `test` are the sizes of the
    official splits, in images or recordings. `targets`: accuracies in percent per scale, rising, a little below what
    the better methods end at, to which tables count the cost of training.

    `workstation` and `laptop` are the parts that those scales train on; a set without the first has no such scale. At
    `whole_at_every_scale` every scale trains on all of it. Image files are cut down in `recipes.imagenet`.
    `augmentation` replaces the recipe's. `made_of` names the data set that this one is simulated from, `stands_for` the
    one that it simulates. `layout`: where files lie in the data root, if they are not packed arrays.
    """

    title: str
    name: str
    kind: Kind
    classes: int
    channels: int
    edge: int
    train: int
    test: int
    targets: Mapping[Scale, tuple[float, ...]]
    laptop: Part | None = None
    workstation: Part | None = None
    whole_at_every_scale: bool = False
    augmentation: Augmentation | None = None
    made_of: str | None = None
    stands_for: str | None = None
    layout: str = ""
    paper: InPaper | None = None

    @property
    def scales(self) -> tuple[Scale, ...]:
        """The scales at which a recipe fits this data set."""
        everywhere = self.whole_at_every_scale or self.workstation is not None
        return tuple(scale for scale in SCALES if scale != "workstation" or everywhere)


def _targets(
    paper: float, short: float, workstation: tuple[float, ...], laptop: float, smoke: float
) -> Mapping[Scale, tuple[float, ...]]:
    return {"paper": (paper,), "short": (short,), "workstation": workstation, "laptop": (laptop,), "smoke": (smoke,)}


CIFAR10DVS = DataSet(
    title="CIFAR10-DVS, CIFAR-10 before an event camera",
    name="CIFAR10-DVS",
    kind="events",
    classes=10,
    channels=2,
    edge=48,  # [DSR] resized
    train=9_000,  # no official split: 9 to 1 is DSR's
    test=1_000,
    targets=_targets(70.0, 60.0, (45.0,), 30.0, 15.0),
    laptop=Part(2_000, 500, epochs=20, batch=32, warmup_epochs=1),
    workstation=Part(8_000, 1_000, epochs=100, batch=128),
    augmentation="crop",
    layout="cifar10dvs/CIFAR10DVS/<class>/*.aedat4",
    paper=InPaper("DVS-CIFAR10", "vgg11", 20, above=("surrogate gradient",)),
)

ENTRIES: Mapping[str, DataSet] = {
    "digits": DataSet(
        title="8 x 8 handwritten digits, embedded in scikit-learn",
        name="embedded digits",
        kind="images",
        classes=10,
        channels=1,
        edge=8,
        train=1_437,
        test=360,
        targets=_targets(90.0, 90.0, (90.0,), 90.0, 90.0),
        laptop=Part(1_437, 0, epochs=10, warmup_epochs=1),  # the nineties at every T
        whole_at_every_scale=True,
        augmentation="none",
    ),
    "cifar10": DataSet(
        title="CIFAR-10",
        name="CIFAR-10",
        kind="images",
        classes=10,
        channels=3,
        edge=32,
        train=50_000,
        test=10_000,
        targets=_targets(93.0, 88.0, (80.0, 85.0), 45.0, 15.0),
        laptop=Part(10_000, 2_000),
        workstation=Part(45_000, 5_000, epochs=20, batch=128),
        paper=InPaper("CIFAR-10", "preact-resnet18", 20),
    ),
    "cifar100": DataSet(
        title="CIFAR-100",
        name="CIFAR-100",
        kind="images",
        classes=100,
        channels=3,
        edge=32,
        train=50_000,
        test=10_000,
        targets=_targets(70.0, 60.0, (45.0,), 15.0, 2.0),
        # the first 100 images of a class are a usual part; ten times the classes take longer
        laptop=Part(8_000, 2_000, epochs=20),
        workstation=Part(9_000, 1_000, epochs=100, batch=128),
        paper=InPaper("CIFAR-100", "preact-resnet18", 20),
    ),
    "imagenet": DataSet(
        title="ImageNet, or ten classes of it",
        name="ImageNet",
        kind="files",
        classes=1_000,
        channels=3,
        edge=224,
        train=1_281_167,
        test=50_000,
        targets=_targets(60.0, 40.0, (40.0,), 30.0, 15.0),
        augmentation="resized-crop-flip",
        layout="imagenet/{train,val}/<wnid>/*.JPEG",
        paper=InPaper("ImageNet", "preact-resnet18-imagenet", 50, above=("surrogate gradient",), hybrid=True),
    ),
    "nmnist": DataSet(
        title="N-MNIST, digits before an event camera",
        name="N-MNIST",
        kind="events",
        classes=10,
        channels=2,
        edge=34,
        train=60_000,
        test=10_000,
        targets=_targets(98.0, 95.0, (95.0,), 90.0, 20.0),
        # recordings are dear, and 1,100 of N-MNIST's are a usual part
        laptop=Part(800, 200, epochs=20, batch=32, warmup_epochs=1),
        workstation=Part(800, 200, epochs=100, batch=32),
        augmentation="none",  # [ours] digits are not shifted
        layout="nmnist/NMNIST/{Train,Test}/<digit>/*.bin",
    ),
    "cifar10dvs": CIFAR10DVS,
    "cifar10dvs-sim": replace(
        CIFAR10DVS,
        title="CIFAR-10 before a simulated event camera (not CIFAR10-DVS)",
        name="the simulated CIFAR10-DVS",
        layout="",
        made_of="cifar10",
        stands_for="cifar10dvs",
        paper=None,
    ),
}
EVENTS = tuple(name for name, entry in ENTRIES.items() if entry.kind == "events")
"""Data sets of recordings, of which a run sees frames."""
