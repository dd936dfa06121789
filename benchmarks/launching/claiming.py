"""Decides whether this launcher carries a run out: the run must have no valid result, and no other launcher on it."""

from __future__ import annotations

from benchmarks.files.claims import Claim, Claims
from benchmarks.runs.attempts import Launch
from benchmarks.runs.job import Job
from benchmarks.runs.record import Result


def claimed(job: Job, sweep: str | None, claims: Claims, launch: Launch) -> Claim | Result | None:
    """Claim a run. Returns the claim; its result, if it has a valid one; None if another launcher works on it.

    Creates the run's directory. Raises BadInput if nothing can be written there.
    """
    if found := launch.result(job):
        return found
    job.describe(sweep)
    claim = claims.take(job.place)
    if claim and (found := launch.result(job)):  # recorded meanwhile by another launcher
        claims.release(claim)
        return found
    return claim
