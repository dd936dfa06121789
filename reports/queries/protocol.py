"""A published protocol: where a row was published, and what it was made with beyond a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.spec import Run

CIFAR = ("cifar10", "cifar100")
WARM_UP = "warmup_iterations"
SCHEDULE = ("epochs", "batch_size", "learning_rate", "momentum", "weight_decay", WARM_UP, "augmentation", "optimizer")
EPOCH_UNKNOWN = "not stated; its code prints the best"
BEST_ON_TEST = "the best on the test split"

Beyond = tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Protocol:
    """Where it is published, and what with. `run` has the method whose recipe at scale `paper` it is.

    `networks`, `timesteps`: those that are published; empty where not known or without meaning. `seeds`: how many the
    row is a mean of, None where not known. `has_row`: whether the DSR paper has a row for the method itself.
    `epoch`: which epoch is reported. `unstated`: what the publication leaves open, and what is done here. `beyond`:
    what no recipe says and is done differently, there and here. `borrowed`: fields of the recipe that are DSR's
    because the publication's own are not known, or not in the suite. `known`: those that the publication states.
    """

    where: str
    run: Run
    networks: tuple[str, ...]
    timesteps: tuple[int, ...]
    seeds: int | None = None
    has_row: bool = False
    epoch: str = "not known here"
    unstated: tuple[tuple[str, str], ...] = ()
    beyond: Beyond = ()
    borrowed: tuple[str, ...] = ()
    known: Mapping[str, Any] = field(default_factory=dict)
