"""What a sweep still has to do: the runs in order, which are done (here or in a committed CSV), which are missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.runs import store
from benchmarks.runs.identity import in_order, key, parent
from benchmarks.spec import Run


@dataclass(frozen=True)
class Plan:
    """`runs`: all, parents first. `committed`: keys that only a CSV file knows. `missing`: what has to be run here."""

    runs: list[Run]
    committed: dict[str, Mapping[str, str]]
    missing: list[Run]
    resumable: list[Run]


def plan(wanted: Iterable[Run], results: Path) -> Plan:
    """Look at the run directories and the committed rows. A parent whose weights are needed and not here runs again."""
    runs = in_order(wanted)
    rows = store.committed(results)
    missing = {run: None for run in runs if not store.is_done(results, run) and key(run) not in rows}
    for run in list(missing):
        origin = parent(run)
        if origin and not store.has_weights(results, origin):
            missing[origin] = None
    ordered = [run for run in runs if run in missing]
    resumable = [run for run in ordered if (store.directory(results, run) / store.CHECKPOINT).exists()]
    settled = [run for run in runs if run not in missing and not store.is_done(results, run)]
    committed = {key(run): rows[key(run)] for run in settled}
    return Plan(runs, committed, ordered, resumable)
