"""Carries runs out in processes of their own, one per worker at a time.

So a crash costs one run only, and the peak memory of a process is that of its run. `pool` decides which run starts
when, `crew` claims and starts it, `workers` decides how much of the machine it gets, and `process` is what happens in
its process.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks.distributed import torchrun
from benchmarks.files.claims import Claims
from benchmarks.launching import pool, process
from benchmarks.launching.crew import Observer, Processes, orphaned
from benchmarks.launching.stopping import Stop
from benchmarks.launching.workers import Workers
from benchmarks.runs import attempts
from benchmarks.runs.attempts import Launch
from benchmarks.runs.job import job_of, jobs_of
from benchmarks.runs.order import after
from benchmarks.runs.record import Result
from benchmarks.spec import Run

COMMAND = "command"
"""What torchrun's processes call their command at the store where they meet; a run is called by its key there."""


def local(
    runs: Sequence[Run],
    results: Path,
    sweep: str | None,
    observer: Observer,
    workers: Workers = Workers(),  # noqa: B008
    limit: pool.Limit[Run] = pool.UNLIMITED,
    patient: bool = True,
    stop: Stop | None = None,
    launch: Launch | None = None,
) -> list[Result | None]:
    """Carry the runs out on this machine. A failure is recorded and the others go on; KeyboardInterrupt stops all.

    Several launchers may share a results folder. A run that another launcher works on is put off to the end. If
    `patient`, this launch then waits for it and keeps its result, too; if not, this launch ends. It also ends when
    `limit` leaves no time. `stop` tells whether a signal is the reason why a run's process has ended. A run that has
    failed in `launch` is not repeated; by default, a new launch begins now.

    Returns results in the order of `runs`; None for a run that has not ended here: it was stopped after its last whole
    epoch, or has not begun.
    """
    known = {job.run: job for job in jobs_of(runs, results)}
    launch = launch or attempts.launch(results)
    with Claims(results) as claims:
        crew = Processes(known, results, sweep, observer, workers, claims, launch, patient, stop)
        pool.carry_out(runs, workers.count, after(known[run] for run in runs), crew, limit, patient)
    return [crew.results.get(run) for run in runs]


def assist(runs: Iterable[Run], results: Path) -> int:
    """Train along in these runs, as torchrun's processes do except the first, which also records them.

    Returns the exit code: 1 if any run failed here that is not done, else 0. A run that fails costs no other one.
    """
    context, failed = process.server(), False
    for run in runs:
        job = job_of(run, results)
        if orphaned(job):
            continue  # the first process records that, and does not start the run
        assistant = context.Process(target=_assist, args=(run, results), name=str(run))  # type: ignore[attr-defined]
        assistant.start()
        try:
            assistant.join()
        except BaseException:
            assistant.terminate()
            assistant.join()
            raise
        if assistant.exitcode and not job.is_done():  # done: by another launcher, which ends the training here, too
            failed = True
            log = job.place / process.log_of(torchrun.rank())
            print(f"dsr-bench: {job}: process {torchrun.rank()} of torchrun failed; log: {log}", file=sys.stderr)
    if failed:
        from benchmarks.distributed.processes import wait_for_release

        wait_for_release(COMMAND)  # torchrun ends all processes as soon as one has failed: the first has rows to write
    return int(failed)


def dismiss() -> None:
    """Let the processes that `assist` end: the first of torchrun's processes has nothing left to do."""
    from benchmarks.distributed.processes import release

    with suppress(RuntimeError):  # torchrun is gone, and nobody is left who waits
        release(COMMAND)


def _assist(run: Run, results: Path) -> None:
    """Runs in a process of its own, with a log beside the run's. A failure is recorded by the first process."""
    from benchmarks.distributed.processes import joined
    from benchmarks.execution import assist

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    job = job_of(run, results)
    job.place.mkdir(parents=True, exist_ok=True)
    process.redirect(job.place / process.log_of(torchrun.rank()))
    try:
        with joined(job.key) as team:
            assist(run, results, team)
    except Exception:
        process.log_error()
        sys.exit(1)
