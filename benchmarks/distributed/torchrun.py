"""Whether torchrun has started this process, and its place among the others: the one reader of torchrun's variables.

Batch systems and their scripts set `RANK`, `WORLD_SIZE` and `LOCAL_RANK` too. They count only where torchrun's own
variables stand beside them; without, this is a process alone, and several that nobody has joined are refused.
Standard library only: the command line asks before anything is imported.
"""

from __future__ import annotations

import os

from benchmarks.spec import BadInput

OWN = ("TORCHELASTIC_RUN_ID", "TORCHELASTIC_USE_AGENT_STORE")
"""torchrun sets both, and nothing else does."""


def rank() -> int:
    """This process's number among those that torchrun has started; 0 without it."""
    return _number("RANK", 0)


def size() -> int:
    """How many processes torchrun has started; 1 without it."""
    return _number("WORLD_SIZE", 1)


def rank_here() -> int:
    """This process's number among torchrun's on this machine; 0 without it."""
    return _number("LOCAL_RANK", 0)


def size_here() -> int:
    """How many processes torchrun has started on this machine; 1 without it."""
    return _number("LOCAL_WORLD_SIZE", 1)


def only_assists() -> bool:
    """Whether torchrun has started this process, and not as the first: it trains along, says and records nothing."""
    return rank() != 0


def check() -> None:
    """Raise BadInput where several processes are announced that could not train together."""
    if not _is_here() and (announced := os.environ.get("WORLD_SIZE", "1")) != "1":
        why = "torchrun has not started this process, and only torchrun joins several"
        fix = "unset it (and RANK), or start with torchrun (docs/several-machines.md)"
        raise BadInput(f"WORLD_SIZE is {announced!r}: {why}; {fix}")
    if size() > 1 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        raise BadInput("torchrun hosts no store that processes could meet at: start it with --rdzv-backend c10d")


def _is_here() -> bool:
    return any(name in os.environ for name in OWN)


def _number(name: str, alone: int) -> int:
    return int(os.environ.get(name, str(alone))) if _is_here() else alone
