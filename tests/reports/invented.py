"""CSV rows made up for the report tests, and how to find a cell or a note in a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.runs.record import Provenance, Result, row, write_csv
from reports.cost.costs import with_costs
from reports.rendering.table import Cell, Table
from reports.tables.comparison import aggregate, compare, read

ORIGIN = Provenance(
    commit="0123456789abcdef",
    dirty=False,
    started="2025-03-02T10:00:00+00:00",
    machine="bench-01",
    device="cpu",
    threads=2,
    python="3.11",
    torch="2.13",
    data_sha256="aa",
    data_source="invented",
)


def result(**changes: Any) -> dict[str, Any]:
    """One CSV row of a spiking run at T = 4; its key follows from what identifies it."""
    facts: dict[str, Any] = {
        "parent_key": None, "dataset": "digits", "network": "tiny", "method": "dsr-if", "timesteps": 4, "seed": 0,
        "scale": "laptop", "status": "done", "top1": 90.0, "test_images": 360, "epochs": 10, "train_seconds": 10.0,
        "train_step_ms": 50.0, "other_load_cores": 0.0, "peak_step_bytes": 5 * 2**20, "idle_bytes": 2 * 2**20,
        "dense_macs_per_step": 20_000, "analog_macs": 1_000.0, "analog_macs_every_step": 4_000.0, "acs": 10_000.0,
        "provenance": ORIGIN,
    }  # fmt: skip
    facts |= changes
    identity = ("dataset", "network", "scale", "method", "timesteps", "seed")
    facts.setdefault("key", "/".join(str(facts[name]) for name in identity))
    return row(Result(**facts))


def ann(**changes: Any) -> dict[str, Any]:
    """One row of a network that does not spike."""
    facts = {"method": "qcfs-ann", "timesteps": 1, "key": "parent", "acs": 0.0, "analog_macs": 5_000.0}
    return result(**facts | {"train_seconds": 300.0, "train_step_ms": 20.0} | changes)


def conversion(**changes: Any) -> dict[str, Any]:
    """One row of a converted network, which has no training of its own."""
    nothing = {"train_seconds": None, "train_step_ms": None, "peak_step_bytes": None, "idle_bytes": None}
    return result(**{"method": "qcfs", "parent_key": "parent", "epochs": 0} | nothing | changes)


def write_rows(path: Path, *rows: dict[str, Any]) -> Path:
    write_csv(rows, path)
    return path


def tables(tmp_path: Path, *rows: dict[str, Any]) -> list[Table]:
    return tables_of(write_rows(tmp_path / "rows.csv", *rows))


def tables_of(*paths: Path) -> list[Table]:
    frame = read(paths)
    return compare(frame, aggregate(with_costs(frame)))


def cell(table: Table, label: str, method: str = "dsr-if", timesteps: int = 4) -> Cell:
    labels = [column.label for column in table.columns]
    (line,) = [line for line in table.rows if line[0].text == method and line[1].text == str(timesteps)]
    return line[labels.index(label)]


def note(table: Table, word: str) -> str:
    """The only note with this word, or nothing."""
    found = [text for text in table.notes if word in text]
    assert len(found) < 2
    return found[0] if found else ""
