"""Which item starts when: as many at once as there are workers, in the order given, each after those it waits for.

Where time is limited, an item that is expected to end in time goes before one that is not. This module knows neither
runs nor processes nor clocks. A `Crew` starts the items and reports which of them have ended.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True)
class Limit(Generic[T]):
    """How long a pool may go on. `left`: seconds until it has to stop; `needed`: seconds that an item will take."""

    left: Callable[[], float]
    needed: Callable[[T], float]

    def fits(self, item: T) -> bool:
        """Whether an item that starts now is expected to end in time."""
        return self.needed(item) <= self.left()


UNLIMITED: Limit[Any] = Limit(lambda: math.inf, lambda item: 0.0)


class Crew(Protocol[T]):
    """Carries items out at the pool's command."""

    def start(self, item: T, worker: int) -> bool:
        """Start an item on the worker of this number (from 0). False: it has ended already and takes no worker."""

    def wait(self, seconds: float) -> Collection[T]:
        """Block for so long at most, or until something happens; return the started items that have ended."""

    def stop(self) -> None:
        """End every item that is still going on."""


def carry_out(
    items: Sequence[T],
    workers: int,
    after: Mapping[T, Collection[T]],
    is_elsewhere: Callable[[T], bool],
    crew: Crew[T],
    limit: Limit[T] = UNLIMITED,
) -> None:
    """Carry all items out, at most `workers` at once. Whatever is raised meanwhile stops the crew first.

    `after`: the items that each one waits for, however they end. `is_elsewhere`: whether another pool works on an item
    now; such items are put off until no other one can start. When no time is left by `limit`, the crew is stopped and
    the other items are not started. Raises ValueError where items wait for each other.
    """
    pending, busy = list(items), dict[T, int]()
    try:
        while (pending or busy) and limit.left() > 0:
            while (
                len(busy) < workers and (item := following(pending, busy, after, is_elsewhere, limit.fits)) is not None
            ):
                pending.remove(item)
                worker = next(number for number in count() if number not in busy.values())
                if crew.start(item, worker):
                    busy[item] = worker
            if pending and not busy:
                raise ValueError(f"no worker can start any of {pending}")
            for item in crew.wait(limit.left()) if busy else ():
                del busy[item]
        if busy:
            crew.stop()
    except BaseException:
        crew.stop()
        raise


def following(
    pending: Sequence[T],
    busy: Collection[T],
    after: Mapping[T, Collection[T]],
    is_elsewhere: Callable[[T], bool],
    fits: Callable[[T], bool] = UNLIMITED.fits,
) -> T | None:
    """The pending item to start next; None if all of them have to wait for those at work.

    The first that fits, else the first: a worker that is free works, and what it begins can be resumed another time.
    """
    unfinished = {*pending, *busy}
    ready = [item for item in pending if unfinished.isdisjoint(after.get(item, ()))]
    fitting = (item for item in ready if fits(item) and not is_elsewhere(item))
    free = (item for item in ready if not is_elsewhere(item))
    return next(chain(fitting, free, ready), None)
