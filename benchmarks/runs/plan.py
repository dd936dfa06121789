"""What a sweep still has to do: the runs in order, which are done (here or in a committed CSV), which are missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.runs import store
from benchmarks.runs.job import Job, jobs_of
from benchmarks.spec import Run


@dataclass(frozen=True)
class Plan:
    """`jobs`: all, parents first. `missing`: those to be carried out. `resumable`: those of them with a checkpoint.

    `committed`: rows, by key, of jobs that are done according to a CSV file alone.
    """

    jobs: list[Job]
    committed: dict[str, Mapping[str, str]]
    missing: list[Job]
    resumable: list[Job]


def plan(wanted: Iterable[Run], results: Path) -> Plan:
    """Look at run directories and committed rows. A parent is missing if its weights are needed and are not here."""
    jobs = jobs_of(wanted, results)
    rows = store.committed(results)
    done = {job for job in jobs if job.is_done()}
    missing = {job for job in jobs if job not in done and job.key not in rows}
    missing |= {job.parent for job in missing if job.parent and not job.parent.has_weights()}
    ordered = [job for job in jobs if job in missing]
    resumable = [job for job in ordered if (job.place / store.CHECKPOINT).exists()]
    committed = {job.key: rows[job.key] for job in jobs if job not in missing and job not in done}
    return Plan(jobs, committed, ordered, resumable)
