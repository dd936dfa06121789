"""Starts runs for the pool: claims each run, starts its process, passes its messages on and keeps its result."""

from __future__ import annotations

import signal
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from benchmarks.distributed import torchrun
from benchmarks.files import partials
from benchmarks.files.claims import Claim, Claims
from benchmarks.launching import out_of_memory, pool, process
from benchmarks.launching.claiming import claimed
from benchmarks.launching.stopping import GRACE_SECONDS, Stop, deaf, end_all
from benchmarks.launching.workers import Workers
from benchmarks.measurement.provenance import Code, code
from benchmarks.runs import store
from benchmarks.runs.attempts import Launch
from benchmarks.runs.job import Job
from benchmarks.runs.record import Epoch, Result
from benchmarks.spec import BadInput, Run

LONGEST_WAIT_SECONDS = 24 * 3600.0
"""The longest single wait: the operating system accepts no infinite time."""
ENDED_BY_SIGTERM = (-signal.SIGTERM, out_of_memory.WITHOUT_SERVER)
"""Exit codes of a run's process that SIGTERM ended, with or without the fork server."""


class Observer(Protocol):
    """Is told, in the launcher's process, what happens to the runs."""

    def started(self, run: Run) -> None: ...
    def waiting(self, run: Run) -> None: ...
    def epoch(self, run: Run, epoch: Epoch) -> None: ...
    def simulated(self, run: Run, images: int, of: int) -> None: ...
    def lost(self, run: Run) -> None: ...
    def ended(self, run: Run, result: Result) -> None: ...


class _Started(NamedTuple):
    """A run in progress. `kills`: how many processes the kernel had ended for lack of memory when the run started."""

    job: Job
    process: BaseProcess
    claim: Claim
    kills: int | None


