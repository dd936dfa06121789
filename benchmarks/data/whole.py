"""Sizes of the official data sets, so that a part is never taken for the whole."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.catalogue.datasets import ENTRIES
from benchmarks.spec import BadInput

WHOLE: Mapping[str, tuple[int, int]] = {name: (entry.train, entry.test) for name, entry in ENTRIES.items()}
"""Numbers of training and test images or recordings. CIFAR10-DVS has no official split; 9 to 1 is DSR's."""


def counted(train: int, test: int) -> str:
    """`50,000 + 10,000`"""
    return f"{train:,} + {test:,}"


def part_of(name: str, train: int, test: int) -> str:
    """Return the size of the whole set if these images are only a part of it, else an empty string."""
    return "" if (train, test) == WHOLE.get(name, (train, test)) else counted(*WHOLE[name])


def demand(name: str, train: int, test: int) -> None:
    """Raise BadInput unless the set is whole."""
    if whole := part_of(name, train, test):
        raise BadInput(
            f"{name}: scales paper and short need the whole set, {whole} images, not {counted(train, test)}; "
            "laptop and smoke accept a part"
        )
