"""How far a sweep is: of every run, whether it is done, running, failed, waiting for another one, or left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from benchmarks.files import claims
from benchmarks.files.clock import Clock
from benchmarks.runs.job import Job
from benchmarks.runs.order import after
from benchmarks.runs.plan import Plan
from benchmarks.spec import Run

Standing = Literal["done", "running", "failed", "waiting", "left"]
"""`waiting`: for a run that is running; `left`: nobody works on it, and it waits for no run that is running."""
STANDINGS: tuple[Standing, ...] = get_args(Standing)


def standings(work: Plan, clock: Clock) -> Mapping[Job, Standing]:
    """The standing of every run of a plan, parents first. `clock`: of the results folder, for the age of claims."""
    before, missing = after(work.missing), set(work.missing)
    found: dict[Job, Standing] = {}
    by_run: dict[Run, Standing] = {}
    for job in work.jobs:
        standing: Standing = "left"
        if job not in missing:
            standing = "done"
        elif claims.is_taken(job.place, clock):
            standing = "running"
        elif (result := job.result()) and result.status != "done":
            standing = "failed"
        elif any(by_run.get(other) in ("running", "waiting") for other in before[job.run]):
            standing = "waiting"
        found[job] = by_run[job.run] = standing
    return found
