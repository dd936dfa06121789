"""Mirrors in a process of its own, so that no run waits for an MLflow that hangs, crashes or is slow.

The launcher hands over a task and goes on. The next time it looks, it learns whether an error has occurred. After an
error nothing more is mirrored. Nothing is lost, because the run directories have everything.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.launching.stopping import deaf, end_all
from benchmarks.tracking import mirror
from benchmarks.tracking.connection import one_line
from benchmarks.tracking.derived import Derived

Task = tuple[Any, ...]
"""A name in `TASKS`, then its arguments."""


def _close_stale(results: Path, derived: Derived | None, live_keys: Sequence[str]) -> str | None:
    return mirror.close_stale(results, live_keys)


def _mirror(results: Path, derived: Derived | None, directory: Path) -> str | None:
    return mirror.mirror([directory], results, derived)


def _attach(results: Path, derived: Derived | None, folder: Path, sweep: str, smoke: bool) -> str | None:
    return mirror.attach(folder, sweep, smoke, results)


TASKS: Mapping[str, Callable[..., str | None]] = {"close_stale": _close_stale, "mirror": _mirror, "attach": _attach}


class Background:
    """Does tasks one after the other, in a process that starts with the first task. No method raises an exception.

    Only one batch of tasks is sent at a time, so that the pipe never fills up. Tasks that are asked for meanwhile are
    kept, each only once. `trouble`: what has gone wrong, in one line.
    """

    def __init__(self, results: Path, derived: Derived | None = None) -> None:
        self.results, self.derived = results, derived
        self.trouble: str | None = None
        self.waiting = dict[Task, None]()
        self.is_busy = False
        self.process: multiprocessing.process.BaseProcess | None = None
        self.pipe: Connection | None = None

    def ask(self, *task: Any) -> None:
        """Have a task done: its name, then its arguments."""
        self.waiting[task] = None
        self.look()

    def look(self, seconds: float = 0.0) -> bool:
        """Wait for the answer to the last batch, for so long at most, then send the next batch.

        Returns whether something is still to be done. `trouble` says what has gone wrong, if anything has.
        """
        try:
            if self.is_busy and self.pipe and self.pipe.poll(seconds):
                self.trouble, self.is_busy = self.pipe.recv(), False
            if self.waiting and not self.is_busy and not self.trouble:
                self._pipe().send(list(self.waiting))
                self.waiting.clear()
                self.is_busy = True
        except (EOFError, ConnectionError):
            self.trouble = "the process that mirrors into MLflow was ended"
        except Exception as error:  # whatever it is, it must not stop the runs
            self.trouble = f"no process can mirror into MLflow: {one_line(f'{type(error).__name__}: {error}')}"
        if self.trouble:
            self.is_busy = False
            self.waiting.clear()
        return self.is_busy or bool(self.waiting)

    def finish(self, seconds: float) -> bool:
        """Wait for all tasks, for so long at most, and end the process. Returns whether all have been done."""
        end = time.monotonic() + seconds
        while self.look(max(0.0, end - time.monotonic())) and time.monotonic() < end:
            pass
        is_done = not (self.trouble or self.is_busy or self.waiting)
        if self.process:
            end_all([self.process])
        return is_done

    def _pipe(self) -> Connection:
        if self.pipe is None:
            context = multiprocessing.get_context("spawn")  # without torch, and without a run's threads
            self.pipe, theirs = context.Pipe()
            arguments = (self.results, self.derived, theirs)
            self.process = context.Process(target=_serve, args=arguments, name="mlflow", daemon=True)
            with deaf():
                self.process.start()
            theirs.close()
        return self.pipe


def _serve(results: Path, derived: Derived | None, pipe: Connection) -> None:
    """What the process does: all tasks of a batch, then an answer. It ends after an error, or with the launcher."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where there are no masks of signals (`stopping.deaf`)
    _be_silent()
    trouble = None
    while not trouble:
        try:
            batch = pipe.recv()
        except EOFError:
            return
        for name, *arguments in batch:
            trouble = trouble or TASKS[name](results, derived, *arguments)
        pipe.send(trouble)


def _be_silent() -> None:
    """Discard what this process prints: the launcher shows the sweep on the terminal."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
