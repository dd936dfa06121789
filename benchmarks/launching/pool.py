"""Decides which item starts when: one per worker at a time, in the given order, each after those it waits for.

If time is limited, an item that is expected to end in time goes before one that is not. Items that another pool works
on come last. This module knows nothing of runs, processes and clocks: a `Crew` starts the items and reports what
becomes of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Generic, Literal, Protocol, TypeVar

T = TypeVar("T", bound=Hashable)
State = Literal["started", "over", "elsewhere"]
"""An item is running here, it has ended (here or elsewhere, successfully or not), or another pool works on it."""

SECONDS_BETWEEN_LOOKS = 5.0
"""How often an idle worker checks whether items that other pools work on have ended."""


@dataclass(frozen=True)
class Limit(Generic[T]):
    """How long a pool may go on. `left`: seconds until it must stop. `needed`: seconds that an item will take."""

    left: Callable[[], float]
    needed: Callable[[T], float]

    def fits(self, item: T) -> bool:
        """Whether an item that starts now is expected to end in time."""
        return self.needed(item) <= self.left()


UNLIMITED: Limit[Any] = Limit(lambda: math.inf, lambda item: 0.0)


class Crew(Protocol[T]):
    """Carries items out when the pool says so."""

    def start(self, item: T, worker: int) -> State:
        """Start an item on the worker of this number (from 0), unless it has ended or another pool works on it."""

    def wait(self, seconds: float) -> Mapping[T, State]:
        """Wait for so long at most, or until something happens. Return the started items that no longer run here."""

    def idle(self, items: Collection[T]) -> None:
        """Is told that only these items are left, and that other pools work on them."""

    def stop(self) -> None:
        """End every item that is still running."""


@dataclass
class _Lists(Generic[T]):
    """Items that have not ended: not tried yet, taken by another pool, or running here on a worker of this number."""

    pending: dict[T, None]
    elsewhere: dict[T, None] = field(default_factory=dict)
    busy: dict[T, int] = field(default_factory=dict)

    def __contains__(self, item: T) -> bool:
        return item in self.pending or item in self.elsewhere or item in self.busy

    def __bool__(self) -> bool:
        return bool(self.pending or self.elsewhere or self.busy)


def carry_out(
    items: Sequence[T],
    workers: int,
    after: Mapping[T, Collection[T]],
    crew: Crew[T],
    limit: Limit[T] = UNLIMITED,
    patient: bool = True,
) -> None:
    """Carry all items out, at most `workers` at once. If anything raises an exception, the crew is stopped first.

    `after`: the items that each one waits for, however they end. `patient`: whether to wait for items that other pools
    work on; otherwise the pool ends as soon as nothing else can start. When `limit` leaves no time, the crew is stopped
    and no further item is started. Raises ValueError if items wait for each other.
    """
    lists = _Lists(dict.fromkeys(items))
    try:
        while lists and limit.left() > 0:
            _fill(lists, workers, after, crew, limit)
            if not lists.busy and lists.elsewhere:
                if not patient:
                    return
                crew.idle(lists.elsewhere)
            elif not lists.busy and lists.pending:
                raise ValueError(f"no worker can start any of {[*lists.pending]}")
            looks = lists.elsewhere and len(lists.busy) < workers
            ended = crew.wait(min(limit.left(), SECONDS_BETWEEN_LOOKS if looks else math.inf)) if lists else {}
            for item, state in ended.items():
                del lists.busy[item]
                if state == "elsewhere":
                    lists.elsewhere[item] = None
        if lists.busy:
            crew.stop()
    except BaseException:
        crew.stop()
        raise


def _fill(lists: _Lists[T], workers: int, after: Mapping[T, Collection[T]], crew: Crew[T], limit: Limit[T]) -> None:
    """Give every free worker an item, as far as there are any; each item that is elsewhere is tried once."""
    tried = set[T]()
    while len(lists.busy) < workers:
        item = following(lists.pending, lists.__contains__, after, limit.fits)
        if item is None:
            item = next((one for one in lists.elsewhere if one not in tried), None)
        if item is None:
            return
        worker = next(number for number in count() if number not in lists.busy.values())
        state = crew.start(item, worker)
        lists.pending.pop(item, None)
        lists.elsewhere.pop(item, None)
        if state == "started":
            lists.busy[item] = worker
        elif state == "elsewhere":
            lists.elsewhere[item] = None
            tried.add(item)


def following(
    pending: Iterable[T],
    is_unfinished: Callable[[T], bool],
    after: Mapping[T, Collection[T]],
    fits: Callable[[T], bool] = UNLIMITED.fits,
) -> T | None:
    """The pending item to start next; None if all of them have to wait for unfinished ones.

    This is the first that is expected to end in time. If there is none, it is the first: a free worker does not wait,
    because an item that is stopped can be resumed later.
    """
    first = None
    for item in pending:
        if any(map(is_unfinished, after.get(item, ()))):
            continue
        if fits(item):
            return item
        first = item if first is None else first
    return first
