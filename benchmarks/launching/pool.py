"""Which item starts when: as many at once as there are workers, in the order given, each after those it waits for.

Where time is limited, an item that is expected to end in time goes before one that is not. Items that another pool
works on come last. This module knows neither runs nor processes nor clocks. A `Crew` starts the items and reports what
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
"""Of an item: it goes on here, it has ended (here or elsewhere, well or not), or another pool works on it."""

SECONDS_BETWEEN_LOOKS = 5.0
"""How often an idle worker looks whether what other pools work on has ended."""


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

    def start(self, item: T, worker: int) -> State:
        """Start an item on the worker of this number (from 0), unless it is over or elsewhere."""

    def wait(self, seconds: float) -> Mapping[T, State]:
        """Block for so long at most, or until something happens; return started items that go on no longer."""

    def idle(self, items: Collection[T]) -> None:
        """Is told that nothing is left but these items, which other pools work on."""

    def stop(self) -> None:
        """End every item that is still going on."""


@dataclass
class _Lists(Generic[T]):
    """Items that have not ended: not tried yet, found elsewhere, at work here with the number of their worker."""

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
    """Carry all items out, at most `workers` at once. Whatever is raised meanwhile stops the crew first.

    `after`: the items that each one waits for, however they end. `patient`: whether to wait for items that other pools
    work on; otherwise the pool ends as soon as nothing else can start. When no time is left by `limit`, the crew is
    stopped and the other items are not started. Raises ValueError where items wait for each other.
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

    The first that fits, else the first: a worker that is free works, and what it begins can be resumed another time.
    """
    first = None
    for item in pending:
        if any(map(is_unfinished, after.get(item, ()))):
            continue
        if fits(item):
            return item
        first = item if first is None else first
    return first
