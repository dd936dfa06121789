"""Steps against this machine's record: through pytest-benchmark, with a clock that counts work."""

from __future__ import annotations

import io
import json
from pathlib import Path
from statistics import median

import pytest
from rich.console import Console

from benchmarks.perf import record as records
from benchmarks.perf.machine import Rates
from benchmarks.perf.reference import InTurn, ratios
from benchmarks.regression import command, steps

METHODS = ("ann", "dsr-if-rep")
RATES = Rates(10.0, 6.0, None, 2e10, 1000)


@pytest.fixture
def counted(monkeypatch, tmp_path):
    """The check of two methods in a results folder, where time is counted work."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=":")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p planted_slowdown --benchmark-timer=planted_slowdown.clock")
    monkeypatch.setenv("DSR_RESULTS", str(tmp_path))
    monkeypatch.setattr(records, "measure", lambda network, batch: RATES)

    def check(**planted: float) -> tuple[int, str]:
        monkeypatch.setenv("PLANTED", json.dumps({name.replace("_", "-"): share for name, share in planted.items()}))
        console = Console(file=io.StringIO(), width=300)
        code = command.command(command.Request(parts=(steps.PART,), methods=METHODS), console)
        return code, console.file.getvalue()

    return check


@pytest.mark.slow
@pytest.mark.long
def test_a_planted_slowdown_of_30_percent_is_caught_and_a_machine_that_slows_down_is_not(counted, tmp_path):
    code, said = counted()
    assert code == 0, said
    assert said.count("saved as the baseline") == 6  # training, inference and memory of two methods
    (path,) = tmp_path.glob("perf/*.json")
    rows = {row["subject"]: row for row in json.loads(path.read_text())["rows"]}
    # the machine becomes 1 % slower with every bit of work, so around a step a kernel takes its time but for 1 %
    assert median(rows["ann"]["ratios"]["train"]) == pytest.approx(3.0, rel=0.011)

    code, said = counted(dsr_if_rep=1.3)
    assert code == 1, said
    assert "2 worse" in said
    assert "4 same" in said
    commit = json.loads(path.read_text())["commit"][:12]
    assert "dsr-if-rep T=5, train step: 3.9" in said
    assert "+30.0 %, allowed +15.0 %" in said
    assert f"since {commit}" in said
    assert "ann T=1, train" not in said


def test_a_kernel_is_timed_before_every_round_and_after_the_last():
    now = [0.0]
    seconds = iter([1.0, 2.0, 4.0, 6.0])

    def reference() -> None:
        now[0] += next(seconds)

    turns = InTurn(reference, clock=lambda: now[0])
    for _ in range(3):  # of which the first is warm-up
        turns.before_round()
        now[0] += 100
    around = turns.around(2)
    assert around == [3.0, 5.0]
    assert ratios([6.0, 20.0], around) == [2.0, 4.0]


def record(train: list[float], peak: float = 50.0, threads: int = 2, **more) -> dict:
    origin = {"commit": "c" * 40, "dirty": False, "started": "2026-11-25", "threads": threads, "torch": "2.13"}
    row = {"subject": "dsr-if", "T": 5, "train_ms": 1.0, "inference_ms": 1.0, "firing_rate": None, "floor_ms": None}
    row |= {"train_ms_median": 1.1}
    row |= {"peak_step_bytes": peak * 2**20, "ratios": {**origin, "train": train, "inference": [1.0] * 7}}
    setting = {"machine": "Abacus", "device": "cpu", "network": "tiny", "batch": 8}
    return {**origin, **setting, "rates": vars(RATES), "rows": [{**row, **more}]}


def check(results: Path, *measured: dict, save: bool = False):
    """Findings by quantity, with one record after the other as what is measured."""
    series = iter(measured)
    found = steps.check(results, ["dsr-if"], save, lambda methods, rates: next(series))
    return {each.quantity: each for each in found}


STEADY = [3.0, 3.1, 2.9, 3.05, 2.95, 3.0, 3.02]


def test_who_is_slow_once_is_measured_again(tmp_path):
    check(tmp_path, record(STEADY))
    slow = [1.3 * value for value in STEADY]
    assert check(tmp_path, record(slow), record(STEADY))["train step"].verdict == "same"
    assert check(tmp_path, record([0.7 * value for value in STEADY]))["train step"].verdict == "better"
    twice = check(tmp_path, record(slow), record(slow))["train step"]
    assert twice.verdict == "worse"
    assert (twice.value, twice.baseline, twice.limit) == pytest.approx((3.9, 3.0, 3.45))


def test_rounds_that_scatter_say_nothing(tmp_path):
    check(tmp_path, record([2.0, 9.0, 2.0, 9.0, 3.0, 3.0, 3.0]))
    wild = [3.6, 2.0, 9.0, 2.0, 9.0, 3.6, 3.6]
    found = check(tmp_path, record(wild))["train step"]
    assert found.value > found.limit
    assert found.verdict == "same"
    assert "scatter" in found.note


def test_memory_may_rise_by_a_tenth_and_by_four_mebibytes(tmp_path):
    check(tmp_path, record(STEADY, peak=100.0))
    verdicts = [check(tmp_path, record(STEADY, peak=peak))["peak memory"].verdict for peak in (109.0, 111.0, 80.0)]
    assert verdicts == ["same", "worse", "better"]
    check(tmp_path, record(STEADY, peak=10.0), save=True)
    verdicts = [check(tmp_path, record(STEADY, peak=peak))["peak memory"].verdict for peak in (13.9, 14.1)]
    assert verdicts == ["same", "worse"]


def test_other_numbers_of_threads_are_not_compared(tmp_path):
    check(tmp_path, record(STEADY))
    found = check(tmp_path, record([9.0] * 7, peak=500.0, threads=1))
    assert {each.verdict for each in found.values()} == {"not compared"}
    assert found["train step"].note == "measured with 1 threads, the baseline with 2"


def test_a_record_without_ratios_gets_them_and_keeps_its_own_numbers(tmp_path):
    check(tmp_path, record(STEADY, train_ms=123.0))
    (path,) = tmp_path.glob("perf/*.json")
    known = json.loads(path.read_text())
    del known["rows"][0]["ratios"]
    path.write_text(json.dumps(known))

    found = check(tmp_path, record(STEADY, train_ms=1.0))
    assert found["train step"].verdict == "new"
    assert found["peak memory"].verdict == "same"
    (row,) = json.loads(path.read_text())["rows"]
    assert row["train_ms"] == 123.0
    assert row["ratios"]["train"] == STEADY


def test_a_method_that_the_record_lacks_is_added_with_its_origin(tmp_path):
    check(tmp_path, record(STEADY))
    other = record(STEADY, subject="dsr-lif") | {"commit": "d" * 40}
    assert {each.verdict for each in check(tmp_path, other).values()} == {"new"}
    (path,) = tmp_path.glob("perf/*.json")
    assert [(r["subject"], r.get("commit", "")[:1]) for r in json.loads(path.read_text())["rows"]] == [
        ("dsr-if", "c"),
        ("dsr-lif", "d"),
    ]


def test_a_setting_that_fits_now_gets_its_baseline(tmp_path):
    check(tmp_path, record(STEADY))
    (path,) = tmp_path.glob("perf/*.json")
    known = json.loads(path.read_text())
    known["rows"][0] = {**dict.fromkeys(known["rows"][0]), "subject": "dsr-if", "T": 5}
    del known["rows"][0]["ratios"]
    path.write_text(json.dumps(known))
    assert {each.verdict for each in check(tmp_path, record(STEADY)).values()} == {"new"}
    assert {each.verdict for each in check(tmp_path, record(STEADY)).values()} == {"same"}
