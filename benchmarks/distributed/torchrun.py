"""Reads torchrun's environment variables: whether torchrun started this process, and its rank among the others.

Batch systems and scripts set `RANK`, `WORLD_SIZE` and `LOCAL_RANK` too. These variables count only together with
torchrun's own. Without those, this process is alone, and a `WORLD_SIZE` above 1 is refused. Standard library only,
because the command line calls this before it imports anything.
"""

from __future__ import annotations

import os

from benchmarks.spec import BadInput

OWN = ("TORCHELASTIC_RUN_ID", "TORCHELASTIC_USE_AGENT_STORE")
"""Variables that torchrun, and nothing else, sets."""


def rank() -> int:
    """Return this process's number among those that torchrun started; 0 without torchrun."""
    return _number("RANK", 0)


def size() -> int:
    """Return the number of processes that torchrun started; 1 without torchrun."""
    return _number("WORLD_SIZE", 1)


def rank_here() -> int:
    """Return this process's number among torchrun's on this machine; 0 without torchrun."""
    return _number("LOCAL_RANK", 0)


def size_here() -> int:
    """Return the number of processes that torchrun started on this machine; 1 without torchrun."""
    return _number("LOCAL_WORLD_SIZE", 1)


def only_assists() -> bool:
    """Whether torchrun started this process as another than the first: it only trains, prints and records nothing."""
    return rank() != 0


def check() -> None:
    """Raise BadInput if the environment announces several processes that could not train together."""
    if not _is_started() and (announced := os.environ.get("WORLD_SIZE", "1")) != "1":
        why = "this process was not started by torchrun, which several processes need"
        fix = "unset it (and RANK), or start with torchrun (docs/several-machines.md)"
        raise BadInput(f"WORLD_SIZE is {announced!r}: {why}; {fix}")
    if size() > 1 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        raise BadInput("torchrun hosts no store at which its processes can meet; start it with --rdzv-backend c10d")


def _is_started() -> bool:
    return any(name in os.environ for name in OWN)


def _number(name: str, alone: int) -> int:
    return int(os.environ.get(name, str(alone))) if _is_started() else alone
