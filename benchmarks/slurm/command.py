"""`dsr-bench sweep NAME --launcher slurm` and `dsr-bench cancel NAME`.

`sweep` plans, prepares the data, submits workers and returns. Called again, it submits only the workers that are
lacking. `cancel` ends them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape

from benchmarks.cli import commands, notices, preparation
from benchmarks.cli.arguments import Request
from benchmarks.cli.budgets import needed_by
from benchmarks.cli.display import duration
from benchmarks.cli.preparation import Estimate
from benchmarks.distributed import torchrun
from benchmarks.export import rows
from benchmarks.launching.forecast import foresee
from benchmarks.measurement.provenance import code
from benchmarks.runs import store
from benchmarks.runs.order import after
from benchmarks.runs.plan import Plan, plan
from benchmarks.slurm import queue
from benchmarks.slurm.settings import Settings
from benchmarks.slurm.submission import Submission, submissions, submit
from benchmarks.spec import BadInput


def sweep(request: Request, selection: Iterable[str], chosen: Settings, console: Console) -> int:
    """Submit workers for the missing runs; with `--plan`, only say how many and for how long. Returns the exit code.

    `selection`: the options that choose the sweep's runs, which the workers are given, too. Raises BadInput before
    anything is submitted.
    """
    _look(request)
    notices.scale(console, request)
    preparation.look_at_precision()
    results = store.results_root()
    work = plan(request.runs, results)
    rows.look(request.sweep, request.scale, results)
    notices.plan(console, request, work)
    if not work.missing:
        _say(console, f"nothing is missing, so nothing is submitted; `dsr-bench sweep {request.sweep}` tabulates")
        return 0
    commands.look_at_data(request, work, console)
    at_once = request.jobs or max(1, chosen.gpus)
    if request.only_plan:
        estimate = commands.look_at_time(request, work, console)
        _say_plan(console, work, estimate, chosen, at_once)
        return 0
    notices.code(console, code())
    words = ("work", request.sweep, "--scale", request.scale, *selection, "--jobs", str(at_once))
    return _submit(request, words, wanted(chosen, work, at_once), at_once, chosen, results, console)


def _look(request: Request) -> None:
    """Raise BadInput for options that do not go with Slurm, and if Slurm's commands are missing."""
    if request.budget_seconds:
        raise BadInput("--budget: with --launcher slurm, --time says how long a job may take; leave --budget out")
    if torchrun.size() > 1:
        raise BadInput("--launcher slurm: this is one of torchrun's processes; submit from one process")
    if not request.only_plan:
        queue.require_commands("sbatch", "srun", "squeue", "scontrol")


def wanted(chosen: Settings, work: Plan, at_once: int) -> int:
    """How many workers the missing runs occupy, if each carries out `at_once` of them; no more than allowed."""
    return min(chosen.workers, math.ceil(len(work.missing) / at_once))


def _submit(
    request: Request,
    words: tuple[str, ...],
    count: int,
    at_once: int,
    chosen: Settings,
    results: Path,
    console: Console,
) -> int:
    """Submit as many workers as are lacking: those of the same command that wait or run already are counted."""
    cluster = queue.cluster()
    known = [one for one in submissions(results, request.sweep) if (one.cluster, one.words) == (cluster.name, words)]
    found = queue.jobs(one.job_name for one in known)
    alive, held = found.alive.total(), found.held.total()
    if held:
        _say(console, f"{_jobs(held)} held by Slurm and not counted: `scontrol release`, or `dsr-bench cancel`")
    if alive >= count:
        _say(console, f"{_jobs(alive)} of this command waiting or running already, {count} wanted: nothing submitted")
    else:
        sent = submit(request.sweep, words, count - alive, at_once, chosen, results, cluster)
        already = f" (besides {alive} that wait or run already)" if alive else ""
        ids = ", ".join(sent.job_ids)
        _say(console, f"{_jobs(count - alive)} submitted to {cluster.name}{already}, {_asked(chosen)}: job {ids}")
        console.print(escape(f" logs   {sent.folder}/*_log.*"), highlight=False, soft_wrap=True)
    name = request.sweep
    text = f"`dsr-bench status {name}`, `dsr-bench cancel {name}`; once all is done, `dsr-bench sweep {name}` tabulates"
    console.print(f" next   {text}", highlight=False, soft_wrap=True)
    return 0


