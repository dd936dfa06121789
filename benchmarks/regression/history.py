"""What every check found, one row per quantity: `results/regression/history/<machine>.csv`, appended to.

Rows are data for `reports`, which draws them commit by commit. Of result rows only those that moved are kept: their
history is git's.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from benchmarks.perf.record import slug
from benchmarks.provenance import provenance
from benchmarks.record import replacing
from benchmarks.regression import rows
from benchmarks.regression.finding import Finding

COLUMNS = (
    *("started", "commit", "dirty", "machine", "part", "group", "quantity", "verdict"),
    *("value", "baseline", "limit", "unit", "since"),
)


def folder(results: Path) -> Path:
    return results / "regression" / "history"


def append(findings: Iterable[Finding], results: Path) -> Path | None:
    """Add the findings that have a value to this machine's history; returns its path, None where there were none."""
    here = provenance()
    machine = here.machine if here.device == "cpu" else here.device
    origin = {"started": here.started, "commit": here.commit, "dirty": here.dirty, "machine": machine}
    kept = [found for found in findings if found.value is not None and not (found.part == rows.PART and _still(found))]
    if not kept:
        return None
    path = folder(results) / f"{slug(machine)}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    with replacing(path) as file:
        file.write(before)
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n", extrasaction="ignore")
        if not before:
            writer.writeheader()
        writer.writerows({**origin, **{name: _text(value) for name, value in vars(found).items()}} for found in kept)
    return path


def _still(found: Finding) -> bool:
    return found.verdict == "same"


def _text(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value
