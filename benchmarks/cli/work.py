"""`dsr-bench work`: carries out what is free of a sweep and leaves, as one of many that a batch system starts.

Exit codes: 0 nothing is left to start, 1 a run that was carried out here has failed, 2 bad input, 75 stopped early by
a signal or by the budget while runs are left (whatever has failed), 130 interrupted.
"""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from benchmarks.cli import budgets, commands, notices, preparation
from benchmarks.cli.arguments import Request
from benchmarks.distributed import torchrun
from benchmarks.files.clock import Clock
from benchmarks.launching import stopping
from benchmarks.launching.pool import Limit
from benchmarks.launching.stopping import EARLY, Stop, Stopped
from benchmarks.runs import attempts, store
from benchmarks.runs.attempts import Launch
from benchmarks.runs.job import Job
from benchmarks.runs.plan import Plan, plan
from benchmarks.runs.progress import Standing, standings
from benchmarks.runs.record import Status
from benchmarks.spec import BadInput

if TYPE_CHECKING:
    from benchmarks.tracking.observer import Tracking


def work(request: Request, console: Console) -> int:
    """Carry out missing runs as long as one is free, and say how far the sweep is. Exports and tabulates nothing."""
    began = time.monotonic()
    if torchrun.size() > 1:
        raise BadInput("work: torchrun's processes take all runs in one order; start sweep or run in them instead")
    with stopping.heard() as stop:
        try:
            return _work(request, console, stop, began)
        except Stopped:
            console.print(f" work   stopped early by {stop.name}, before the first run", highlight=False)
            return EARLY


def _work(request: Request, console: Console, stop: Stop, began: float) -> int:
    notices.scale(console, request)
    preparation.look_at_precision()
    results = store.results_root()
    launch = attempts.launch(results, attempts.name_of_launch())
    todo = plan(request.runs, results)
    notices.plan(console, request, todo)
    notices.claims(console, results)
    commands.tidy(todo, results)
    clock = Clock(results)
    found = standings(todo, clock)
    if not _can_start(found, launch):
        _say(console, request, 0, found, "nothing is free")
        return 0
    commands.look_at_data(request, todo, console)
    estimate = commands.look_at_time(request, todo, console) if request.budget_seconds else None
    limit = partial(budgets.limit, request, estimate, began)
    try:
        ended = _carry_out(request, todo, results, console, limit, stop, launch)
    except KeyboardInterrupt:
        _say(console, request, 0, standings(plan(request.runs, results), clock), "interrupted")
        return commands.INTERRUPTED
    failed = {job: status for job, status in ended.items() if status != "done"}
    commands.say_what_failed(console, failed)
    now = standings(plan(request.runs, results), clock)
    early = stop.name or ("its budget" if began + (request.budget_seconds or math.inf) <= time.monotonic() else "")
    is_early = bool(early) and _can_start(now, launch)
    _say(console, request, len(ended), now, f"stopped early by {early}" if is_early else "nothing is free")
    return EARLY if is_early else int(bool(failed))


def _can_start(found: Mapping[Job, Standing], launch: Launch) -> bool:
    """Whether a run is free. A failed one is, if it has not failed in this launch."""
    return any(
        standing == "left" or (standing == "failed" and launch.result(job) is None) for job, standing in found.items()
    )


def _carry_out(
    request: Request,
    todo: Plan,
    results: Path,
    console: Console,
    limit: commands.Limiting,
    stop: Stop,
    launch: Launch,
) -> dict[Job, Status]:
    """Carry out what is free, under a display. Returns how the runs that ended here have ended."""
    from benchmarks.cli.display import Display
    from benchmarks.launching.launch import local
    from benchmarks.launching.workers import workers
    from benchmarks.measurement.provenance import code

    runs, crew = [job.run for job in todo.missing], workers(request.jobs, request.scale)
    if request.scale != "smoke":
        notices.code(console, code())
    notices.jobs(console, crew.count)
    budget = limit(crew)
    allowed = Limit(lambda: 0.0 if stop.name else budget.left(), budget.needed)
    stop.only_noted = True
    with _tracking(console, results) as tracking, Display(console, len(runs)) as display:
        observer = tracking.follow(display, runs) if tracking else display
        ended = local(runs, results, request.sweep, observer, crew, allowed, False, stop, launch)
    return {job: result.status for job, result in zip(todo.missing, ended, strict=True) if result}


def _tracking(console: Console, results: Path) -> AbstractContextManager[Tracking | None]:
    """MLflow follows along if it has a server. A database in the results folder is not for many processes at once."""
    if not os.environ.get("MLFLOW_TRACKING_URI", "").startswith("http"):
        return nullcontext()
    from benchmarks.cli.energies import Energies
    from benchmarks.tracking.observer import Tracking

    return Tracking(console, results, Energies())


def _say(console: Console, request: Request, done: int, found: Mapping[Job, Standing], why: str) -> None:
    """The last line: how far the sweep is, and why this command ends."""
    count = Counter(found.values())
    if count["done"] == len(found):
        why = f"`dsr-bench sweep {request.sweep}` or `export` writes the rows"
    text = (
        f"{done} ended here; of {len(found)} runs {count['done']} done, {count['running']} running elsewhere, "
        f"{count['waiting']} waiting for those, {count['failed']} failed, {count['left']} left; {why}"
    )
    console.print(escape(f" work   {text}"), highlight=False, soft_wrap=True)
