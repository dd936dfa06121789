"""Whether a disturbed sweep has left what an undisturbed one leaves: no less, no more, and bit for bit the same.

MLflow's database is read as a database, because what wrote it cannot vouch for it.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workload import TRACES, Broken, Place

from benchmarks.data.events.stored import COMPARED, MANIFEST

OF_THE_MOMENT = frozenset(
    (
        *("train_seconds", "train_cpu_seconds", "train_step_ms", "train_step_ms_iqr", "test_images_per_second"),
        *("peak_step_bytes", "idle_bytes", "peak_reserved_bytes", "other_load_cores", "core_gflops"),
        *("train_joules", "train_joules_source", "started", "commit", "dirty"),
    )
)
"""Columns that hold times, memory, load, and when and from which commit a run was made."""
TIMES = re.compile(
    r"^(epoch/train_|time/|mem/|throughput/|result/(train_step_ms_iqr|other_load_cores|core_gflops|.*bytes|.*joules))"
)
"""MLflow's names of the same."""
BIT_EQUAL = re.compile(
    r"^(runs/.*/(network\.pt|predictions\.npz|ledger\.csv|rates\.csv|stops\.json|neurobench\.json|run\.json)"
    r"|smoke/.*-layers\.csv|reports/[^/]*/checklist\.md)$"
)
TABLES = re.compile(r"^(runs/.*/curves\.csv|smoke/[^/]*\.csv)$")
RESULTS = re.compile(r"^runs/.*/result\.json$")
FREE = re.compile(r"^mlartifacts/.|/\.lock$")
"""MLflow names its folders at random, and whether runs have locks is up to how they are claimed."""


@dataclass(frozen=True)
class Fingerprint:
    """What a results folder and the packed frames hold, as far as it may not depend on the moment."""

    paths: frozenset[str]
    contents: Mapping[str, Any]
    frames: Mapping[str, str]
    mirrored: Mapping[str, Any]
    artifacts: Counter[str]

    @property
    def runs(self) -> int:
        return sum(bool(RESULTS.match(path)) for path in self.paths)


def fingerprint(place: Place) -> Fingerprint:
    """Read everything. Raises Broken for a database that is damaged."""
    try:  # first: whoever reads a database ends what a kill has cut short
        mirrored = _mirrored(place.results / "mlflow.db")
    except sqlite3.Error as error:
        raise Broken(f"MLflow's database: {error}") from error
    below = [path.relative_to(place.results).as_posix() for path in place.results.rglob("*")]
    paths = frozenset(path for path in below if not FREE.search(path))
    files = Counter(path.rpartition("/")[2] for path in below if "/artifacts/" in path)
    contents = {path: found for path in sorted(paths) if (found := _content(place.results / path, path)) is not None}
    return Fingerprint(paths, contents, dict(_frames(place)), mirrored, files)


def differences(found: Fingerprint, expected: Fingerprint) -> list[str]:
    """A line for each thing that differs."""
    lines = [f"left behind: {path}" for path in sorted(found.paths - expected.paths)]
    lines += [f"missing: {path}" for path in sorted(expected.paths - found.paths)]
    for what in ("contents", "frames", "mirrored", "artifacts"):
        lines += _unequal(what, getattr(found, what), getattr(expected, what))
    return lines


def traces(place: Place) -> list[str]:
    """Logs of runs that hold a traceback."""
    logs = {log: log.read_text(errors="replace") for log in place.results.glob("runs/*/*/log*.txt")}
    return [f"a traceback in {log}\n{text}" for log, text in logs.items() if any(trace in text for trace in TRACES)]


def _unequal(what: str, found: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name) != expected.get(name):
            yield f"{what}: {name} is {_short(found.get(name))}, undisturbed {_short(expected.get(name))}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 600 else f"{text[:600]}..."


def _content(path: Path, name: str) -> Any:
    """What has to be equal of a file; None where nothing has to."""
    if path.is_dir():
        return None
    if BIT_EQUAL.match(name):
        return hashlib.sha256(path.read_bytes()).hexdigest()
    if TABLES.match(name):
        with path.open(newline="", encoding="utf-8") as file:
            return [_lasting(row) for row in csv.DictReader(file)]
    if RESULTS.match(name):
        stored = json.loads(path.read_text(encoding="utf-8"))
        return _lasting(stored | stored.pop("provenance"))
    return None


def _lasting(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in OF_THE_MOMENT}


def _frames(place: Place) -> Iterator[tuple[str, str]]:
    for path in sorted(place.frames.rglob("*")):
        name = path.relative_to(place.frames).as_posix()
        yield name, hashlib.sha256(_of_frames(path)).hexdigest() if path.is_file() else "a folder"


def _of_frames(path: Path) -> bytes:
    """A file's bytes; of a manifest, without the times of the files that it names."""
    if path.name != MANIFEST:
        return path.read_bytes()
    try:
        entries = json.loads(path.read_bytes())
    except ValueError:
        return path.read_bytes()
    return json.dumps({name: value for name, value in entries.items() if name != COMPARED}).encode()


def _mirrored(database: Path) -> dict[str, Any]:
    """By key of a run or name of a sweep: every MLflow run of it, with status, metrics, models and data sets."""
    if not database.exists():
        return {}
    store = sqlite3.connect(database)
    try:
        (sound,) = store.execute("pragma integrity_check").fetchone()
        if sound != "ok":
            raise sqlite3.DatabaseError(sound)
        found: dict[str, Any] = {}
        runs = store.execute("select run_uuid, name, status from runs where lifecycle_stage = 'active'").fetchall()
        names = {number: name for number, name, _ in runs}
        for number, name, status in runs:
            tags = dict(store.execute("select key, value from tags where run_uuid = ?", (number,)))
            label = tags.get("snn.run_key") or f"sweep {name}"
            parent = names.get(tags.get("mlflow.parentRunId"))
            found.setdefault(label, []).append({"parent": parent, **_entry(store, number, status, tags)})
        return {label: sorted(entries, key=repr) for label, entries in found.items()}
    finally:
        store.close()


def _entry(store: sqlite3.Connection, number: str, status: str, tags: Mapping[str, str]) -> dict[str, Any]:
    metrics = store.execute("select key, step, value from metrics where run_uuid = ?", (number,)).fetchall()
    models = "select count(*) from logged_models where source_run_id = ? and lifecycle_stage = 'active' and status = 2"
    measured = "select count(*) from logged_model_metrics where run_id = ?"
    data = "select count(*) from inputs where destination_id = ? and source_type = 'DATASET'"
    return {
        "kind": tags.get("snn.kind"),
        "status": status,
        "told": tags.get("snn.status"),
        "metrics": sorted((key, step, None if TIMES.match(key) else value) for key, step, value in metrics),
        "models": store.execute(models, (number,)).fetchone()[0],
        "metrics of models": store.execute(measured, (number,)).fetchone()[0],
        "data sets": store.execute(data, (number,)).fetchone()[0],
    }
