"""A run's own process: everything it prints goes to its log, every ending into its record.

The process is forked from a server that has the imports done; it never shares memory with the run before.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path

from benchmarks.files import partials
from benchmarks.files.addresses import masked
from benchmarks.launching import out_of_memory
from benchmarks.launching.stopping import deaf
from benchmarks.launching.workers import take_share
from benchmarks.measurement.provenance import Code, provenance
from benchmarks.runs import store
from benchmarks.runs.job import Job, job_of
from benchmarks.runs.record import Result, Status, save
from benchmarks.spec import BadInput, Run


def server() -> multiprocessing.context.BaseContext:
    """What runs' processes are forked from; starts it."""
    context = multiprocessing.get_context("forkserver" if sys.platform != "win32" else "spawn")
    # torch's optimisers import the compiler's front end, 3 seconds, in the first step of every process
    context.set_forkserver_preload(["benchmarks.execution", "sklearn.datasets", "torch._dynamo"])
    if sys.platform != "win32":
        from multiprocessing import forkserver, resource_tracker

        resource_tracker.ensure_running()  # it would let signals through again
        with deaf():
            forkserver.ensure_running()
    return context


def work(
    run: Run,
    place: Path,
    results: Path,
    sweep: str | None,
    running: Code,
    progress: Connection,
    settings: dict[str, str],
    fence: Path,
) -> None:
    """In the run's process: everything it prints goes to its log, every ending into its record.

    `settings`: environment variables that give the run its share of the machine. `fence`: where it writes, as long as
    the run is its launcher's (`benchmarks.files.claims`).
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where there are no masks of signals (`stopping.deaf`)
    _end_with_the_launcher()
    partials.fences[place] = fence
    take_share(settings)
    _lock_progress_bars_here()
    redirect(place / store.LOG)
    from benchmarks.distributed.processes import joined
    from benchmarks.execution import execute

    job = job_of(run, results)
    if job.place != place:
        sys.exit(f"the file that makes {run.method} has changed since this was planned: call the same command again")
    try:
        # joined first: the others wait for this process to begin and to end, whatever happens in between
        with joined(job.key) as team:
            if job.is_done():
                return  # by another launcher, which torchrun's first process has waited for
            execute(run, results, progress.send, sweep, running, lambda *images: progress.send(images), team)
    except BrokenPipeError:
        pass  # the launcher is gone; the checkpoint stays, and the same command goes on from it
    except BadInput as error:
        _fail(run, results, running, "failed", str(error))
    except Exception as error:
        log_error()
        ran_out = out_of_memory.means(error)
        error.__traceback__ = None  # its frames hold what there is no room for
        said = f"{type(error).__name__}: {_first_line(error)}"
        if failed := partials.failure(error):
            said = str(partials.refusal(failed.filename or place, failed))
        _fail(run, results, running, "out-of-memory" if ran_out else "failed", said)


def _end_with_the_launcher() -> None:
    """End this process as soon as the launcher is gone: its claim on the run is free then, and others may take it."""
    if launcher := multiprocessing.parent_process():
        threading.Thread(target=lambda: wait([launcher.sentinel]) and os._exit(1), daemon=True).start()


def _lock_progress_bars_here() -> None:
    """Give tqdm a lock of this process alone.

    torch.fx makes a tqdm bar even where it shows none. tqdm's own lock is a named semaphore: a process that Ctrl-C
    ends leaves it behind, and Python warns about that on the terminal.
    """
    from torch import hub

    if set_lock := getattr(vars(hub).get("tqdm"), "set_lock", None):
        set_lock(threading.RLock())


def redirect(log: Path) -> None:
    """Into this file goes what the process prints; nowhere, where it cannot be written: the launcher says so."""
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    except OSError:
        descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # a log is a file, whatever the terminal


def log_error() -> None:
    """Print the traceback of what is being handled, without secrets. The log may be on a full disk."""
    with suppress(OSError):
        print(masked(traceback.format_exc()), file=sys.stderr, flush=True)


def _fail(run: Run, results: Path, running: Code, status: Status, reason: str) -> None:
    """Record a failure. Where that cannot be written either, the launcher will find so, and says it."""
    job = job_of(run, results)
    fence = partials.fences.get(job.place)
    if fence and not fence.exists():
        reason = "another launcher has taken this run over, because this one gave no sign of life: stepping back"
    try:
        failure(job, running, status, reason)
    except BadInput as error:
        with suppress(OSError):
            print(masked(f"{reason} ({error})"), flush=True)
        os._exit(1)


def failure(job: Job, running: Code, status: Status, reason: str) -> Result:
    """Record that a run has failed. Raises BadInput where that cannot be written."""
    result = Result(
        key=job.key,
        parent_key=job.parent_key,
        **vars(job.run),
        status=status,
        reason=masked(reason),
        provenance=provenance(running=running),
    )
    save(result, job.place / store.RESULT)
    return result


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0]
