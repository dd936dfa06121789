"""Decides which results a launch accepts, and which runs it carries out or repeats.

A failed run is repeated once per launch. All workers that one job of a batch system starts, even late ones, are the
same launch: they share the job's number, or `DSR_LAUNCH`. Any other command is a launch of its own, and does not repeat
a failure that was recorded after it began.
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
"""Variables in which batch systems name a process's job. All tasks of an array of jobs have the same number."""
MARK = ".failed-in"
"""File of a run directory that names the launch in which the run failed last."""


@dataclass(frozen=True)
class Launch:
    """One attempt at some runs. `began`: when, by the clock of the results folder. `name`: its workers share it."""

    began: float
    name: str = ""

    def result(self, job: Job) -> Result | None:
        """The result of a run, if this launch accepts it; None if the run has to be carried out."""
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
    """The name that the workers of this launch have in common, from the environment; empty if there is none."""
    if os.environ.get(NAME):
        return os.environ[NAME]
    for variable in JOBS:
        if number := re.match(r"\d+", os.environ.get(variable, "")):
            return f"{variable.partition('_')[0]} {number[0]}"
    return ""
