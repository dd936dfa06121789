"""Rows whose parent was trained again are left out and named; two contents under one key are an error."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from invented import ann, conversion, write_rows

from benchmarks.spec import BadInput
from reports.inputs import rows
from reports.tables import comparison

OLD, NEW = "a" * 64, "b" * 64


def read(tmp_path: Path, *given: dict) -> pd.DataFrame:
    return rows.read([write_rows(tmp_path / "rows.csv", *given)])


def test_two_contents_of_a_key_are_an_error_that_names_both_files(tmp_path: Path) -> None:
    one = write_rows(tmp_path / "one.csv", ann(top1=54.11))
    two = write_rows(tmp_path / "two.csv", ann(top1=47.74))
    with pytest.raises(BadInput, match=f"^parent has two contents: top1 54.11 in {one} and 47.74 in {two}; "):
        rows.read([one, two])
    again = write_rows(tmp_path / "again.csv", ann(top1=54.11, train_seconds=1.0))
    assert rows.read([one, again])["train_seconds"].tolist() == [1.0]


def test_of_one_content_the_row_that_names_its_weights_is_kept(tmp_path: Path) -> None:
    named = write_rows(tmp_path / "named.csv", ann(weights_sha256=NEW, train_seconds=1.0))
    older = write_rows(tmp_path / "older.csv", ann(train_seconds=2.0))
    for order in ([named, older], [older, named]):
        assert rows.read(order)["weights_sha256"].tolist() == [NEW]


def test_a_failed_row_is_no_content(tmp_path: Path) -> None:
    done = write_rows(tmp_path / "done.csv", ann(top1=54.11))
    failed = write_rows(tmp_path / "failed.csv", ann(top1=None, status="failed"))
    assert rows.read([done, failed])["status"].tolist() == ["done"]


def test_a_stale_child_is_left_out_and_said_at_the_foot(tmp_path: Path) -> None:
    stale = conversion(parent_sha256=OLD, seed=0, top1=35.0)
    fitting = conversion(parent_sha256=NEW, seed=1, top1=50.0)
    unknown = conversion(seed=2, top1=60.0)
    frame = read(tmp_path, ann(weights_sha256=NEW), stale, fitting, unknown)
    assert frame["top1"].tolist() == [90.0, 50.0, 60.0]
    foot = "; ".join(f"{label}: {text}" for label, text in comparison.origin(frame).items())
    assert "left out, for their parent has been trained again and they have not: " in foot
    assert stale["key"] in foot
    assert fitting["key"] not in foot
    assert "left out" not in "".join(comparison.origin(read(tmp_path, ann(), fitting)))


def test_stale_rows_are_handed_out_apart(tmp_path: Path) -> None:
    frame = pd.DataFrame([ann(weights_sha256=NEW), conversion(parent_sha256=OLD)])
    kept, stale = rows.parted(frame)
    assert (kept["method"].tolist(), stale["method"].tolist()) == (["qcfs-ann"], ["qcfs"])
