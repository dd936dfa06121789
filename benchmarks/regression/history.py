"""The history of all checks, one row per quantity, appended to `results/regression/history/<machine>.csv`.

`reports` plots it commit by commit. Findings about result rows are stored only if they are not "same", because git has
the history of result rows.
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
    """Raise BadInput before anything is measured if this machine's history has other columns."""
    path = _path(results, _machine())
    if path.exists() and (stored := csv_files.rows(path)) and tuple(stored[0]) != COLUMNS:
        raise BadInput(f"{path} is not a history of `dsr-bench regression`; move it away")


def append(findings: Iterable[Finding], results: Path) -> Path | None:
    """Append the findings that have a value to this machine's history; returns its path, None if nothing was added."""
    here, machine = provenance(), _machine()
    origin = {"started": here.started, "commit": here.commit, "dirty": here.dirty, "machine": machine}
    kept = [each for each in findings if each.value is not None and not (each.part == rows.PART and _is_same(each))]
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
        writer.writerows({**origin, **{name: _text(value) for name, value in vars(each).items()}} for each in kept)
    return path


def _path(results: Path, machine: str) -> Path:
    return folder(results) / f"{slug(machine)}.csv"


def _machine() -> str:
    here = provenance()
    return here.machine if here.device == "cpu" else here.device


def _is_same(finding: Finding) -> bool:
    return finding.verdict == "same"


def _text(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value