class Processes:
    """Carries each run out in a process of its own when the pool says so. `results`: of the runs that have ended."""

    def __init__(
        self,
        known: Mapping[Run, Job],
        results: Path,
        sweep: str | None,
        observer: Observer,
        workers: Workers,
        claims: Claims,
        launch: Launch,
        patient: bool = True,
        stop: Stop | None = None,
    ) -> None:
        self.known, self.results_root, self.sweep, self.observer = known, results, sweep, observer
        self.workers, self.claims, self.launch, self.patient, self.stopping = workers, claims, launch, patient, stop
        self.context, self.code = process.server(), code()
        self.started: dict[Connection, _Started] = {}
        self.results: dict[Run, Result] = {}
        self.announced = set[Run]()

    def start(self, run: Run, worker: int) -> pool.State:
        job = self.known[run]
        claim = self._claimed(job)
        if claim is None:
            return "elsewhere"
        if isinstance(claim, Result):
            return self._take(run, claim)
        self._announce(run)
        if failed := _parent_failed(job, self.code):
            self._end(job, claim, failed)
            return "over"
        return self._start(job, claim, worker)

    def _claimed(self, job: Job) -> Claim | Result | None:
        """As `claimed`, but under torchrun it waits for a claim: all processes carry out all runs in the same order."""
        if torchrun.size() == 1:
            return claimed(job, self.sweep, self.claims, self.launch)
        job.describe(self.sweep)
        while not (claim := self.claims.take(job.place)):
            self.idle([job.run])
            time.sleep(pool.SECONDS_BETWEEN_LOOKS)
        return claim

    def _take(self, run: Run, result: Result) -> pool.State:
        """Keep a result that another launcher has recorded, but only if this launch waits for other launchers."""
        if self.patient:
            self._announce(run)
            self.results[run] = result
            self.observer.ended(run, result)
        return "over"

    def _announce(self, run: Run) -> None:
        if run not in self.announced:
            self.announced.add(run)
            self.observer.started(run)

    def _start(self, job: Job, claim: Claim, worker: int) -> pool.State:
        try:
            if not job.is_done():  # else, if the process dies, an old result would be taken for its result
                partials.withdraw(job.place / store.RESULT)
        except FileNotFoundError:
            return self._step_back(job, claim)
        receiver, sender = self.context.Pipe(duplex=False)
        settings = self.workers.settings(worker)
        arguments = (job.run, job.place, self.results_root, self.sweep, self.code, sender, settings, claim.fence)
        begun = self.context.Process(target=process.work, args=arguments, name=str(job))  # type: ignore[attr-defined]
        self.started[receiver] = _Started(job, begun, claim, kills := out_of_memory.kills())
        try:
            with deaf():  # the server that it is forked from is started anew if it was killed before
                begun.start()
        except (EOFError, OSError):  # killed at this moment; what it may have forked cannot write without a claim
            del self.started[receiver]
            receiver.close()
            return self._left(job, out_of_memory.WITHOUT_SERVER, claim, kills)
        finally:
            sender.close()
        return "started"

    def wait(self, seconds: float) -> dict[Run, pool.State]:
        ended = dict[Run, pool.State]()
        sources: list[Connection | int] = [*self.started]
        if self.stopping:
            sources.append(self.stopping.reader)
        for receiver in wait(sources, max(0.0, min(seconds, LONGEST_WAIT_SECONDS))):
            if isinstance(receiver, Connection):
                ended |= self._listen(receiver)
        return ended

    def idle(self, items: Collection[Run]) -> None:
        for run in items:
            if run not in self.announced:
                self._announce(run)
                self.observer.waiting(run)

    def stop(self) -> None:
        end_all([one.process for one in self.started.values() if one.process.pid is not None])

    def _listen(self, receiver: Connection) -> dict[Run, pool.State]:
        """Pass on a message from a run's process. If the process has ended, return what has become of the run."""
        job, begun, claim, kills = self.started[receiver]
        try:
            message = receiver.recv()
        except (EOFError, OSError):  # the process has ended, perhaps in the middle of a message
            begun.join()
            del self.started[receiver]
            receiver.close()
            _let_the_others_go_on(job)
            return {job.run: self._left(job, begun.exitcode, claim, kills)}
        _pass_on(message, job.run, self.observer)
        return {}

    def _left(self, job: Job, exit_code: int | None, claim: Claim, kills: int | None) -> pool.State:
        """Record how a run has ended whose process is gone, and return what has become of the run."""
        if not claim.is_held():
            return self._step_back(job, claim)
        left = job.result()
        if left is None and exit_code in ENDED_BY_SIGTERM and self._is_stopping():
            self.claims.release(claim)
            return "elsewhere"
        try:
            self._end(job, claim, left or process.failure(job, self.code, *out_of_memory.ending(exit_code, kills)))
        except BadInput:
            if claim.is_held():
                raise
            return self._step_back(job, claim)
        return "over"

    def _step_back(self, job: Job, claim: Claim) -> pool.State:
        """Leave a run to another launcher, which took it over because this one gave no sign of life."""
        self.claims.release(claim)
        self.announced.discard(job.run)
        self.observer.lost(job.run)
        return "elsewhere"

    def _is_stopping(self) -> bool:
        """Whether this launcher is being ended, too: a signal to a process group may reach the run's process first."""
        if self.stopping:
            return self.stopping.comes()
        time.sleep(GRACE_SECONDS)
        return False

    def _end(self, job: Job, claim: Claim, result: Result) -> None:
        if result.status == "done":
            with suppress(FileNotFoundError):  # the claim is lost; whoever has the run tidies up
                partials.withdraw(job.place / store.CHECKPOINT)  # the process may have been killed before it could
        else:
            self.launch.mark(job)
        self.claims.release(claim)
        self.results[job.run] = result
        self.observer.ended(job.run, result)


def _let_the_others_go_on(job: Job) -> None:
    """Under torchrun, tell the other processes that a run has ended; its own process may have been killed before."""
    if torchrun.size() > 1:
        from benchmarks.distributed.processes import release

        release(job.key)


def _pass_on(message: Any, run: Run, observer: Observer) -> None:
    """Tell the observer what a run's process has sent: an epoch, or how many images have been simulated."""
    if isinstance(message, tuple):
        observer.simulated(run, *message)
    else:
        observer.epoch(run, message)


def orphaned(job: Job) -> Job | None:
    """The parent of a run if the run cannot start because the parent has no weights; else None."""
    return job.parent if job.parent and not job.parent.has_weights() else None


def _parent_failed(job: Job, running: Code) -> Result | None:
    origin = orphaned(job)
    return process.failure(job, running, "failed", f"its parent did not finish: {origin}") if origin else None
