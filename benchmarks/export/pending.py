"""Results that are here and wait for export: what goes with each, and which a committed row contradicts.

A key has one content wherever it is committed. A result of another content is refused, with all that descends from it,
until somebody asks for it to take the old one's place; then the rows that descend from the old one leave.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.campaigns import NAMED
from benchmarks.export import curves, layers
from benchmarks.runs import agreement, contents, store
from benchmarks.runs.contents import Row
from benchmarks.runs.job import Job
from benchmarks.runs.record import row
from benchmarks.spec import BadInput, Scale

Tables = Mapping[Path, Sequence[Row]]
Lines = dict[str, list[Any]]


@dataclass
class Fresh:
    """By key, parents first: rows, and of finished runs the directories, layers and curves.

    `dirty`: how many were left out because their code was not committed, `unknown` of them because no commit is known.
    `refused`: why a row may not be written. `replaced`: whose place a row takes. `out`: committed rows that have to
    leave.
    """

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    places: dict[str, Path] = field(default_factory=dict)
    layers: Lines = field(default_factory=dict)
    curves: Lines = field(default_factory=dict)
    dirty: int = 0
    unknown: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    replaced: dict[str, str] = field(default_factory=dict)
    out: dict[str, Row] = field(default_factory=dict)

    def allowed(self) -> dict[str, dict[str, Any]]:
        """The rows that may be written."""
        return {name: found for name, found in self.rows.items() if name not in self.refused}


def collect(jobs: Iterable[Job], scale: Scale) -> Fresh:
    """What the run directories hold, parents first. Of smoke runs nothing is left out."""
    fresh = Fresh()
    for job in jobs:
        result = job.result()
        if result and scale != "smoke" and _is_dirty(job):
            fresh.dirty += 1
            fresh.unknown += result.provenance.commit == "unknown"
        elif result:
            fresh.rows[result.key] = row(result)
            if result.status == "done":
                _add(fresh, job, result.key, bool(result.epochs))
    return fresh


def _add(fresh: Fresh, job: Job, name: str, trained: bool) -> None:
    """What a finished run's directory holds besides its row; refused if damaged, incomplete or outdated."""
    place = fresh.places[name] = job.place
    try:
        fresh.layers[name], fresh.curves[name] = layers.rows_of(place, name), curves.rows_of(place, name)
    except BadInput as error:
        fresh.layers[name], fresh.curves[name] = [], []
        reason = str(error)
    else:
        reason = _defect(fresh, job, name, trained)
    if reason:
        fresh.refused[name] = f"{job} ({name}) not exported: {reason}"


def _defect(fresh: Fresh, job: Job, name: str, trained: bool) -> str:
    """Why a finished run's directory is no evidence of its row; empty if it is."""
    path, curve = fresh.places[name] / store.CURVES, fresh.curves[name]
    if trained and not curve:
        return f"it was trained, and {path} is missing"
    if not job.is_done():
        return "its parent was trained again since, and it was not"
    if curve and (contradiction := agreement.curve_differs(curve, fresh.rows[name])):
        return f"{contradiction} ({path})"
    lines = [asdict(line) for line in fresh.layers[name]]
    contradiction = agreement.layers_differ(lines, fresh.rows[name]) if lines else ""
    return contradiction and f"{contradiction} ({fresh.places[name] / store.LEDGER})"


def _is_dirty(job: Job) -> bool:
    """Whether code that was not committed has made the result, or that of a parent which is here."""
    result = job.result()
    made = result.provenance if result else None
    return bool(made and (made.dirty or made.commit == "unknown")) or bool(job.parent and _is_dirty(job.parent))


def judge(fresh: Fresh, committed: Tables, sweep: str, replace: bool) -> None:
    """Decide on every finished result that contradicts a committed row, or descends from one that does."""
    everywhere = [(path, found) for path, rows in committed.items() for found in rows if found["status"] == "done"]
    known = {found["key"]: found for _, found in everywhere}
    by_key: dict[str, list[tuple[Path, Row]]] = {}
    for path, found in everywhere:
        by_key.setdefault(found["key"], []).append((path, found))
    outdated = contents.stale(known)
    for name in fresh.places:
        if name in fresh.refused or _is_orphan(fresh, name, known):
            continue
        if contradicted := _contradiction(fresh, name, by_key.get(name, ())):
            path, said = contradicted
            if replace or name in outdated:
                fresh.replaced[name] = f"{said}: replaced"
            else:
                where = sweep if sweep in NAMED else path.stem
                fresh.refused[name] = f"{said}: not exported; `dsr-bench export {where} --replace` replaces the old row"
    below = contents.descendants(known, fresh.replaced)
    written = fresh.allowed()
    fresh.out = {k: child for k, child in below.items() if k not in written and not _fits(child, written)}


def _is_orphan(fresh: Fresh, name: str, known: Mapping[str, Row]) -> bool:
    """Whether the row's parent is refused, or has other weights where it is committed; then the row is refused, too."""
    found = fresh.rows[name]
    origin = found["parent_key"]
    if origin in fresh.refused:
        fresh.refused[name] = f"{named(found)} ({name}) not exported: it descends from {origin}, which is not either"
    elif origin not in fresh.rows and contents.other(found, known.get(origin, {})):
        fresh.refused[name] = f"{named(found)} ({name}) not exported: the committed row of {origin} has other weights"
    return name in fresh.refused


def _contradiction(fresh: Fresh, name: str, committed: Iterable[tuple[Path, Row]]) -> tuple[Path, str] | None:
    """The first committed row of a run that says something else of it, and both values in a line."""
    found = fresh.rows[name]
    for path, other in committed:
        if differing := contents.difference(other, found):
            column, was, now = differing
            return path, f"{named(found)} ({name}) has {column} {was} in {path} and {now} in {fresh.places[name]}"
    return None


def _fits(child: Row, written: Mapping[str, Row]) -> bool:
    """Whether a committed row is known to have started from the weights that its parent's new row has."""
    weights = written.get(child["parent_key"], {}).get("weights_sha256")
    return bool(weights) and child.get("parent_sha256") == weights


def named(found: Row) -> str:
    """A run as its row names it."""
    return f"{found['method']} on {found['dataset']}, T={found['timesteps']} seed {found['seed']}"
