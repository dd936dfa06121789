"""Conversion pays for its parent; marks and footnotes say how a number came about."""

from __future__ import annotations

from pathlib import Path

from invented import ORIGIN, ann, cell, conversion, note, result, tables, write_rows

from benchmarks.record import Provenance
from reports.comparison import compare, read
from reports.table import DASH, Cell


def test_conversion_costs_what_its_parent_cost(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, ann(), conversion(train_seconds=5.0))
    assert cell(table, "training time", "qcfs") == Cell("305.0", "†")
    assert cell(table, "peak memory", "qcfs") == Cell("3.000", "†")
    assert cell(table, "train step", "qcfs") == Cell("20.00", "†")
    assert cell(table, "training time", "qcfs-ann", 1) == Cell("300.0")
    assert "includes its parent ANN" in note(table, "†")


def test_conversion_without_training_costs_exactly_its_parent(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, ann(), conversion())
    assert cell(table, "training time", "qcfs") == Cell("300.0", "†")


def test_each_seed_adds_its_own_parent(tmp_path: Path) -> None:
    # (300 + 5 + 100 + 15) / 2 = 210
    rows = [
        ann(key="a"),
        ann(key="b", seed=1, train_seconds=100.0),
        conversion(parent_key="a", train_seconds=5.0),
        conversion(parent_key="b", seed=1, train_seconds=15.0),
    ]
    (table,) = tables(tmp_path, *rows)
    assert cell(table, "training time", "qcfs").text == "210.0"


def test_a_parent_in_another_file_is_found(tmp_path: Path) -> None:
    paths = [write_rows(tmp_path / "b.csv", conversion()), write_rows(tmp_path / "a.csv", ann())]
    (table,) = compare(read(paths))
    assert cell(table, "training time", "qcfs") == Cell("300.0", "†")


def test_conversion_without_its_parents_row_has_no_cost(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, conversion(train_seconds=5.0))
    for label in ("training time", "peak memory", "train step"):
        assert cell(table, label, "qcfs") == Cell(DASH)
    assert note(table, "†") == ""


def test_a_run_that_trains_on_from_a_parent_keeps_its_own_memory_and_step(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, ann(idle_bytes=0), result(parent_key="parent"))
    assert cell(table, "peak memory") == Cell("3.000")
    assert cell(table, "train step") == Cell("50.00")
    assert cell(table, "training time") == Cell("310.0", "†")


def test_a_timing_on_a_busy_machine_is_marked(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, result(other_load_cores=0.26), result(method="dsr-lif", other_load_cores=0.25))
    assert cell(table, "train step").marks == "*"
    assert cell(table, "training time").marks == "*"
    assert cell(table, "peak memory").marks == ""
    assert cell(table, "train step", "dsr-lif").marks == ""
    assert "busy machine" in note(table, "*")


def test_a_parents_busy_timing_marks_the_conversion(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, ann(other_load_cores=1.0), conversion())
    assert cell(table, "training time", "qcfs").marks == "†*"


def test_a_quiet_table_has_no_busy_note(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, result(other_load_cores=None))
    assert note(table, "busy") == ""


def test_failed_runs_enter_no_mean_and_are_counted_with_their_reason(tmp_path: Path) -> None:
    failed = {"status": "out-of-memory", "reason": "no room\n  for 8 GB", "top1": 0.0, "train_seconds": 9999.0}
    rows = [result(), result(seed=1, **failed), result(seed=2, **failed)]
    (table,) = tables(tmp_path, *rows)
    assert cell(table, "n").text == "1"
    assert cell(table, "accuracy").text.startswith("90.00 (")
    assert cell(table, "training time").text == "10.00"
    assert note(table, "failed") == (
        "2 failed and are not in the means: 2 x dsr-if T=4 (seeds 1, 2), out-of-memory: no room for 8 GB."
    )


def test_a_line_with_failed_runs_only_stands_with_dashes(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, result(), result(method="stbp-tdbn", status="failed", reason=None, top1=50.0))
    assert cell(table, "n", "stbp-tdbn").text == "0"
    assert cell(table, "accuracy", "stbp-tdbn").text == DASH
    assert "no reason given" in note(table, "failed")
    assert "n = 0 to 1 seeds" in table.title


def test_times_of_different_machines_are_noted(tmp_path: Path) -> None:
    elsewhere = Provenance(**{**ORIGIN.__dict__, "machine": "bench-02"})
    (table,) = tables(tmp_path, result(), result(seed=1, provenance=elsewhere))
    assert "2 different machines" in note(table, "machines")
    (table,) = tables(tmp_path, result(), result(seed=1))
    assert note(table, "different machines") == ""
