"""What happens in a run's own process. Its output goes to its log, and however it ends is recorded.

The process is forked from a server that has imported torch already. It shares no memory with earlier runs.
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
    """Start the server that runs' processes are forked from, and return the context that makes them."""
    context = multiprocessing.get_context("forkserver" if sys.platform != "win32" else "spawn")
    # torch's optimisers import torch._dynamo in their first step, which takes 3 s: the server does it once for all runs
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
    """Carry a run out, in its own process. Its output goes to its log, and however it ends is recorded.

    `settings`: environment variables that give the run its share of the machine. `fence`: the folder of its partial
    files, which is gone once another launcher has taken the run over (`benchmarks.files.claims`).
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
        # before anything can fail: torchrun's other processes wait until this one has joined and left
        with joined(job.key) as team:
            if job.is_done():
                return  # another launcher has done it while torchrun's first process waited for its claim
            execute(run, results, progress.send, sweep, running, lambda *images: progress.send(images), team)
    except BrokenPipeError:
        pass  # the launcher is gone; the same command resumes the run from its checkpoint
    except BadInput as error:
        _fail(run, results, running, "failed", str(error))
    except Exception as error:
        log_error()
        ran_out = out_of_memory.means(error)
        error.__traceback__ = None  # frees the tensors of its frames: memory may be full
        said = f"{type(error).__name__}: {_first_line(error)}"
        if failed := partials.failure(error):
            said = str(partials.refusal(failed.filename or place, failed))
        _fail(run, results, running, "out-of-memory" if ran_out else "failed", said)


def _end_with_the_launcher() -> None:
    """End this process as soon as the launcher is gone, because another launcher may then take the run over."""
    if launcher := multiprocessing.parent_process():
        threading.Thread(target=lambda: wait([launcher.sentinel]) and os._exit(1), daemon=True).start()


def _lock_progress_bars_here() -> None:
    """Give tqdm a lock that belongs to this process alone.

    torch.fx creates a tqdm bar even if it shows none. tqdm's default lock is a named semaphore. A process that Ctrl-C
    ends leaves it behind, and Python then prints a warning.
    """
    from torch import hub

    if set_lock := getattr(vars(hub).get("tqdm"), "set_lock", None):
        set_lock(threading.RLock())


def log_of(rank: int) -> str:
    """The file in a run's directory to which one of torchrun's processes prints; the first is number 0."""
    return f"log-{rank}.txt" if rank else store.LOG


def redirect(log: Path) -> None:
    """Write what this process prints to a file. If that is impossible, discard it: the launcher will say why."""
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    except OSError:
        descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # whatever encoding the terminal has


def log_error() -> None:
    """Print the traceback of the current exception, without secrets. An error of the disk is ignored."""
    with suppress(OSError):
        print(masked(traceback.format_exc()), file=sys.stderr, flush=True)


def _fail(run: Run, results: Path, running: Code, status: Status, reason: str) -> None:
    """Record a failure. If that cannot be written, exit with code 1: the launcher then records it or says why not."""
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
    """Record that a run has failed. Raises BadInput if that cannot be written."""
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
