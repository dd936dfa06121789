"""Conversion pays for its parent; marks and footnotes say how a number came about."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from invented import ORIGIN, ann, cell, conversion, note, result, tables, tables_of, write_rows

import reports
from benchmarks.runs.record import Provenance
from reports import findings
from reports.cost import costs
from reports.findings import tables as tables_of_findings
from reports.rendering.table import DASH, Cell
from reports.tables import comparison


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
    (table,) = tables_of(*paths)
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


def test_beside_other_work_a_time_by_the_clock_is_not_shown(tmp_path: Path) -> None:
    rows = [result(other_load_cores=0.26, train_cpu_seconds=12.5), result(method="dsr-lif", other_load_cores=0.25)]
    (table,) = tables(tmp_path, *rows)
    assert cell(table, "train step") == cell(table, "training time") == Cell(DASH, "*")
    assert cell(table, "training") == Cell("12.50")
    assert cell(table, "peak memory").marks == ""
    assert cell(table, "train step", "dsr-lif") == Cell("50.00")
    assert cell(table, "training time", "dsr-lif") == Cell("10.00")
    assert "more than 0.25 cores" in note(table, "*")


def test_one_busy_seed_hides_the_mean_of_all(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, result(), result(seed=1, other_load_cores=1.0))
    assert cell(table, "training time") == Cell(DASH, "*")


def test_a_time_that_was_not_measured_is_a_dash_without_a_mark(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, result(other_load_cores=1.0, train_seconds=None))
    assert cell(table, "training time") == Cell(DASH)


def test_beside_a_grandparents_training_a_conversions_time_says_nothing_either(tmp_path: Path) -> None:
    middle = result(method="dsr-ann", key="middle", parent_key="parent", train_cpu_seconds=20.0)
    rows = [ann(other_load_cores=1.0, train_cpu_seconds=310.0), middle]
    (table,) = tables(tmp_path, *rows, conversion(parent_key="middle", train_cpu_seconds=3.0))
    assert cell(table, "training time", "qcfs") == Cell(DASH, "*")
    assert cell(table, "training", "qcfs") == Cell("333.0", "†")


def test_core_seconds_are_unknown_as_soon_as_one_ancestors_are(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, ann(), conversion(train_cpu_seconds=5.0), result(train_cpu_seconds=7.0))
    assert cell(table, "training", "qcfs") == Cell(DASH)
    assert cell(table, "training") == Cell("7.000")


def test_a_quiet_table_has_no_note_on_hidden_times(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, result(other_load_cores=None))
    assert note(table, "no time by the clock") == ""


def test_failed_runs_enter_no_mean_and_are_counted_with_their_reason(tmp_path: Path) -> None:
    failed = {"status": "out-of-memory", "reason": "no room\n  for 8 GB", "top1": 0.0, "train_seconds": 9999.0}
    rows = [result(), result(seed=1, **failed), result(seed=2, **failed)]
    (table,) = tables(tmp_path, *rows)
    assert cell(table, "n").text == "1"
    assert cell(table, "accuracy").text.startswith("90.00 [")
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


def test_a_report_computes_costs_and_lines_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables, figures, cards, claims and the page of results take both from the rows that are handed down."""
    calls: list[str] = []

    def counted(module: ModuleType, name: str) -> None:
        function = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given: calls.append(name) or function(*given))

    counted(costs, "_parents")
    for module in (comparison, tables_of_findings):
        counted(module, "aggregate")
    rows = write_rows(tmp_path / "rows.csv", ann(), conversion(), result(timesteps=2), result())
    reports.write(reports.read([rows]), tmp_path / "report")
    assert sorted(calls) == ["_parents", "aggregate"]
    calls.clear()
    findings.text_of(findings.gather([rows]))
    assert sorted(calls) == ["_parents", "aggregate"]
