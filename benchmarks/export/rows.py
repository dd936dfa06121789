"""From run directories to the CSVs that are committed: a row per run, per layer and per epoch, raw quantities."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from benchmarks.campaigns import NAMED
from benchmarks.export import curves, layers, prediction_files
from benchmarks.export.pending import Fresh, Lines, Tables, collect, judge, named
from benchmarks.files import csv_files
from benchmarks.runs import contents, store
from benchmarks.runs.contents import Row
from benchmarks.runs.identity import key
from benchmarks.runs.job import jobs_of
from benchmarks.runs.record import COLUMNS, checked, write_csv
from benchmarks.spec import BadInput, Run, Scale


@dataclass(frozen=True)
class Exported:
    """What was written where, and what was left out because its code was not committed or its recipe has changed.

    `refused`: a line for every result that is not exported for another reason, a committed row that contradicts it
    above all, and for every file of predictions that contradicts its row. `changes`: a line for every committed row
    that was replaced, or taken out because it descends from one. `unknown`: how many of those `dirty` are left out
    because no commit of their code is known.
    """

    path: Path
    rows: int
    dirty: int
    stale: int
    refused: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    unknown: int = 0


def path_of(sweep: str, scale: Scale, results: Path) -> Path:
    """The CSV file of a sweep; smoke rows are no evidence and go to a folder of their own that is not committed."""
    return results / "smoke" / f"{sweep}.csv" if scale == "smoke" else results / f"{sweep}.csv"


def look(sweep: str, scale: Scale, results: Path) -> None:
    """Read what an export will merge with, before anything is trained. Raises BadInput for what it could not read."""
    path = path_of(sweep, scale, results)
    for found in _old(path).values():
        _is_current(found)
    for rows in [path] if scale == "smoke" else [path, *store.tables(results)]:  # other sweeps' files may lend lines
        layers.read(layers.path_of(rows))
        curves.read(curves.path_of(rows))
    if scale != "smoke":
        prediction_files.look(results)


def _old(path: Path) -> dict[str, dict[str, str]]:
    return {found["key"]: found for found in checked(csv_files.keyed(path, COLUMNS), path)}


def export(sweep: str, runs: Iterable[Run], scale: Scale, results: Path, replace: bool = False) -> Exported:
    """Merge these runs' results into the sweep's CSVs, and rows of theirs that another sweep's CSV has.

    Rows from a dirty tree stay out, unless they are smoke; failed smoke runs of other calls leave. `replace`: a result
    that contradicts a committed row takes its place in every file, and rows that descend from the old one leave.
    """
    look(sweep, scale, results)
    path, jobs = path_of(sweep, scale, results), jobs_of(runs, results)
    fresh = collect(jobs, scale)
    committed: Tables = {} if scale == "smoke" else store.tables(results)
    judge(fresh, committed, sweep, replace)
    elsewhere = {} if scale == "smoke" else store.committed(results, fresh.replaced)
    old, names = _old(path), [job.key for job in jobs]
    kept = _merged(old, names, fresh, elsewhere)
    gone = len(old.keys() - kept.keys() - fresh.out.keys())
    if scale == "smoke":  # a smoke run that failed once is no record: only those that were asked for are told of again
        kept = {name: found for name, found in kept.items() if found["status"] == "done" or name in names}
    others = [other for other in committed if other != path]
    if kept or old:
        _write(path, sorted(kept.values(), key=lambda found: _place(found, sweep)), fresh, others)
    for other in others:
        if any(found["key"] in fresh.replaced or found["key"] in fresh.out for found in committed[other]):
            _write(other, _mended(committed[other], fresh), fresh, [])
    wrong: list[str] = []
    if scale != "smoke":
        wrong = _update_predictions(fresh, results)
    changes = (*fresh.replaced.values(), *(f"{named(found)} ({k}) taken out" for k, found in fresh.out.items()))
    return Exported(path, len(kept), fresh.dirty, gone, (*fresh.refused.values(), *wrong), changes, fresh.unknown)


def _update_predictions(fresh: Fresh, results: Path) -> list[str]:
    """Copy and remove files of predictions. Returns a line for each that contradicts its row."""
    finished = ((path, row) for path, rows in store.tables(results).items() for row in rows)
    return prediction_files.update(fresh.places, contents.by_key(finished), fresh.replaced, results)


def _merged(old: Mapping[str, Row], names: Iterable[str], fresh: Fresh, elsewhere: Mapping[str, Row]) -> dict[str, Row]:
    """The rows of a sweep's file by key: a finished row before one that failed, what is here before what is not."""
    kept = {name: found for name, found in old.items() if name not in fresh.out and _is_current(found)}
    allowed = fresh.allowed()
    for name in names:
        here, there = allowed.get(name), elsewhere.get(name)
        if here and (here["status"] == "done" or name not in kept or kept[name]["status"] != "done"):
            kept[name] = here
        if there and name not in fresh.out and (name not in kept or kept[name]["status"] != "done"):
            kept[name] = there
    return kept


def _mended(rows: Sequence[Row], fresh: Fresh) -> list[Row]:
    """Another sweep's rows, those that are replaced and those that leave."""
    staying = (found for found in rows if found["key"] not in fresh.out)
    return [fresh.rows[found["key"]] if found["key"] in fresh.replaced else found for found in staying]


def _write(path: Path, rows: Sequence[Row], fresh: Fresh, others: Sequence[Path]) -> None:
    """Rows with layers and curves: as they are here, else as in the files beside, else as in other sweeps'."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_csv(map(dict, rows), path)
    keys = [found["key"] for found in rows if found["status"] == "done"]
    for beside in (layers, curves):
        measured = fresh.layers if beside is layers else fresh.curves
        target = beside.path_of(path)
        known = measured | _borrowed(beside.read, target, map(beside.path_of, others), {*keys} - fresh.places.keys())
        beside.write(target, keys, known, fresh.replaced)


def _borrowed(read: Callable[[Path], Mapping[str, Any]], target: Path, others: Iterable[Path], keys: set[str]) -> Lines:
    """What other sweeps' files say of runs that the target knows nothing of."""
    missing, found = keys - read(target).keys() if keys else set[str](), Lines()
    for other in others if missing else ():
        found |= {name: lines for name, lines in read(other).items() if name in missing and name not in found}
    return found


def _is_current(found: Row) -> bool:
    """Whether a run of that description would still be the same experiment today.

    Of a method that is not here, as a plug-in may be that is not loaded, nobody can tell: its rows stay.
    """
    steps, seed = int(float(found["timesteps"])), int(float(found["seed"]))
    run = Run(found["dataset"], found["network"], found["method"], steps, seed, found["scale"])  # type: ignore[arg-type]
    try:
        return found["scale"] in get_args(Scale) and key(run) == found["key"]
    except BadInput:
        return True


def _place(found: Row, sweep: str) -> tuple[Any, ...]:
    """Rows are in the order of the sweep's methods, so that a diff shows what is new."""
    order = list(NAMED[sweep].methods) if sweep in NAMED else []
    method = found["method"]
    position = next((i for i, known in enumerate(order) if method.startswith(known)), len(order))
    where = found["scale"], found["dataset"], found["network"]
    return *where, position, method, float(found["timesteps"]), float(found["seed"])
