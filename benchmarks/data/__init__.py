"""Data sets by name: `load(name, recipe)` gives whole splits in memory, checked; `batches` feeds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from benchmarks.data import digits, packed
from benchmarks.data.batches import evaluation_batches, training_batches
from benchmarks.data.splits import Arrays, Dataset, Split
from benchmarks.spec import BadInput, Recipe, require

__all__ = ["DATASETS", "Dataset", "Split", "evaluation_batches", "load", "training_batches"]


@dataclass(frozen=True)
class Source:
    """Where a data set comes from, and its per-channel mean and standard deviation (of pixels in [0, 1])."""

    title: str
    read: Callable[[], Arrays]
    mean: tuple[float, ...]
    std: tuple[float, ...]


# CIFAR constants: the released DSR code's.
DATASETS: Mapping[str, Source] = {
    "digits": Source("8 x 8 handwritten digits, embedded in scikit-learn", digits.read, (0.3053,), (0.3761,)),
    "cifar10": Source(
        "CIFAR-10", partial(packed.read, "cifar10", 10), (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
    ),
    "cifar100": Source(
        "CIFAR-100", partial(packed.read, "cifar100", 100), (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)
    ),
}


def load(name: str, recipe: Recipe, device: torch.device | str = "cpu") -> Dataset:
    """The splits a recipe asks for. Raises BadInput when the data are missing, damaged or too few."""
    source = DATASETS[require(name, DATASETS, "dataset")]
    arrays = source.read()
    train, validation = _train_and_validation(arrays, name, recipe)
    return Dataset(
        name=name,
        classes=arrays.classes,
        train=train.to(device),
        validation=validation.to(device) if validation else None,
        test=_first(arrays.test, recipe.test_images, name).to(device),
        mean=source.mean,
        std=source.std,
        sha256=arrays.sha256,
        source=arrays.source,
    )


def _train_and_validation(arrays: Arrays, name: str, recipe: Recipe) -> tuple[Split, Split | None]:
    """A subset is the head of one fixed shuffle, the same for every method and seed; validation images follow it."""
    count = recipe.train_images or len(arrays.train.labels)
    held_out = recipe.validation_images
    if count + held_out > len(arrays.train.labels):
        raise BadInput(
            f"{name}: the recipe needs {count} + {held_out} training and validation images, "
            f"the training split has {len(arrays.train.labels)}"
        )
    if recipe.train_images is None and not held_out:
        return arrays.train, None
    order = _fixed_order(len(arrays.train.labels))
    train = arrays.train.take(order[:count])
    return train, arrays.train.take(order[count : count + held_out]) if held_out else None


def _first(split: Split, count: int | None, name: str) -> Split:
    if count and count > len(split.labels):
        raise BadInput(f"{name}: the recipe needs {count} test images, the test split has {len(split.labels)}")
    return split if count is None else split.take(_fixed_order(len(split.labels))[:count])


def _fixed_order(count: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(2022).permutation(count))
