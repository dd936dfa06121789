"""A file that makes no sense is refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from invented import result, write_rows

from benchmarks.runs.record import COLUMNS
from benchmarks.spec import BadInput
from reports.tables.comparison import read


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"cannot read .*nowhere\.csv: No such file"):
        read([tmp_path / "nowhere.csv"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        (",".join(COLUMNS) + "\n", "has no rows"),
        ("key,dataset\n1,digits\n", "lacks the columns parent_key, network"),
        ("\xff", "cannot read .*, line 1: it is not UTF-8"),
    ],
)
def test_a_file_that_is_no_result_csv_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "odd.csv"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(BadInput, match=message) as caught:
        read([path])
    assert "odd.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"top1": "good"}, "rows.csv: column top1: 'good' of .* is not a number"),
        ({"top1": 150.0}, "column top1: 150.0 of .* is not within 0 and 100"),
        ({"top1_best": float("inf")}, "column top1_best: inf of .* is not within 0 and 100"),
        ({"test_images": 0}, "column test_images: 0 of .* is not within 1 and inf"),
        ({"status": "odd"}, "column status: 'odd' of .*; allowed: done, failed, out-of-memory"),
        ({"key": ""}, "column key has an empty cell"),
        ({"top1": None}, "column top1: .* is done and has no accuracy"),
        ({"top1": float("nan")}, "column top1: nan of .* is not within 0 and 100"),
        ({"key": "a" * 16, "parent_key": "a" * 16}, "column parent_key: a+ names itself as its parent"),
        ({"scale": "huge"}, "column scale: 'huge' of .*; allowed: paper, short"),
        ({"timesteps": 4.5}, "column timesteps"),
        ({"timesteps": None}, "column timesteps has an empty cell"),
    ],
)
def test_a_cell_that_makes_no_sense_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read([write_rows(tmp_path / "rows.csv", result(**changes))])


@pytest.mark.parametrize("padded", [" 90.5", "90.5 ", "90.5\xa0", "\u300090.5"])
def test_a_number_that_a_spreadsheet_pads_is_that_number(tmp_path: Path, padded: str) -> None:
    frame = read([write_rows(tmp_path / "rows.csv", result(top1=padded))])
    assert frame["top1"].tolist() == [90.5]


def test_no_file_at_all_is_refused() -> None:
    with pytest.raises(BadInput, match="no CSV file"):
        read([])
