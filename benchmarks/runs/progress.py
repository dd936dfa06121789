"""How far a sweep is: of every run, whether it is done, running, failed, waiting for another one, or left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from benchmarks.runs.job import Job
from benchmarks.runs.order import after
from benchmarks.runs.plan import Plan
from benchmarks.spec import Run

Standing = Literal["done", "running", "failed", "waiting", "left"]
"""`waiting`: for a run that is running; `left`: nobody works on it, and nothing that is running stands before it."""


def standings(work: Plan, is_taken: Callable[[Job], bool]) -> Mapping[Job, Standing]:
    """Of all runs of a plan, parents first. `is_taken`: whether somebody works on a run."""
    before, missing = after(work.missing), set(work.missing)
    found: dict[Job, Standing] = {}
    by_run: dict[Run, Standing] = {}
    for job in work.jobs:
        standing: Standing = "left"
        if job not in missing:
            standing = "done"
        elif is_taken(job):
            standing = "running"
        elif (result := job.result()) and result.status != "done":
            standing = "failed"
        elif any(by_run.get(other) in ("running", "waiting") for other in before[job.run]):
            standing = "waiting"
        found[job] = by_run[job.run] = standing
    return found
