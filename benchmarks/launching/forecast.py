"""Predicts what a pool will finish in limited time: the pool's own code with simulated time and no real work."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic

from benchmarks.launching.pool import Limit, State, T, carry_out


@dataclass
class Forecast(Generic[T]):
    """A crew with simulated time. `ended`: items that end in time, in this order.

    `begun`: items that are running, with the time at which each would end. `now`, and `end`, when the time is over:
    seconds since the start. `needed`: seconds that an item takes.
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
        """Nothing to do: a forecast knows no other pools."""

    def stop(self) -> None:
        """Nothing to do: items that are running stay in `begun`."""


def foresee(
    items: Sequence[T],
    workers: int,
    after: Mapping[T, Collection[T]],
    seconds: float,
    needed: Callable[[T], float],
) -> Forecast[T]:
    """Simulate `carry_out` for so many seconds. `needed`: seconds that an item takes."""
    crew = Forecast(seconds, needed)
    carry_out(items, workers, after, crew, Limit(lambda: seconds - crew.now, needed))
    return crew
