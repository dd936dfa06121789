"""Locks that admit one process at a time to a run's directory. The lock of a process that dies is released."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = ".lock"


def is_taken(place: Path) -> bool:
    """Whether another process holds the lock of a run's directory now."""
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
    """Hold the lock of a run's directory. If another process holds it, call `on_wait` and wait."""
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
