"""Which results a launch takes as they are, and which runs it carries out (again).

A run that failed is carried out again, once per launch. Workers that one job of a batch system starts, however late,
are one launch: they know each other by the job's number, or by `DSR_LAUNCH`. Other commands tell by the time: a
failure that was recorded since they began is not repeated.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from benchmarks.files import clock
from benchmarks.runs import store
from benchmarks.runs.job import Job
from benchmarks.runs.record import Result, write_whole

NAME = "DSR_LAUNCH"
JOBS = ("SLURM_ARRAY_JOB_ID", "SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID")
"""Where batch systems tell a process the number of its job; an array's tasks have one number."""
MARK = ".failed-in"
"""File of a run directory: the launch in which the run failed last."""


@dataclass(frozen=True)
class Launch:
    """`began`: when, by the clock of the results folder. `name`: what its workers have in common, if known."""

    began: float
    name: str = ""

    def result(self, job: Job) -> Result | None:
        """The result that this launch takes as it is; None if the run has to be carried out."""
        found = job.result()
        if found is None:
            return None
        if found.status == "done":
            return None if store.is_outdated(found, job.parent.place if job.parent else None) else found
        return found if self._has_seen(job.place) else None

    def _has_seen(self, place: Path) -> bool:
        """Whether a failure belongs to this launch."""
        try:
            if self.name and (place / MARK).read_text(encoding="utf-8") == self.name:
                return True
        except OSError:
            pass
        try:
            return (place / store.RESULT).stat().st_mtime > self.began
        except OSError:
            return False

    def mark(self, job: Job) -> None:
        """Note that a run has failed in this launch."""
        if self.name:
            write_whole(job.place / MARK, self.name)


def launch(results: Path, name: str = "") -> Launch:
    """A launch that begins now."""
    return Launch(clock.now(results), name)


def name_of_launch() -> str:
    """What the workers of one launch have in common; empty where nothing is known."""
    if os.environ.get(NAME):
        return os.environ[NAME]
    for variable in JOBS:
        if number := re.match(r"\d+", os.environ.get(variable, "")):
            return f"{variable.partition('_')[0]} {number[0]}"
    return ""
