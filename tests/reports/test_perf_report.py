"""Training cost from the records of `dsr-bench perf`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from invented import result, write_rows

import reports
from benchmarks.spec import BadInput
from reports.rendering.table import DASH
from reports.studies import perf

RATES = {"float32_ms": 10.0, "bfloat16_ms": 6.0, "lookup_ms": None, "copied_bytes_per_second": 2e10, "neurons": 1000}


def row(subject: str, steps: int, train: float, memory: int = 2**20, **more: Any) -> dict[str, Any]:
    given = {
        "subject": subject,
        "T": steps,
        "train_ms": train,
        "train_ms_median": train * 1.1,
        "inference_ms": train / 4,
    }
    return {**given, "peak_step_bytes": memory, "firing_rate": None, "floor_ms": train / 2, **more}


def record(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    origin = {"commit": "c" * 40, "dirty": False, "started": "2026-11-23T00:00:00", "machine": "Abacus, 2 cores"}
    made = {**origin, "device": "cpu", "threads": 2, "python": "3.11", "torch": "2.13", "network": "tiny", "batch": 8}
    return {**made, "rates": RATES, "rows": list(rows), **more}


RECORD = record(
    row("dsr-if-reference", 5, 100.0, 8 * 2**20),
    row("dsr-if-reference", 20, 400.0, 32 * 2**20),
    row("ann", 1, 20.0),
    row("dsr-if-rep", 5, 25.0, 2 * 2**20, firing_rate=0.25),
    row("dsr-if-rep", 20, 40.0, 2 * 2**20),
)


def column(table: Any, label: str, unit: str) -> list[str]:
    (index,) = [i for i, c in enumerate(table.columns) if (c.label, c.unit) == (label, unit)]
    return [cells[index].text for cells in table.rows]


def test_ratios_are_to_the_yardstick_at_the_same_t_and_to_the_ann() -> None:
    table = perf.table_of(RECORD)
    assert column(table, "speed-up", "x yardstick") == ["1.0", "1.0", DASH, "4.0", "10.0"]
    assert column(table, "step", "x ANN") == ["5.0", "20.0", "1.0", "1.2", "2.0"]
    assert column(table, "memory", "x yardstick") == ["1.00", "1.00", DASH, "0.25", "0.06"]
    assert column(table, "step", "x floor") == ["2.0"] * 5
    assert not any(c.unit == "x baseline" for c in table.columns)


def test_a_record_in_bfloat16_says_so_in_its_heading_and_in_the_names_of_its_figures() -> None:
    narrow = {**RECORD, "precision": "bfloat16"}
    assert perf.table_of(narrow).heading == "Training cost, tiny, batch 8, precision bfloat16"
    assert perf.table_of({**RECORD, "precision": "float32"}).heading == perf.table_of(RECORD).heading
    names = {figure.name for one in (RECORD, narrow) for figure in perf.figures_of(one)}
    assert len(names) == 4


def test_an_earlier_record_gives_a_column_of_its_own() -> None:
    before = record(row("dsr-if-rep", 5, 50.0), row("ann", 1, 20.0))
    assert column(perf.table_of(RECORD, before), "train step", "x baseline") == [DASH, DASH, "1.00", "0.50", DASH]


def test_the_report_holds_table_and_figures(tmp_path: Path) -> None:
    (tmp_path / "perf.json").write_text(json.dumps(RECORD))
    csv = write_rows(tmp_path / "rows.csv", result())
    written = reports.write(reports.read([csv], [tmp_path / "perf.json"]), tmp_path / "report")
    names = {path.name for path in written}
    drawn = {f"{what}-tiny-b8-abacus-2-cores.{ending}" for what in ("step-time", "memory") for ending in ("svg", "pdf")}
    assert drawn <= names
    page = (tmp_path / "report" / "index.html").read_text()
    assert page.count("<figure>") == 2
    for text in ("Training cost, tiny", "dsr-if-rep", "time steps T", "Time of a training step against T"):
        assert text in page
    assert (tmp_path / "report" / "memory-tiny-b8-abacus-2-cores.pdf").read_bytes().startswith(b"%PDF")
    assert "Training cost, tiny" in (tmp_path / "report" / "tables.md").read_text()


def test_the_same_record_draws_the_same_figure() -> None:
    assert [f.svg for f in perf.figures_of(RECORD)] == [f.svg for f in perf.figures_of(RECORD)]


@pytest.mark.parametrize("text", ["", "{}", '{"rows": []}', "[1]"])
def test_what_is_no_record_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.json").write_text(text)
    with pytest.raises(BadInput, match=r"odd.json is no record of `dsr-bench perf`"):
        perf.read([tmp_path / "odd.json"])


def test_two_machines_have_tables_and_figures_of_their_own() -> None:
    other = {**RECORD, "machine": "Calculi, 4 cores"}
    assert perf.table_of(RECORD).title != perf.table_of(other).title
    names = [figure.name for found in (RECORD, other) for figure in perf.figures_of(found)]
    assert len(set(names)) == 4
