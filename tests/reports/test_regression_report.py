"""The history of regression checks, as a table and small figures."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

import reports
from benchmarks.regression.finding import Verdict
from benchmarks.regression.history import COLUMNS
from benchmarks.spec import BadInput
from reports.rendering.table import DASH
from reports.studies import regression

STEP = {"part": "steps", "group": "dsr-if T=5", "quantity": "train step", "unit": "kernels", "limit": 3.45}


def check(day: int, value: float, verdict: str, baseline: float | str = 3.0, **more: object) -> dict[str, object]:
    facts = {"started": f"2026-11-{day:02}T00:00:00", "commit": f"{day:040}", "dirty": "False", "machine": "Abacus"}
    return {**facts, **STEP, "value": value, "baseline": baseline, "verdict": verdict, "since": "c" * 40, **more}


def history(path: Path, *rows: dict[str, object]) -> Path:
    lines = [",".join(COLUMNS), *(",".join(f'"{row[name]}"' for name in COLUMNS) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


ACCURACY = {"part": "convergence", "group": "digits, dsr-if T=4", "quantity": "accuracy", "unit": "%", "limit": 89.0}
CHECKS = (
    check(1, 3.0, "same"),
    check(1, 91.0, "same", 91.0, **ACCURACY),
    check(2, 3.9, "worse"),
    check(2, 90.0, "same", 91.0, **ACCURACY),
    check(2, 1.5, "new", "", group="ann T=1", limit="", since=""),
)


def test_a_line_is_the_latest_check_of_a_quantity(tmp_path: Path) -> None:
    (frame,) = regression.read([history(tmp_path / "h.csv", *CHECKS)])
    table = regression.table_of(frame)
    lines = {row[0].text: [cell.text + cell.marks for cell in row[1:]] for row in table.rows}
    assert lines["dsr-if T=5"] == [
        *("train step", "worse!", "3.9 kernels", "3 kernels", "+30.0 %", "+15.0 %", "cccccccc", "2")
    ]
    assert lines["digits, dsr-if T=4"] == [
        *("accuracy", "same", "90 %", "91 %", "-1.00 points", "-2.00 points", "cccccccc", "2")
    ]
    assert lines["ann T=1"] == ["train step", "new", "1.5 kernels", DASH, DASH, DASH, DASH, "1"]
    assert table.notes[0].startswith("2 checks of 2 commits, 2026-11-01 to 2026-11-02")
    assert "1 of 3 are worse than allowed." in table.notes


def test_a_figure_shows_every_check_and_the_threshold(tmp_path: Path) -> None:
    path = history(tmp_path / "h.csv", *CHECKS)
    written = reports.write(reports.read([], history_paths=[path]), tmp_path / "page")
    figures = sorted(found.name for found in written if found.suffix == ".svg")
    assert figures == ["regression-convergence-accuracy-abacus.svg", "regression-steps-train-step-abacus.svg"]
    page = (tmp_path / "page" / "index.html").read_text()
    for text in ("Regression checks", "1: threshold", "dsr-if T=5", "00000000"):
        assert text in page


def test_the_same_history_draws_the_same_figure(tmp_path: Path) -> None:
    (frame,) = regression.read([history(tmp_path / "h.csv", *CHECKS)])
    assert [f.svg for f in regression.figures_of(frame)] == [f.svg for f in regression.figures_of(frame)]


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", ",".join(COLUMNS) + "\n"])
def test_what_is_no_history_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.csv").write_text(text)
    with pytest.raises(BadInput, match=r"odd\.csv"):
        regression.read([tmp_path / "odd.csv"])


def test_verdicts_are_those_of_the_checks() -> None:
    assert {*regression.VERDICTS} == {*get_args(Verdict)}
