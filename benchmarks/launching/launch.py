"""Runs in processes of their own, one per worker at a time: a crash costs one row, and a peak is that run's peak.

The process is forked from a server that has the imports done; it never shares memory with the run before. `pool` says
which run starts when, `workers` how much of the machine each has.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from benchmarks.distributed import torchrun
from benchmarks.files import partials
from benchmarks.files.addresses import masked
from benchmarks.files.locking import alone, is_taken
from benchmarks.launching import out_of_memory, pool
from benchmarks.launching.workers import Workers, take_share
from benchmarks.measurement.latencies import longer
from benchmarks.measurement.provenance import Code, code, provenance
from benchmarks.runs import store
from benchmarks.runs.job import Job, job_of, jobs_of
from benchmarks.runs.record import Result, Status, save
from benchmarks.spec import BadInput, Run

if TYPE_CHECKING:
    from benchmarks.training.loop import Epoch


WAITING = "waiting"
LONGEST_WAIT_SECONDS = 24 * 3600.0
"""The operating system takes no time without end."""


class Observer(Protocol):
    """Is told what happens, in the launching process."""

    def started(self, run: Run) -> None: ...
    def waiting(self, run: Run) -> None: ...
    def epoch(self, run: Run, epoch: Epoch) -> None: ...
    def simulated(self, run: Run, images: int, of: int) -> None: ...
    def ended(self, run: Run, result: Result) -> None: ...


def local(
    runs: Sequence[Run],
    results: Path,
    sweep: str | None,
    observer: Observer,
    workers: Workers = Workers(),  # noqa: B008
    limit: pool.Limit[Run] = pool.UNLIMITED,
) -> list[Result | None]:
    """Carry the runs out on this machine. A failure is recorded and the others go on; KeyboardInterrupt stops all.

    A run that another launcher works on, on the same results, is put off to the end and then waited for: its result is
    this launch's, too. So several launchers share a sweep. Returns results in the order of `runs`; None for a run that
    has not ended within the `limit`. Such a run was stopped after its last whole epoch, or has not begun.
    """
    crew = _Processes(results, sweep, observer, workers)
    waits = after(runs, results)
    pool.carry_out(runs, workers.count, waits, lambda run: _is_elsewhere(run, results), crew, limit)
    return [crew.results.get(run) for run in runs]


def after(runs: Sequence[Run], results: Path) -> Mapping[Run, set[Run]]:
    """What each run waits for: its parent, and a longer run that measures it on the way."""
    known = {job.run: job for job in jobs_of(runs, results)}
    before = {run: (known[run].parent, *longer(known[run])) for run in runs}
    return {run: {job.run for job in jobs if job} & before.keys() for run, jobs in before.items()}


def _is_elsewhere(run: Run, results: Path) -> bool:
    """Whether another launcher works on a run. torchrun's processes do not ask: they take the runs in one order."""
    return torchrun.size() == 1 and is_taken(store.directory(results, run))


def assist(runs: Iterable[Run], results: Path) -> int:
    """Train along in these runs: what those of torchrun's processes do that are not the first. Exit code 0."""
    context = _context()
    for run in runs:
        if _orphaned(job_of(run, results)):
            continue  # the first process records that, and begins nothing
        process = context.Process(target=_assist, args=(run, results), name=str(run))  # type: ignore[attr-defined]
        process.start()
        try:
            process.join()
        except BaseException:
            process.terminate()
            process.join()
            raise
    return 0


def _context() -> multiprocessing.context.BaseContext:
    context = multiprocessing.get_context("forkserver" if sys.platform != "win32" else "spawn")
    # torch's optimisers import the compiler's front end, 3 seconds, in the first step of every process
    context.set_forkserver_preload(["benchmarks.execution", "sklearn.datasets", "torch._dynamo"])
    return context


def _assist(run: Run, results: Path) -> None:
    """In a process of its own, whose log stands beside the run's; the first process records what goes wrong."""
    from benchmarks.distributed.processes import joined
    from benchmarks.execution import assist

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    job = job_of(run, results)
    job.place.mkdir(parents=True, exist_ok=True)
    _redirect(job.place / f"log-{torchrun.rank()}.txt")
    try:
        with joined(job.key) as team:
            assist(run, results, team)
    except Exception:
        _log_error()
        sys.exit(1)


class _Started(NamedTuple):
    """A run that goes on; `kills`: how many processes the kernel had ended for want of memory when it started."""

    job: Job
    process: multiprocessing.process.BaseProcess
    kills: int | None


