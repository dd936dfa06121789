"""Who may begin a run: the launcher that has claimed it, unless a result counts already."""

from __future__ import annotations

from benchmarks.files.claims import Claim, Claims
from benchmarks.runs.attempts import Launch
from benchmarks.runs.job import Job
from benchmarks.runs.record import Result


def claimed(job: Job, sweep: str | None, claims: Claims, launch: Launch) -> Claim | Result | None:
    """A claim on a run that has to be carried out; its result, if there is one; None if another launcher has it.

    Makes the run's directory. Raises BadInput where it cannot be written.
    """
    if found := launch.result(job):
        return found
    job.describe(sweep)
    claim = claims.take(job.place)
    if claim and (found := launch.result(job)):  # another launcher has recorded it meanwhile
        claims.release(claim)
        return found
    return claim
