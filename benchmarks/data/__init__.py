"""Data sets by name: their readers, and `load(name, recipe)`, which returns checked splits, in memory if they fit.

Everything about a data set that needs no torch is in its entry in `benchmarks.catalogue.datasets`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.catalogue.datasets import ENTRIES, DataSet
from benchmarks.data import digits, imagenet, packed
from benchmarks.data.batches import evaluation_batches, training_batches
from benchmarks.data.events import camera, recordings
from benchmarks.data.events.frames import OnRecording, bytes_to_pack
from benchmarks.data.events.frames import packed as packed_frames
from benchmarks.data.inputs import Counts, Pixels
from benchmarks.data.splits import Arrays, Dataset, Split
from benchmarks.data.streamed import Streamed
from benchmarks.data.whole import demand
from benchmarks.spec import BadInput, Recipe, require

__all__ = [
    "DATASETS",
    "Dataset",
    "EventData",
    "ImageFiles",
    "Sizes",
    "Split",
    "Streamed",
    "evaluation_batches",
    "load",
    "packed",
    "published",
    "sizes",
    "to_pack",
    "training_batches",
]


class Sizes(NamedTuple):
    """Channels and edge (pixels) of what a network sees, and the number of images in each split."""

    channels: int
    edge: int
    train: int
    validation: int
    test: int


Check = Callable[[int, int], None]
"""Takes the numbers of training and test images, and raises BadInput if a recipe cannot use them."""


@dataclass(frozen=True)
class _Source:
    """How a data set's files are read; `entry` says everything else about it."""

    entry: DataSet

    @property
    def title(self) -> str:
        return self.entry.title


@dataclass(frozen=True)
class Images(_Source):
    """Images in memory; `head` says how many there are without reading them."""

    read: Callable[[], Arrays]
    inputs: Pixels
    head: Callable[[], packed.Head] | None = None

    def arrays(self, recipe: Recipe, frames: int, on_recording: OnRecording, check: Check) -> tuple[Arrays, Pixels]:
        arrays = self.read()
        check(len(arrays.train.labels), len(arrays.test.labels))
        return arrays, self.inputs.asked(recipe)


@dataclass(frozen=True)
class EventData(_Source):
    """Recordings of an event camera. A single frame is the mean over `inputs.frames` of them."""

    find: Callable[[Path], recordings.Recordings]
    inputs: Counts

    def sizes(self, recipe: Recipe, name: str, whole: bool) -> Sizes:
        """The sizes, without packing anything."""
        known = self.find(packed.root())
        _check(name, recipe, whole, len(known.train), len(known.test))
        limited = _limited(name, recipe, len(known.train), len(known.test))
        return Sizes(self.entry.channels, self.entry.edge, *limited)

    def arrays(self, recipe: Recipe, frames: int, on_recording: OnRecording, check: Check) -> tuple[Arrays, Counts]:
        known = self.find(packed.root())
        check(len(known.train), len(known.test))  # before anything is packed
        arrays = packed_frames(known, frames, self.entry.classes, on_recording)
        if frames > 1:
            return arrays, replace(self.inputs, frames=1)
        whole = [Split(split.images.squeeze(1), split.labels) for split in (arrays.train, arrays.test)]
        source = f"{arrays.source}, a mean over {self.inputs.frames}"
        return replace(arrays, train=whole[0], test=whole[1], source=source), self.inputs


@dataclass(frozen=True)
class ImageFiles(_Source):
    """Image files in `folder` of the data root, decoded when needed to squares of the entry's or the recipe's edge."""

    folder: str
    read: Callable[[Path, int | None, int], Arrays]
    inputs: Pixels

    def arrays(self, recipe: Recipe, frames: int, on_recording: OnRecording, check: Check) -> tuple[Arrays, Pixels]:
        edge = recipe.image_size or self.entry.edge
        arrays = self.read(packed.root() / self.folder, recipe.classes, edge)
        check(len(arrays.train.labels), len(arrays.test.labels))
        return arrays, self.inputs.asked(recipe)


def _packed(name: str, inputs: Pixels) -> Images:
    entry = ENTRIES[name]
    return Images(entry, partial(packed.read, name, entry.classes), inputs, partial(packed.head, name))


def _events(name: str, find: Callable[[Path], recordings.Recordings], frames: int) -> EventData:
    return EventData(ENTRIES[name], find, Counts(ENTRIES[name].edge, frames))


# Means and deviations of CIFAR are the released DSR code's. CIFAR10-DVS has 20 frames there; N-MNIST's 10 are ours.
DATASETS: Mapping[str, Images | EventData | ImageFiles] = {
    "digits": Images(ENTRIES["digits"], digits.read, Pixels((0.3053,), (0.3761,))),
    "cifar10": _packed("cifar10", Pixels((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))),
    "cifar100": _packed("cifar100", Pixels((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761))),
    "imagenet": ImageFiles(
        ENTRIES["imagenet"], "imagenet", imagenet.read, Pixels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    ),
    "nmnist": _events("nmnist", recordings.nmnist, 10),
    "cifar10dvs": _events("cifar10dvs", recordings.cifar10dvs, 20),
    "cifar10dvs-sim": _events("cifar10dvs-sim", camera.recordings, 20),
}