class Expected(NamedTuple):
    """`elapsed`: hours until all runs are done if all workers start at once. `of_workers`: the sum over all workers."""

    elapsed: float
    of_workers: float


def expected(work: Plan, estimate: Estimate, workers: int, at_once: int, gpus: int) -> Expected:
    """How long the missing runs take, if workers are as fast as this machine and carry out `at_once` runs at once."""
    crowding = max(1.0, at_once / max(1, gpus))
    needed = needed_by(estimate, crowding)
    runs = [job.run for job in work.missing]
    foreseen = foresee(runs, workers * at_once, after(work.missing), math.inf, needed.__getitem__)
    return Expected(foreseen.now / 3600, sum(needed.values()) / at_once / 3600)


def _say_plan(console: Console, work: Plan, estimate: Estimate | None, chosen: Settings, at_once: int) -> None:
    count = wanted(chosen, work, at_once)
    _say(console, f"{_jobs(count)}, {_asked(chosen)}")
    if estimate is None:
        return
    hours = expected(work, estimate, count, at_once, chosen.gpus)
    text = f"about {hours.of_workers:.3g} worker-hours, {duration(hours.elapsed * 3600)} if all start at once"
    cost = ""
    if chosen.price is not None:
        cost = f", about {hours.of_workers * chosen.price:.2f} {chosen.currency}".rstrip()
    _say(console, f"{text}{cost}; for nodes as fast as this machine")


def _asked(chosen: Settings) -> str:
    """What every job asks for."""
    parts = [
        f"up to {duration(chosen.minutes * 60)} each",
        f"{chosen.gpus} GPU{'s' if chosen.gpus > 1 else ''}" if chosen.gpus else "",
        f"{chosen.cpus} CPU{'s' if chosen.cpus > 1 else ''}" if chosen.cpus else "",
        chosen.memory or "",
        f"partition {chosen.partition}" if chosen.partition else "",
        *(f"{name} {value}" for name, value in chosen.options.items()),
    ]
    return ", ".join(filter(None, parts))


def cancel(sweep: str, console: Console) -> int:
    """Cancel all jobs of a sweep that were submitted from this results folder to this cluster. Returns the exit code.

    Their runs stop after their last whole epoch, and another submission resumes them.
    """
    results = store.results_root()
    if not (known := submissions(results, sweep)):
        _say(console, f"no job of {sweep} has been submitted from {results}")
        return 0
    queue.require_commands("squeue", "scontrol", "scancel")
    here = queue.cluster().name
    ours = {one.job_name: one for one in known if one.cluster == here}
    found = queue.jobs(ours)
    for name, count in (found.alive + found.held).items():
        queue.cancel(name)
        _say(console, f"{_jobs(count)} cancelled ({_ids(ours[name])})")
    if not (found.alive or found.held):
        _say(console, f"no job of {sweep} waits or runs on {here}")
    for other in sorted({one.cluster for one in known} - {here}):
        _say(console, f"jobs were submitted to {other}, too: call `dsr-bench cancel {sweep}` there")
    return 0


def _ids(one: Submission) -> str:
    return f"job {', '.join(one.job_ids)}, submitted {one.submitted}" if one.job_ids else f"submitted {one.submitted}"


def _jobs(count: int) -> str:
    return f"{count} worker{'s' if count != 1 else ''}"


def _say(console: Console, text: str) -> None:
    console.print(f" slurm  {escape(text)}", highlight=False, soft_wrap=True)
