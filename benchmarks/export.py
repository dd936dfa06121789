"""From run directories to the CSVs that are committed: a row per run, per layer and per epoch, raw quantities."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from benchmarks import csv_files, curves, layers, store
from benchmarks.identity import in_order, key, parent
from benchmarks.record import checked, row, write_csv
from benchmarks.spec import BadInput, Run, Scale
from benchmarks.sweeps import SWEEPS


@dataclass(frozen=True)
class Exported:
    """What was written where, and what was left out because its code was not committed or its recipe has changed."""

    path: Path
    rows: int
    dirty: int
    stale: int


def path_of(sweep: str, scale: Scale, results: Path) -> Path:
    """Smoke rows never stand beside evidence: they go to a folder of their own that is not committed."""
    return results / "smoke" / f"{sweep}.csv" if scale == "smoke" else results / f"{sweep}.csv"


def look(sweep: str, scale: Scale, results: Path) -> None:
    """Read what an export will merge with, before anything is trained. Raises BadInput for what it could not read."""
    path = path_of(sweep, scale, results)
    for found in _old(path).values():
        _is_current(found)
    for beside in (layers.path_of(path), curves.path_of(path)):
        csv_files.keyed(beside)


def _old(path: Path) -> dict[str, dict[str, str]]:
    return {found["key"]: found for found in checked(csv_files.keyed(path), path)}


def export(sweep: str, runs: Iterable[Run], scale: Scale, results: Path) -> Exported:
    """Merge these runs' results into the sweep's CSVs, and rows of theirs that another sweep's CSV has.

    Rows from a dirty tree stay out, unless they are smoke; failed smoke runs of other calls go.
    """
    look(sweep, scale, results)
    path = path_of(sweep, scale, results)
    old = _old(path)
    wanted = in_order(runs)
    kept: dict[str, dict[str, Any]] = {k: found for k, found in old.items() if _is_current(found)}
    stale = len(old) - len(kept)
    if scale == "smoke":  # a smoke run that failed once is no record: only those that were asked for are told of again
        asked = {key(run) for run in wanted}
        kept = {k: found for k, found in kept.items() if found["status"] == "done" or k in asked}
    dirty, measured, fresh = 0, dict[str, list[layers.LayerRow]](), []
    elsewhere = store.committed(results)
    for run in wanted:
        result = store.result(results, run)
        if result is None:
            if found := elsewhere.get(key(run)):
                kept.setdefault(found["key"], found)
            continue
        if scale != "smoke" and _is_dirty(run, results):
            dirty += 1
        elif result.status == "done" or result.key not in kept or kept[result.key]["status"] != "done":
            kept[result.key] = row(result)
            if result.status == "done":
                measured[result.key] = layers.rows_of(store.directory(results, run), result.key)
            fresh.append(run)
    if kept or old:
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = sorted(kept.values(), key=lambda found: _place(found, sweep))
        write_csv(rows, path)
        layers.write(layers.path_of(path), (found["key"] for found in rows), measured)
        curves.export(path, fresh, [found["key"] for found in rows if found["status"] == "done"], results)
    return Exported(path, len(kept), dirty, stale)


def _is_dirty(run: Run, results: Path) -> bool:
    """Whether code that was not committed has made the result, or that of a parent which is here."""
    found, origin = store.result(results, run), parent(run)
    made = found.provenance if found else None
    return bool(made and (made.dirty or made.commit == "unknown")) or bool(origin and _is_dirty(origin, results))


def _is_current(found: dict[str, str]) -> bool:
    """Whether a run of that description would still be the same experiment today.

    Of a method that is not here, as a plug-in may be that is not loaded, nobody can tell: its rows stay.
    """
    try:
        steps, seed = int(found["timesteps"]), int(found["seed"])
    except ValueError as error:
        raise BadInput(f"the row of {found['key']} has no whole timesteps or seed: {error}") from None
    run = Run(found["dataset"], found["network"], found["method"], steps, seed, found["scale"])  # type: ignore[arg-type]
    try:
        return found["scale"] in get_args(Scale) and key(run) == found["key"]
    except BadInput:
        return True


def _place(found: dict[str, Any], sweep: str) -> tuple[Any, ...]:
    """Rows stand in the order of the sweep's methods, so that a diff shows what is new."""
    order = list(SWEEPS[sweep].methods) if sweep in SWEEPS else []
    method = found["method"]
    position = next((i for i, known in enumerate(order) if method.startswith(known)), len(order))
    where = found["scale"], found["dataset"], found["network"]
    return *where, position, method, int(found["timesteps"]), int(found["seed"])
