"""The committed rows themselves: one content each, parents in their place, curves and predictions beside them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from benchmarks.export import curves
from benchmarks.runs import contents, store
from benchmarks.runs.record import read_csv
from reports.inputs import rows

RESULTS = Path(__file__).resolve().parent.parent / "results"
TABLES = store.tables(RESULTS)
ROWS = [(path, row) for path, found in TABLES.items() for row in found]
PARENTS_ELSEWHERE: set[str] = set()
"""Keys of parents that no committed file has: a child's energy and time are then its own alone."""


def test_every_committed_key_has_one_content() -> None:
    assert len(contents.by_key(ROWS)) > 150
    frame = rows.read(TABLES)
    assert frame["key"].is_unique


def test_every_child_has_its_parents_row_and_none_is_stale() -> None:
    known = store.committed(RESULTS)
    origins = {row["parent_key"] for row in known.values() if row["parent_key"]}
    assert origins - known.keys() == PARENTS_ELSEWHERE
    assert known.keys() == {row["key"] for _, row in ROWS if row["status"] == "done"}


def test_no_child_began_before_its_parent_or_elsewhere() -> None:
    """Rows from before digests tell by time and machine alone that they descend from another training."""
    known = store.committed(RESULTS)
    pairs = [(row, known[row["parent_key"]]) for row in known.values() if row["parent_key"] in known]
    older = [(child, origin) for child, origin in pairs if not child.get("parent_sha256")]
    assert not [child["key"] for child, origin in older if child["started"] < origin["started"]]
    assert not [child["key"] for child, origin in older if child["machine"] != origin["machine"]]


def test_trained_rows_that_name_their_weights_have_curves_beside_them() -> None:
    for path, found in TABLES.items():
        beside = curves.path_of(path)
        known = curves.read(beside)
        wanted = [row for row in found if row["status"] == "done" and row.get("weights_sha256") and int(row["epochs"])]
        assert {row["key"] for row in wanted} <= known.keys(), beside


def test_layers_and_curves_belong_to_committed_rows() -> None:
    for path, found in TABLES.items():
        done = {row["key"] for row in found if row["status"] == "done"}
        for ending in store.BESIDE:
            beside = path.with_name(path.stem + ending)
            assert {line["key"] for line in (read_csv(beside) if beside.exists() else [])} <= done, beside


def test_committed_predictions_are_those_that_rows_name() -> None:
    known = store.committed(RESULTS)
    for path in (RESULTS / "predictions").glob("*.npz"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == known[path.stem]["predictions_sha256"], path
