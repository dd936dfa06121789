"""Claims on run directories: at most one launcher at a time works on a run. A claim of a process that dies is free."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LOCK = ".lock"


@dataclass(frozen=True)
class Claim:
    """This process works on the run in `place`; `lock`: the descriptor that holds the directory's lock."""

    place: Path
    lock: int

    def release(self) -> None:
        """Let others have the run."""
        with suppress(OSError):
            os.close(self.lock)


def take(place: Path) -> Claim | None:
    """Claim the run in a directory, which exists; None if another process has it."""
    lock = os.open(place / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return Claim(place, lock)


def is_taken(place: Path) -> bool:
    """Whether a process works on the run in a directory now."""
    if not (place / LOCK).exists():
        return False
    claim = take(place)
    if claim:
        claim.release()
    return claim is None
