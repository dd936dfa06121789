"""One process at a time in a run's directory. The lock of a process that dies is open again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = ".lock"


def is_taken(place: Path) -> bool:
    """Whether another process holds the lock of a run's directory at this moment."""
    from filelock import FileLock, Timeout

    if not (place / LOCK).exists():
        return False
    try:
        with FileLock(place / LOCK, timeout=0):
            return False
    except Timeout:
        return True


@contextmanager
def alone(place: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of a run's directory; `on_wait` is told if another process has it, which is waited for."""
    from filelock import FileLock, Timeout

    lock = FileLock(place / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        on_wait()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
