"""Keeps MLflow up to date in the background while a sweep runs. Errors of MLflow never stop a run.

With `DSR_TRACKING=off` nothing is mirrored. `dsr-bench sync` can still bring the runs in later.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console

from benchmarks.runs import store
from benchmarks.runs.identity import key
from benchmarks.runs.record import Epoch, Result
from benchmarks.spec import Run
from benchmarks.tracking.background import Background
from benchmarks.tracking.connection import Connection
from benchmarks.tracking.derived import Derived
from benchmarks.tracking.mirror import is_attached, unsettled

if TYPE_CHECKING:
    from benchmarks.launching.crew import Observer

SECONDS_BETWEEN = 30.0
SHARE = 0.02
"""How long the end of a sweep may wait for a server, as a share of the time that the sweep has taken."""
LEAST_SECONDS, MOST_SECONDS = 2.0, 60.0
"""The least and the most of that time. The end of a sweep waits up to the most for a local database."""
SYNC = "`dsr-bench sync` brings them in"


class Tracking:
    """Mirrors a sweep inside a `with` block. At its end one line says what was not mirrored, if anything was not."""

    def __init__(self, console: Console, results: Path, derived: Derived | None = None) -> None:
        self.console, self.results = console, results
        self.began = time.monotonic()
        self.is_interrupted = self.has_spoken = False
        self.ended = dict[Path, None]()
        self.report: Path | None = None
        self.background: Background | None = None
        if os.environ.get("DSR_TRACKING") != "off":
            self.background = Background(results, derived)

    def __enter__(self) -> Tracking:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.background:
            self.is_interrupted |= isinstance(error, KeyboardInterrupt)
            seconds = self._patience()
            is_done = self.background.finish(seconds)
            why = self.background.trouble or ("" if is_done else f"no answer after {seconds:.0f} s")
            self._say_what_is_missing(is_done, "" if self.has_spoken else why)

    def follow(self, inner: Observer, runs: Iterable[Run]) -> Observer:
        """An observer that passes everything on to `inner`, and mirrors these runs."""
        if not self.background:
            return inner
        if find_spec("mlflow") is None:
            note(self.console, f"is not installed: runs are kept on disk, {SYNC}")
            self.background = None
            return inner
        self.background.ask("close_stale", tuple(sorted({key(run) for run in runs})))
        return Mirroring(inner, self)

    def mirror(self, run: Run, has_ended: bool) -> None:
        """Ask for a run to be mirrored in its present state."""
        if self.background:
            directory = store.directory(self.results, run)
            if has_ended:
                self.ended[directory] = None
            self.background.ask("mirror", directory)
            self.listen()

    def attach(self, folder: Path, sweep: str, smoke: bool) -> None:
        """Ask for a sweep's report, tables and page, to be attached to its parent run, unless it already is."""
        if self.background and find_spec("mlflow") and not is_attached(folder, self.results):
            self.report = folder
            self.background.ask("attach", folder, sweep, smoke)

    def listen(self) -> None:
        """Print an error of MLflow, once. The runs go on without MLflow."""
        if self.background:
            self.background.look()
            if self.background.trouble and not self.has_spoken:
                self.has_spoken = True
                note(self.console, f"{self.background.trouble}; the runs go on without it")

    def _patience(self) -> float:
        """Seconds that the end of the sweep waits for what is not yet mirrored."""
        if self.is_interrupted:
            return LEAST_SECONDS
        if not Connection(self.results).is_server:
            return MOST_SECONDS
        return min(max(LEAST_SECONDS, SHARE * (time.monotonic() - self.began)), MOST_SECONDS)

    def _say_what_is_missing(self, is_done: bool, why: str) -> None:
        """Print what MLflow lacks. If all was done, it lacks no report: the sweep then has no parent run in MLflow."""
        runs = len(unsettled(self.ended, self.results))
        parts = [f"{runs} of {len(self.ended)} runs"] if runs else []
        if self.report and not is_done and not is_attached(self.report, self.results):
            parts.append("the report")
        if parts:
            because = f" ({why})" if why else ""
            note(self.console, f"lacks {' and '.join(parts)}{because}; all are complete on disk, and {SYNC}")


class Mirroring:
    """Passes everything on to `inner`. Mirrors a run when it has ended, and before that at most twice a minute."""

    def __init__(self, inner: Observer, tracking: Tracking) -> None:
        self.inner, self.tracking = inner, tracking
        self.last = dict[Run, float]()

    def started(self, run: Run) -> None:
        self.last[run] = time.monotonic()
        self.inner.started(run)

    def simulated(self, run: Run, images: int, of: int) -> None:
        self.inner.simulated(run, images, of)
        self.tracking.listen()

    def waiting(self, run: Run) -> None:
        self.inner.waiting(run)

    def lost(self, run: Run) -> None:
        self.inner.lost(run)

    def epoch(self, run: Run, epoch: Epoch) -> None:
        self.inner.epoch(run, epoch)
        self.tracking.listen()
        if time.monotonic() - self.last.get(run, 0.0) > SECONDS_BETWEEN:
            self.tracking.mirror(run, has_ended=False)
            self.last[run] = time.monotonic()

    def ended(self, run: Run, result: Result) -> None:
        self.inner.ended(run, result)
        self.tracking.mirror(run, has_ended=True)


def note(console: Console, text: str) -> None:
    """Print one line about MLflow."""
    console.print(" [yellow]mlflow[/] ", end="")
    console.print(text, markup=False, highlight=False, soft_wrap=True)
