"""Processes that read and decode files for a run, several at a time; what they give arrives in order."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks.distributed import torchrun
from benchmarks.spec import BadInput


def workers() -> int:
    """How many: `DSR_WORKERS`, else one per core, at most 12; 0: the process that asks. It moves no result."""
    stated = os.environ.get("DSR_WORKERS")
    if stated is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(1, min(12, cores // torchrun.size_here()))  # torchrun's processes share them
    if not stated.isdigit():
        raise BadInput(f"DSR_WORKERS must be a whole number, not {stated!r}")
    return int(stated)


def shared_out(items: Dataset[Any], **how: Any) -> Iterator[Any]:
    """These items, loaded by so many processes; `how`: the loader's further settings.

    A text in place of an item says what is wrong with it and is raised as BadInput here: an exception from a worker
    would be a page long.
    """
    several: dict[str, Any] = {"num_workers": workers(), "generator": torch.Generator()}
    if several["num_workers"] and sys.platform == "linux":
        several["multiprocessing_context"] = "fork"  # in a run's own process a fork server fails
    for item in DataLoader(items, **several, **how):
        if isinstance(item, str):
            raise BadInput(item)
        yield item
