"""The pool's order on invented items, whose crew is told when each one ends; no process is started."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import permutations

import pytest

from benchmarks.launching.pool import carry_out, following


class Invented:
    """A crew that ends started items in a given order, one per wait; `log` has every start (+), end (-) and stop."""

    def __init__(self, ends: Sequence[str] = (), at_once: Collection[str] = ()) -> None:
        self.ends, self.at_once = list(ends), at_once
        self.busy: dict[str, int] = {}
        self.log: list[str] = []
        self.most = 0

    def start(self, item: str, worker: int) -> bool:
        self.log.append(f"+{item}{worker}")
        if item in self.at_once:
            return False
        assert worker not in self.busy.values(), "a worker has one item at a time"
        self.busy[item] = worker
        self.most = max(self.most, len(self.busy))
        return True

    def wait(self) -> list[str]:
        item = next((one for one in self.ends if one in self.busy), next(iter(self.busy)))
        del self.busy[item]
        self.log.append(f"-{item}")
        return [item]

    def stop(self) -> None:
        self.log.append("stop")


def carried(
    items: str, workers: int, after: Mapping[str, str] = {}, taken: Collection[str] = (), **crew: Collection[str]
) -> Invented:
    """What becomes of items, one letter each, whose `after` are the letters they wait for."""
    invented = Invented(**crew)  # type: ignore[arg-type]
    carry_out(items, workers, after, lambda item: item in taken, invented)
    return invented


def test_one_worker_takes_the_items_one_after_the_other_in_their_order() -> None:
    assert carried("abc", 1).log == ["+a0", "-a", "+b0", "-b", "+c0", "-c"]


def test_so_many_items_go_on_at_once_and_the_next_one_takes_over_the_first_free_worker() -> None:
    crew = carried("abcd", 2, ends="bcad")
    assert crew.log == ["+a0", "+b1", "-b", "+c1", "-c", "+d1", "-a", "-d"]
    assert crew.most == 2


def test_more_workers_than_items_start_everything_at_once() -> None:
    assert carried("ab", 5).log == ["+a0", "+b1", "-a", "-b"]


def test_a_child_waits_for_its_parent_and_the_others_overtake_it() -> None:
    log = carried("pcx", 2, {"c": "p"}, ends="xpc").log
    assert log == ["+p0", "+x1", "-x", "-p", "+c0", "-c"]


def test_no_order_of_endings_starts_a_child_before_its_parent_has_ended() -> None:
    after = {"b": "a", "c": "a", "e": "d"}
    for workers in (1, 2, 3):
        for ends in permutations("abcde"):
            log = carried("abcde", workers, after, ends=ends).log
            assert len(log) == 10
            for child, parents in after.items():
                (began,) = (at for at, entry in enumerate(log) if entry.startswith(f"+{child}"))
                assert all(log.index(f"-{parent}") < began for parent in parents)


def test_a_parent_that_ends_at_once_as_a_failure_does_lets_its_children_start() -> None:
    log = carried("pcx", 1, {"c": "p"}, at_once="p").log
    assert log == ["+p0", "+c0", "-c", "+x0", "-x"]


def test_what_another_pool_works_on_comes_last_and_is_started_all_the_same() -> None:
    assert carried("abc", 1, taken="a").log == ["+b0", "-b", "+c0", "-c", "+a0", "-a"]
    assert carried("ab", 2, {"b": "a"}, taken="a").log == ["+a0", "-a", "+b0", "-b"]


def test_a_parent_that_is_none_of_the_items_is_not_waited_for() -> None:
    assert following("c", (), {"c": "p"}, lambda item: False) == "c"
    assert following("c", "p", {"c": "p"}, lambda item: False) is None


@pytest.mark.parametrize("raised", [KeyboardInterrupt, ValueError])
def test_whatever_is_raised_stops_the_crew_and_goes_on_up(raised: type[BaseException]) -> None:
    class Interrupted(Invented):
        def wait(self) -> list[str]:
            if len(self.log) == 4:
                raise raised
            return super().wait()

    crew = Interrupted()
    with pytest.raises(raised):
        carry_out("abcd", 2, {}, lambda item: False, crew)
    assert crew.log == ["+a0", "+b1", "-a", "+c0", "stop"]


def test_an_item_that_cannot_be_started_stops_those_that_go_on() -> None:
    class Refusing(Invented):
        def start(self, item: str, worker: int) -> bool:
            if item == "b":
                raise OSError("no room")
            return super().start(item, worker)

    crew = Refusing()
    with pytest.raises(OSError, match="no room"):
        carry_out("abc", 3, {}, lambda item: False, crew)
    assert crew.log == ["+a0", "stop"]


def test_items_that_wait_for_each_other_are_an_error_and_no_endless_wait() -> None:
    with pytest.raises(ValueError, match="no worker can start"):
        carried("ab", 2, {"a": "b", "b": "a"})


def test_several_items_that_end_together_free_their_workers_together() -> None:
    class Pairs(Invented):
        def wait(self) -> list[str]:
            return [*super().wait(), *super().wait()]

    crew = Pairs()
    carry_out("abcd", 2, {}, lambda item: False, crew)
    assert crew.log == ["+a0", "+b1", "-a", "-b", "+c0", "+d1", "-c", "-d"]