def load(
    name: str,
    recipe: Recipe,
    device: torch.device | str = "cpu",
    frames: int = 1,
    on_recording: OnRecording = lambda done, of: None,
    whole: bool = False,
) -> Dataset:
    """The splits a recipe asks for. Raises BadInput when the data are missing, damaged or too few.

    `frames`: T frames per recording of event data, or one; `on_recording` is called with the progress of packing them.
    `whole`: refuse a part of the data set.
    """
    check = partial(_check, name, recipe, whole)
    arrays, inputs = DATASETS[require(name, DATASETS, "dataset")].arrays(recipe, frames, on_recording, check)
    train, validation = _train_and_validation(arrays, name, recipe)
    return Dataset(
        name=name,
        classes=arrays.classes,
        train=train.to(device),
        validation=validation.to(device) if validation else None,
        test=_first(arrays.test, name, recipe).to(device),
        inputs=inputs,
        sha256=arrays.sha256,
        source=arrays.source,
    )


def sizes(name: str, recipe: Recipe, whole: bool = False) -> Sizes:
    """Sizes of what `load` would return, for a plan: packs nothing, and reads only the headers of packed images.

    Raises BadInput as `load` does, except for damage that only shows in the images.
    """
    dataset = DATASETS[require(name, DATASETS, "dataset")]
    if isinstance(dataset, EventData):
        return dataset.sizes(recipe, name, whole)
    if isinstance(dataset, Images) and dataset.head:
        channels, edge, available, tested = dataset.head()
        _check(name, recipe, whole, available, tested)
        return Sizes(channels, edge, *_limited(name, recipe, available, tested))
    data = load(name, recipe, whole=whole)
    held_out = len(data.validation.labels) if data.validation else 0
    return Sizes(data.channels, data.example.shape[-1], len(data.train.labels), held_out, len(data.test.labels))


def published(name: str, recipe: Recipe) -> Sizes:
    """What `sizes` would return for the official data set, for a plan made before it is downloaded."""
    entry = DATASETS[require(name, DATASETS, "dataset")].entry
    edge = recipe.image_size or entry.edge
    return Sizes(entry.channels, edge, *_limited(name, recipe, entry.train, entry.test))


def _limited(name: str, recipe: Recipe, train: int, test: int) -> tuple[int, int, int]:
    """Images for training, validation and testing, out of those available."""
    return _wanted(train, name, recipe), recipe.validation_images, _tested(test, name, recipe)


def to_pack(name: str, frames: int) -> int:
    """Bytes that `load` would first write to pack so many frames per recording; 0 if they are packed already."""
    dataset = DATASETS[name]
    return bytes_to_pack(dataset.find(packed.root()), frames) if isinstance(dataset, EventData) else 0


def _check(name: str, recipe: Recipe, whole: bool, train: int, test: int) -> None:
    """Raise BadInput for too few training or test images, and if `whole`, for a part of the data set."""
    if whole:
        demand(name, train, test)
    _wanted(train, name, recipe)
    _tested(test, name, recipe)


def _train_and_validation(
    arrays: Arrays, name: str, recipe: Recipe
) -> tuple[Split | Streamed, Split | Streamed | None]:
    """A subset is the head of one fixed shuffle, the same for every method and seed; validation images follow it."""
    count, held_out = _wanted(len(arrays.train.labels), name, recipe), recipe.validation_images
    if recipe.train_images is None and not held_out:
        return arrays.train, None
    order = _fixed_order(len(arrays.train.labels))
    train = arrays.train.take(order[:count])
    return train, arrays.train.take(order[count : count + held_out]) if held_out else None


def to_measure(data: Dataset, recipe: Recipe, count: int) -> Split | Streamed:
    """Training images whose first `count` cover all classes, for measuring activations.

    Recordings are ordered by class; a part of a data set, and a set of image files, are shuffled already.
    """
    whole = recipe.train_images is None and not recipe.validation_images
    if isinstance(data.train, Streamed) or not (whole and isinstance(DATASETS[data.name], EventData)):
        return data.train
    return data.train.take(_fixed_order(len(data.train.labels))[:count])


def _wanted(available: int, name: str, recipe: Recipe) -> int:
    """Number of training images. Raises BadInput if these and the held-out ones are more than available."""
    count, held_out = recipe.train_images or available, recipe.validation_images
    if count + held_out > available:
        raise BadInput(
            f"{name}: the recipe needs {count} + {held_out} training and validation images, "
            f"the training split has {available}"
        )
    return count


def _tested(available: int, name: str, recipe: Recipe) -> int:
    count = recipe.test_images or available
    if count > available:
        raise BadInput(f"{name}: the recipe needs {count} test images, the test split has {available}")
    return count


def _first(split: Split | Streamed, name: str, recipe: Recipe) -> Split | Streamed:
    count = _tested(len(split.labels), name, recipe)
    return split if recipe.test_images is None else split.take(_fixed_order(len(split.labels))[:count])


def _fixed_order(count: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(2022).permutation(count))
