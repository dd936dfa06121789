"""The pool's order on invented items, whose crew is told when each one ends; no process is started."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import permutations
from math import inf

import pytest

from benchmarks.launching.forecast import foresee
from benchmarks.launching.pool import SECONDS_BETWEEN_LOOKS, Limit, State, carry_out, following


class Invented:
    """A crew that ends started items in a given order, one per wait.

    `log` has every start (+), refusal (?), end (-), idle moment (i) and stop. `elsewhere`: items that other pools work
    on, one mention for each time that they are found so. `lost`: items that another pool takes over once.
    """

    def __init__(
        self, ends: Sequence[str] = (), at_once: Collection[str] = (), elsewhere: str = "", lost: str = ""
    ) -> None:
        self.ends, self.at_once = list(ends), at_once
        self.elsewhere, self.lost = list(elsewhere), list(lost)
        self.busy: dict[str, int] = {}
        self.log: list[str] = []
        self.waited: list[float] = []
        self.most = 0

    def start(self, item: str, worker: int) -> State:
        if item in self.elsewhere:
            self.elsewhere.remove(item)
            self.log.append(f"?{item}")
            return "elsewhere"
        self.log.append(f"+{item}{worker}")
        if item in self.at_once:
            return "over"
        assert worker not in self.busy.values(), "a worker has one item at a time"
        self.busy[item] = worker
        self.most = max(self.most, len(self.busy))
        return "started"

    def wait(self, seconds: float) -> Mapping[str, State]:
        self.waited.append(seconds)
        item = next((one for one in self.ends if one in self.busy), next(iter(self.busy), ""))
        if not item:
            return {}
        del self.busy[item]
        self.log.append(f"-{item}")
        if item not in self.lost:
            return {item: "over"}
        self.lost.remove(item)
        return {item: "elsewhere"}

    def idle(self, items: Collection[str]) -> None:
        self.log.append("i" + "".join(items))

    def stop(self) -> None:
        self.log.append("stop")


def carried(
    items: str, workers: int, after: Mapping[str, str] = {}, patient: bool = True, **crew: Collection[str]
) -> Invented:
    """What becomes of items, one letter each, whose `after` are the letters they wait for."""
    invented = Invented(**crew)  # type: ignore[arg-type]
    carry_out(items, workers, after, invented, patient=patient)
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


def test_what_another_pool_works_on_comes_last_and_is_waited_for() -> None:
    assert carried("abc", 1, elsewhere="a").log == ["?a", "+b0", "-b", "+c0", "-c", "+a0", "-a"]
    crew = carried("abc", 1, elsewhere="aaa")
    assert crew.log == ["?a", "+b0", "-b", "+c0", "-c", "?a", "ia", "?a", "ia", "+a0", "-a"]
    assert crew.waited == [inf, inf, SECONDS_BETWEEN_LOOKS, SECONDS_BETWEEN_LOOKS, inf]
    assert carried("ab", 2, {"b": "a"}, elsewhere="a").log == ["?a", "ia", "+a0", "-a", "+b0", "-b"]


def test_a_free_worker_looks_now_and_then_whether_what_is_elsewhere_has_ended() -> None:
    crew = carried("abc", 3, {"c": "a"}, elsewhere="aa")
    assert crew.log == ["?a", "+b0", "-b", "?a", "ia", "+a0", "-a", "+c0", "-c"]
    assert crew.waited[0] == SECONDS_BETWEEN_LOOKS, "two workers are free meanwhile"
    assert carried("abc", 3, {"c": "a"}, elsewhere="a", at_once="a").log == ["?a", "+b0", "-b", "+a0", "+c0", "-c"]


def test_a_pool_without_patience_leaves_what_others_work_on_and_what_waits_for_it() -> None:
    assert carried("abc", 1, {"c": "a"}, patient=False, elsewhere="aaaa").log == ["?a", "+b0", "-b", "?a"]
    assert carried("abc", 2, {"c": "a"}, patient=False, elsewhere="a").log == [
        *("?a", "+b0", "-b", "+a0", "-a", "+c0", "-c")
    ], "it looks once more before it leaves"
    assert carried("ab", 1, patient=False, elsewhere="aabb").log == ["?a", "?b"]


def test_what_another_pool_takes_over_is_elsewhere_from_then_on() -> None:
    assert carried("ab", 1, lost="a").log == ["+a0", "-a", "+b0", "-b", "+a0", "-a"]
    assert carried("ab", 1, {"b": "a"}, lost="a").log == ["+a0", "-a", "+a0", "-a", "+b0", "-b"], "b still waits"


def test_a_parent_that_is_none_of_the_items_is_not_waited_for() -> None:
    assert following("c", "c".__contains__, {"c": "p"}) == "c"
    assert following("c", "cp".__contains__, {"c": "p"}) is None


@pytest.mark.parametrize("raised", [KeyboardInterrupt, ValueError])
def test_whatever_is_raised_stops_the_crew_and_goes_on_up(raised: type[BaseException]) -> None:
    class Interrupted(Invented):
        def wait(self, seconds: float) -> Mapping[str, State]:
            if len(self.log) == 4:
                raise raised
            return super().wait(seconds)

    crew = Interrupted()
    with pytest.raises(raised):
        carry_out("abcd", 2, {}, crew)
    assert crew.log == ["+a0", "+b1", "-a", "+c0", "stop"]


def test_an_item_that_cannot_be_started_stops_those_that_go_on() -> None:
    class Refusing(Invented):
        def start(self, item: str, worker: int) -> State:
            if item == "b":
                raise OSError("no room")
            return super().start(item, worker)

    crew = Refusing()
    with pytest.raises(OSError, match="no room"):
        carry_out("abc", 3, {}, crew)
    assert crew.log == ["+a0", "stop"]


def test_items_that_wait_for_each_other_are_an_error_and_no_endless_wait() -> None:
    with pytest.raises(ValueError, match="no worker can start"):
        carried("ab", 2, {"a": "b", "b": "a"})


def test_several_items_that_end_together_free_their_workers_together() -> None:
    class Pairs(Invented):
        def wait(self, seconds: float) -> Mapping[str, State]:
            return {**super().wait(seconds), **super().wait(seconds)}

    crew = Pairs()
    carry_out("abcd", 2, {}, crew)
    assert crew.log == ["+a0", "+b1", "-a", "-b", "+c0", "+d1", "-c", "-d"]


class Timed(Invented):
    """A crew by an invented clock: every item takes its `lasting` seconds, and no waiting is longer than allowed."""

    def __init__(self, **lasting: float) -> None:
        super().__init__()
        self.lasting, self.now, self.until = lasting, 0.0, dict[str, float]()

    def start(self, item: str, worker: int) -> State:
        self.until[item] = self.now + self.lasting[item]
        return super().start(item, worker)

    def wait(self, seconds: float) -> Mapping[str, State]:
        self.now = min(self.now + seconds, *(self.until[item] for item in self.busy))
        ended = [item for item in self.busy if self.until[item] <= self.now]
        for item in ended:
            del self.busy[item]
            self.log.append(f"-{item}")
        return dict.fromkeys(ended, "over")


def limited(
    seconds: float, workers: int, after: Mapping[str, str] = {}, needed: Mapping[str, float] = {}, **lasting: float
) -> Timed:
    """What becomes of items that last so long, and are expected to unless `needed` says otherwise."""
    crew = Timed(**lasting)
    expected = lasting | dict(needed)
    limit = Limit(lambda: seconds - crew.now, expected.__getitem__)
    carry_out([*lasting], workers, after, crew, limit)
    return crew


def test_what_ends_in_time_goes_before_what_does_not_and_the_order_is_kept() -> None:
    crew = limited(10, 1, a=4, b=7, c=6, d=1)
    assert crew.log == ["+a0", "-a", "+c0", "-c"], "b would end at 11; nothing is left for d"
    assert crew.now == 10


def test_where_nothing_fits_the_first_is_begun_and_stopped_when_the_time_is_over() -> None:
    crew = limited(10, 1, a=4, b=7, c=8)
    assert crew.log == ["+a0", "-a", "+b0", "stop"]
    assert crew.now == 10
    assert limited(1, 1, a=4, b=7).log == ["+a0", "stop"]


def test_a_free_worker_begins_what_does_not_fit_while_others_go_on() -> None:
    assert limited(10, 2, a=9, b=3, c=20, d=20).log == ["+a0", "+b1", "-b", "+c1", "-a", "+d0", "stop"]


def test_what_takes_longer_than_expected_is_stopped_and_what_takes_less_makes_room() -> None:
    assert limited(10, 1, a=99, b=1, needed={"a": 9}).log == ["+a0", "stop"]
    assert limited(10, 1, a=1, b=9, needed={"a": 9}).log == ["+a0", "-a", "+b0", "-b"]


def test_children_still_wait_for_their_parent_however_little_time_they_need() -> None:
    assert limited(10, 1, {"c": "p"}, c=1, p=6, x=2).log == ["+p0", "-p", "+c0", "-c", "+x0", "-x"]
    assert limited(10, 1, {"c": "p"}, c=1, p=16, x=2).log == ["+x0", "-x", "+p0", "stop"]


def test_without_any_time_nothing_starts_and_with_enough_nothing_is_stopped() -> None:
    assert limited(0, 2, a=1, b=1).log == []
    assert limited(2, 1, a=1, b=1).log == ["+a0", "-a", "+b0", "-b"]


def test_the_first_that_fits_goes_first_and_where_none_fits_the_first() -> None:
    def chosen(*fitting: str) -> str | None:
        return following("abc", "abc".__contains__, {"b": "x"}, lambda item: item in fitting)

    assert chosen("b", "c") == "b"
    assert chosen() == "a"


def test_what_another_pool_works_on_comes_after_all_else_whether_it_fits_or_not() -> None:
    crew = Timed(a=1, b=99)
    crew.elsewhere = ["a"]
    carry_out("ab", 1, {}, crew, Limit(lambda: 100 - crew.now, crew.lasting.__getitem__))
    assert crew.log == ["?a", "+b0", "-b", "+a0", "-a"]


def test_a_forecast_is_what_the_pool_does_when_all_takes_as_long_as_expected() -> None:
    lasting = {"a": 4.0, "b": 7.0, "c": 5.0, "d": 0.1, "e": 3.0}
    for seconds in (0.05, 1.0, 4.3, 9.0, 11.0, 99.0):
        for workers in (1, 2, 3):
            crew = limited(seconds, workers, {"d": "c"}, **lasting)
            found = foresee([*lasting], workers, {"d": "c"}, seconds, lasting.__getitem__)
            assert [f"-{item}" for item in found.ended] == [entry for entry in crew.log if entry[0] == "-"]
            assert {*found.begun} == {*crew.busy}


def test_a_forecast_by_hand() -> None:
    lasting = {"a": 4.0, "b": 7.0, "c": 6.0, "d": 9.0}
    found = foresee("abcd", 1, {}, 12.0, lasting.__getitem__)
    assert (found.ended, [*found.begun]) == (["a", "b"], ["c"])
