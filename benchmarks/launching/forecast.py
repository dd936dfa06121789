"""What a pool is expected to carry out in limited time: the pool itself, with a crew whose time costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic

from benchmarks.launching.pool import Limit, State, T, carry_out


@dataclass
class Forecast(Generic[T]):
    """Items in the order in which they end in time, and those that are at work when the time is over.

    `now` and `end`: seconds since the start.
    """

    end: float
    needed: Callable[[T], float]
    now: float = 0.0
    ended: list[T] = field(default_factory=list)
    begun: dict[T, float] = field(default_factory=dict)

    def start(self, item: T, worker: int) -> State:
        self.begun[item] = self.now + self.needed(item)
        return "started"

    def wait(self, seconds: float) -> Mapping[T, State]:
        self.now = min(self.end, *self.begun.values())
        found = [item for item, end in self.begun.items() if end <= self.now]
        for item in found:
            del self.begun[item]
        self.ended += found
        return dict.fromkeys(found, "over")

    def idle(self, items: Collection[T]) -> None:
        """No other pool is expected."""

    def stop(self) -> None:
        """What is at work stays in `begun`."""


def foresee(
    items: Sequence[T],
    workers: int,
    after: Mapping[T, Collection[T]],
    seconds: float,
    needed: Callable[[T], float],
) -> Forecast[T]:
    """What `carry_out` does with these items in so many seconds if each takes as long as it is expected to."""
    crew = Forecast(seconds, needed)
    carry_out(items, workers, after, crew, Limit(lambda: seconds - crew.now, needed))
    return crew
