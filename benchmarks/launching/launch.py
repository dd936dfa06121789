"""Runs in processes of their own, one after the other, so that a crash costs one row and a peak is that run's peak.

The process is forked from a server that has the imports done; it never shares memory with the run before.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Iterable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from benchmarks.distributed import torchrun
from benchmarks.files import partials
from benchmarks.files.locking import alone, is_taken
from benchmarks.launching import out_of_memory
from benchmarks.measurement.provenance import Code, code, provenance
from benchmarks.runs import store
from benchmarks.runs.identity import key, parent
from benchmarks.runs.record import Result, Status, save
from benchmarks.spec import BadInput, Run

if TYPE_CHECKING:
    from benchmarks.training.loop import Epoch


WAITING = "waiting"


class Observer(Protocol):
    """Is told what happens, in the launching process."""

    def started(self, run: Run) -> None: ...
    def waiting(self, run: Run) -> None: ...
    def epoch(self, run: Run, epoch: Epoch) -> None: ...
    def simulated(self, run: Run, images: int, of: int) -> None: ...
    def ended(self, run: Run, result: Result) -> None: ...


def local(runs: Sequence[Run], results: Path, sweep: str | None, observer: Observer) -> list[Result]:
    """Carry the runs out on this machine. A failure is recorded and the others go on; KeyboardInterrupt stops all.

    A run that another launcher works on, on the same results, is put off to the end and then waited for: its result is
    this launch's, too. So several launchers share a sweep. Returns results in the order of `runs`.
    """
    context, running = _context(), code()
    pending, ended = list(runs), dict[Run, Result]()
    while pending:
        pending.remove(run := _next(pending, results))
        store.describe(store.directory(results, run), run, sweep)
        observer.started(run)
        result = _parent_failed(run, results, running) or _in_own_process(
            context, run, results, sweep, running, observer
        )
        observer.ended(run, result)
        ended[run] = result
    return [ended[run] for run in runs]


def _next(pending: list[Run], results: Path) -> Run:
    """The first run that no other launcher works on and whose parent has ended; the first of all if there is none."""
    if torchrun.size() > 1:  # torchrun's processes take the runs in one order
        return pending[0]
    free = (run for run in pending if parent(run) not in pending and not is_taken(store.directory(results, run)))
    return next(free, pending[0])


def assist(runs: Iterable[Run], results: Path) -> int:
    """Train along in these runs: what those of torchrun's processes do that are not the first. Exit code 0."""
    context = _context()
    for run in runs:
        if _orphaned(run, results):
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
    store.directory(results, run).mkdir(parents=True, exist_ok=True)
    _redirect(store.directory(results, run) / f"log-{torchrun.rank()}.txt")
    with joined(key(run)) as team:
        assist(run, results, team)


def _in_own_process(
    context: multiprocessing.context.BaseContext,
    run: Run,
    results: Path,
    sweep: str | None,
    running: Code,
    observer: Observer,
) -> Result:
    receiver, sender = context.Pipe(duplex=False)
    place = store.directory(results, run)
    process = context.Process(target=_work, args=(run, place, results, sweep, running, sender), name=str(run))  # type: ignore[attr-defined]
    kills = out_of_memory.kills()
    process.start()
    sender.close()
    try:
        while True:
            _pass_on(receiver.recv(), run, observer)
    except EOFError:
        process.join()
    except BaseException:
        process.terminate()
        process.join()
        raise
    _let_the_others_go_on(run)
    return store.result(results, run) or _failure(run, results, running, *out_of_memory.ending(process.exitcode, kills))


def _let_the_others_go_on(run: Run) -> None:
    """Among torchrun's processes: a process that was killed cannot say that it has ended."""
    if torchrun.size() > 1:
        from benchmarks.distributed.processes import release

        release(key(run))


def _pass_on(message: Any, run: Run, observer: Observer) -> None:
    """What a run says of itself: that it waits, an epoch, or how many images have been simulated."""
    if message == WAITING:
        observer.waiting(run)
    elif isinstance(message, tuple):
        observer.simulated(run, *message)
    else:
        observer.epoch(run, message)


def _work(run: Run, place: Path, results: Path, sweep: str | None, running: Code, progress: Connection) -> None:
    """In the run's process: everything it prints goes to its log, every ending into its record."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the launcher decides
    _redirect(place / store.LOG)
    from benchmarks.distributed.processes import joined
    from benchmarks.execution import execute

    if store.directory(results, run) != place:
        sys.exit(f"the file that makes {run.method} has changed since this was planned: call the same command again")
    try:
        # joined first: the others wait for this process to begin and to end, whatever happens in between
        with joined(key(run)) as team, alone(place, lambda: progress.send(WAITING)):
            if store.is_done(results, run):
                return  # by the process that was waited for
            (place / store.RESULT).unlink(missing_ok=True)
            execute(run, results, progress.send, sweep, running, lambda *images: progress.send(images), team)
    except BrokenPipeError:
        pass  # the launcher is gone; the checkpoint stays, and the same command goes on from it
    except BadInput as error:
        _fail(run, results, running, "failed", str(error))
    except Exception as error:
        with suppress(OSError):  # the log may be on a full disk
            traceback.print_exc()
        ran_out = out_of_memory.means(error)
        error.__traceback__ = None  # its frames hold what there is no room for
        said = f"{type(error).__name__}: {_first_line(error)}"
        if failed := partials.failure(error):
            said = str(partials.refusal(failed.filename or place, failed))
        _fail(run, results, running, "out-of-memory" if ran_out else "failed", said)


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


def _fail(run: Run, results: Path, running: Code, status: Status, reason: str) -> None:
    """Record a failure. Where that cannot be written either, the launcher will find so, and says it."""
    try:
        _failure(run, results, running, status, reason)
    except BadInput as error:
        with suppress(OSError):
            print(f"{reason}; {error}", flush=True)
        os._exit(1)


def _orphaned(run: Run, results: Path) -> Run | None:
    """The parent of a run, where it left no weights."""
    origin = parent(run)
    return origin if origin and not store.has_weights(results, origin) else None


def _parent_failed(run: Run, results: Path, running: Code) -> Result | None:
    origin = _orphaned(run, results)
    return _failure(run, results, running, "failed", f"its parent did not finish: {origin}") if origin else None


def _failure(run: Run, results: Path, running: Code, status: Status, reason: str) -> Result:
    origin = parent(run)
    result = Result(
        key=key(run),
        parent_key=key(origin) if origin else None,
        **vars(run),
        status=status,
        reason=reason,
        provenance=provenance(running=running),
    )
    save(result, store.directory(results, run) / store.RESULT)
    return result


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0]
