"""Which item starts when: as many at once as there are workers, in the order given, each after those it waits for.

This module knows neither runs nor processes. A `Crew` starts the items and reports which of them have ended.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from itertools import count
from typing import Protocol, TypeVar

T = TypeVar("T", bound=Hashable)


class Crew(Protocol[T]):
    """Carries items out at the pool's command."""

    def start(self, item: T, worker: int) -> bool:
        """Start an item on the worker of this number (from 0). False: it has ended already and takes no worker."""

    def wait(self) -> Collection[T]:
        """Block until at least one of the started items has ended; return all that have."""

    def stop(self) -> None:
        """End every item that is still going on."""


def carry_out(
    items: Sequence[T],
    workers: int,
    after: Mapping[T, Collection[T]],
    is_elsewhere: Callable[[T], bool],
    crew: Crew[T],
) -> None:
    """Carry all items out, at most `workers` at once. Whatever is raised meanwhile stops the crew first.

    `after`: the items that each one waits for, however they end. `is_elsewhere`: whether another pool works on an item
    now; such items are put off until no other one can start. Raises ValueError where items wait for each other.
    """
    pending, busy = list(items), dict[T, int]()
    try:
        while pending or busy:
            while len(busy) < workers and (item := following(pending, busy, after, is_elsewhere)) is not None:
                pending.remove(item)
                worker = next(number for number in count() if number not in busy.values())
                if crew.start(item, worker):
                    busy[item] = worker
            if pending and not busy:
                raise ValueError(f"no worker can start any of {pending}")
            for item in crew.wait() if busy else ():
                del busy[item]
    except BaseException:
        crew.stop()
        raise


def following(
    pending: Sequence[T],
    busy: Collection[T],
    after: Mapping[T, Collection[T]],
    is_elsewhere: Callable[[T], bool],
) -> T | None:
    """The pending item to start next; None if all of them have to wait for those at work."""
    unfinished = {*pending, *busy}
    ready = [item for item in pending if unfinished.isdisjoint(after.get(item, ()))]
    free = (item for item in ready if not is_elsewhere(item))
    return next(free, ready[0] if ready else None)