class _Processes:
    """The pool's crew: starts every run in a process of its own, passes on what it says, and keeps its result."""

    def __init__(self, results: Path, sweep: str | None, observer: Observer, workers: Workers) -> None:
        self.results_root, self.sweep, self.observer, self.workers = results, sweep, observer, workers
        self.context, self.code = _context(), code()
        self.started: dict[Connection, _Started] = {}
        self.results: dict[Run, Result] = {}

    def start(self, run: Run, worker: int) -> bool:
        job = job_of(run, self.results_root)
        job.describe(self.sweep)
        self.observer.started(run)
        if failed := _parent_failed(job, self.code):
            self._end(run, failed)
            return False
        receiver, sender = self.context.Pipe(duplex=False)
        settings = self.workers.settings(worker)
        arguments = (run, job.place, self.results_root, self.sweep, self.code, sender, settings)
        process = self.context.Process(target=_work, args=arguments, name=str(run))  # type: ignore[attr-defined]
        self.started[receiver] = _Started(job, process, out_of_memory.kills())
        process.start()
        sender.close()
        return True

    def wait(self, seconds: float) -> list[Run]:
        ended = list[Run]()
        for receiver in wait(list(self.started), min(seconds, LONGEST_WAIT_SECONDS)):
            assert isinstance(receiver, Connection)
            ended += self._listen(receiver)
        return ended

    def stop(self) -> None:
        processes = [one.process for one in self.started.values() if one.process.pid is not None]
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()

    def _listen(self, receiver: Connection) -> list[Run]:
        """Pass on what a run's process says; the run, if that was the last."""
        job, process, kills = self.started[receiver]
        try:
            message = receiver.recv()
        except (EOFError, OSError):  # the process has ended, perhaps amid a message
            process.join()
            del self.started[receiver]
            receiver.close()
            _let_the_others_go_on(job)
            left = job.result()
            self._end(job.run, left or _failure(job, self.code, *out_of_memory.ending(process.exitcode, kills)))
            return [job.run]
        _pass_on(message, job.run, self.observer)
        return []

    def _end(self, run: Run, result: Result) -> None:
        self.results[run] = result
        self.observer.ended(run, result)


def _let_the_others_go_on(job: Job) -> None:
    """Among torchrun's processes: a process that was killed cannot say that it has ended."""
    if torchrun.size() > 1:
        from benchmarks.distributed.processes import release

        release(job.key)


def _pass_on(message: Any, run: Run, observer: Observer) -> None:
    """What a run says of itself: that it waits, an epoch, or how many images have been simulated."""
    if message == WAITING:
        observer.waiting(run)
    elif isinstance(message, tuple):
        observer.simulated(run, *message)
    else:
        observer.epoch(run, message)


def _work(
    run: Run,
    place: Path,
    results: Path,
    sweep: str | None,
    running: Code,
    progress: Connection,
    settings: dict[str, str],
) -> None:
    """In the run's process: everything it prints goes to its log, every ending into its record.

    `settings`: environment variables that give the run its share of the machine.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the launcher decides
    take_share(settings)
    _lock_progress_bars_here()
    _redirect(place / store.LOG)
    from benchmarks.distributed.processes import joined
    from benchmarks.execution import execute

    job = job_of(run, results)
    if job.place != place:
        sys.exit(f"the file that makes {run.method} has changed since this was planned: call the same command again")
    try:
        # joined first: the others wait for this process to begin and to end, whatever happens in between
        with joined(job.key) as team, alone(place, lambda: progress.send(WAITING)):
            if job.is_done():
                return  # by the process that was waited for
            (place / store.RESULT).unlink(missing_ok=True)
            execute(run, results, progress.send, sweep, running, lambda *images: progress.send(images), team)
    except BrokenPipeError:
        pass  # the launcher is gone; the checkpoint stays, and the same command goes on from it
    except BadInput as error:
        _fail(run, results, running, "failed", str(error))
    except Exception as error:
        _log_error()
        ran_out = out_of_memory.means(error)
        error.__traceback__ = None  # its frames hold what there is no room for
        said = f"{type(error).__name__}: {_first_line(error)}"
        if failed := partials.failure(error):
            said = str(partials.refusal(failed.filename or place, failed))
        _fail(run, results, running, "out-of-memory" if ran_out else "failed", said)


def _lock_progress_bars_here() -> None:
    """Give tqdm a lock of this process alone.

    torch.fx makes a tqdm bar even where it shows none. tqdm's own lock is a named semaphore: a process that Ctrl-C
    ends leaves it behind, and Python warns about that on the terminal.
    """
    from torch import hub

    if set_lock := getattr(vars(hub).get("tqdm"), "set_lock", None):
        set_lock(threading.RLock())


def _redirect(log: Path) -> None:
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


def _log_error() -> None:
    """Print the traceback of what is being handled, without secrets. The log may be on a full disk."""
    with suppress(OSError):
        print(masked(traceback.format_exc()), file=sys.stderr, flush=True)


def _fail(run: Run, results: Path, running: Code, status: Status, reason: str) -> None:
    """Record a failure. Where that cannot be written either, the launcher will find so, and says it."""
    try:
        _failure(job_of(run, results), running, status, reason)
    except BadInput as error:
        with suppress(OSError):
            print(masked(f"{reason}; {error}"), flush=True)
        os._exit(1)


def _orphaned(job: Job) -> Job | None:
    """The parent of a run, if it has left no weights."""
    return job.parent if job.parent and not job.parent.has_weights() else None


def _parent_failed(job: Job, running: Code) -> Result | None:
    origin = _orphaned(job)
    return _failure(job, running, "failed", f"its parent did not finish: {origin}") if origin else None


def _failure(job: Job, running: Code, status: Status, reason: str) -> Result:
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
