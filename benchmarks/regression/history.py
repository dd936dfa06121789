"""What every check found, one row per quantity: `results/regression/history/<machine>.csv`, appended to.

Rows are data for `reports`, which draws them commit by commit. Of result rows only those that moved are kept: their
history is git's.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from benchmarks.files import csv_files
from benchmarks.measurement.provenance import provenance
from benchmarks.perf.record import slug
from benchmarks.regression import rows
from benchmarks.regression.finding import Finding
from benchmarks.runs.record import replacing
from benchmarks.spec import BadInput

COLUMNS = (
    *("started", "commit", "dirty", "machine", "part", "group", "quantity", "verdict"),
    *("value", "baseline", "limit", "unit", "since"),
)


def folder(results: Path) -> Path:
    return results / "regression" / "history"


def look(results: Path) -> None:
    """Raise BadInput where this machine's history cannot be added to, before anything is measured."""
    path = _path(results, _machine())
    if path.exists() and (found := csv_files.rows(path)) and tuple(found[0]) != COLUMNS:
        raise BadInput(f"{path} is no history of `dsr-bench regression`: move it away")


def append(findings: Iterable[Finding], results: Path) -> Path | None:
    """Add the findings that have a value to this machine's history; returns its path, None where there were none."""
    here, machine = provenance(), _machine()
    origin = {"started": here.started, "commit": here.commit, "dirty": here.dirty, "machine": machine}
    kept = [found for found in findings if found.value is not None and not (found.part == rows.PART and _still(found))]
    if not kept:
        return None
    path = _path(results, machine)
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    with replacing(path) as file:
        file.write(before)
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n", extrasaction="ignore")
        if not before:
            writer.writeheader()
        writer.writerows({**origin, **{name: _text(value) for name, value in vars(found).items()}} for found in kept)
    return path


def _path(results: Path, machine: str) -> Path:
    return folder(results) / f"{slug(machine)}.csv"


def _machine() -> str:
    here = provenance()
    return here.machine if here.device == "cpu" else here.device


def _still(found: Finding) -> bool:
    return found.verdict == "same"


def _text(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value
