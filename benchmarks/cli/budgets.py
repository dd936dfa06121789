"""`--budget`: how long a sweep may go on, and which of its runs are expected to end in that time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from benchmarks.cli.arguments import Request
from benchmarks.cli.preparation import Estimate
from benchmarks.distributed import torchrun
from benchmarks.launching.forecast import Forecast, foresee
from benchmarks.launching.pool import UNLIMITED, Limit
from benchmarks.runs.order import after
from benchmarks.runs.plan import Plan
from benchmarks.spec import BadInput, Run

if TYPE_CHECKING:
    from benchmarks.launching.workers import Workers


def check(request: Request) -> None:
    """Raise BadInput for a budget under torchrun, whose processes take all runs in one order."""
    if request.budget_seconds and torchrun.size() > 1:
        raise BadInput("--budget: torchrun's processes take all runs in one order; leave --budget out")


def limit(
    request: Request,
    estimate: Estimate | None,
    began: float,
    crew: Workers,
    clock: Callable[[], float] = time.monotonic,
) -> Limit[Run]:
    """The limit of a sweep that began at that time by the clock; none without a budget."""
    allowed = request.budget_seconds
    if allowed is None or estimate is None:
        return UNLIMITED
    needed = needed_by(estimate, crew.crowding())
    return Limit(lambda: began + allowed - clock(), needed.__getitem__)


def foreseen(
    request: Request,
    work: Plan,
    estimate: Estimate,
    began: float,
    clock: Callable[[], float] = time.monotonic,
) -> Forecast[Run]:
    """What of the missing runs is expected to end in what planning has left of the request's budget."""
    from benchmarks.launching.workers import workers

    assert request.budget_seconds
    runs, crew = [job.run for job in work.missing], workers(request.jobs, request.scale)
    needed = needed_by(estimate, crew.crowding())
    left = max(0.0, request.budget_seconds - (clock() - began))
    return foresee(runs, crew.count, after(work.missing), left, needed.__getitem__)


def needed_by(estimate: Estimate, crowding: float) -> Mapping[Run, float]:
    """Seconds that each run takes if it is slowed down by the factor `crowding`; 0 for a run without an estimate."""
    return {run: (seconds or 0.0) * crowding for run, seconds in estimate.by_run.items()}
