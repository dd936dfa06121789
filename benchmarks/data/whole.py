"""How large the official sets are: a part is never taken for the whole."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.catalogue.datasets import ENTRIES
from benchmarks.spec import BadInput

WHOLE: Mapping[str, tuple[int, int]] = {name: (entry.train, entry.test) for name, entry in ENTRIES.items()}
"""Numbers of training and test images, or recordings."""


def counted(train: int, test: int) -> str:
    """`50,000 + 10,000`"""
    return f"{train:,} + {test:,}"


def part_of(name: str, train: int, test: int) -> str:
    """Of how many this is a part; nothing for a whole set."""
    return "" if (train, test) == WHOLE.get(name, (train, test)) else counted(*WHOLE[name])


def demand(name: str, train: int, test: int) -> None:
    """Raise BadInput for a part of a set."""
    if of := part_of(name, train, test):
        raise BadInput(
            f"{name}: scales paper and short are of the whole set, {of}, and there are {counted(train, test)}; "
            "laptop and smoke take a part"
        )
