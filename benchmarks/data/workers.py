"""Worker processes that read and decode files in parallel; their items arrive in order."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks.distributed import torchrun
from benchmarks.spec import BadInput


def workers() -> int:
    """Return the number of workers: `DSR_WORKERS`, by default one per core and at most 12. Results do not depend on it.

    0 means that the calling process reads the files itself. Raises BadInput if `DSR_WORKERS` is not a whole number.
    """
    requested = os.environ.get("DSR_WORKERS")
    if requested is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(1, min(12, cores // torchrun.size_here()))  # torchrun's processes share them
    if not requested.isdigit():
        raise BadInput(f"DSR_WORKERS must be a whole number, not {requested!r}")
    return int(requested)


def load_in_workers(items: Dataset[Any], **settings: Any) -> Iterator[Any]:
    """Yield the items, loaded by `workers()` processes; `settings` are further arguments of the `DataLoader`.

    A string in place of an item is its error message and is raised here as BadInput. An exception in a worker would
    print a page of traceback. Whoever consumes the items gets a RuntimeError, at any moment, if a worker is killed
    (`killed` says so).
    """
    parallel: dict[str, Any] = {"num_workers": workers(), "generator": torch.Generator()}
    parallel["worker_init_fn"] = _leave_the_group
    if parallel["num_workers"] and sys.platform == "linux":
        parallel["multiprocessing_context"] = "fork"  # a fork server fails inside a run's own process
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create")  # more than the cores: only if asked for
        loaded = iter(DataLoader(items, **parallel, **settings))
    for item in loaded:
        if isinstance(item, str):
            raise BadInput(item)
        yield item


def _leave_the_group(number: int) -> None:
    """Let Ctrl-C and other signals to a whole group reach the consumer alone, which ends the workers in order.

    A worker ends by itself within seconds if the consumer is killed.
    """
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)


def killed(error: RuntimeError) -> bool:
    """Whether an error says that a worker was killed."""
    return str(error).startswith("DataLoader worker")
