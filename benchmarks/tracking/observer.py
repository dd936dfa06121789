"""An observer that keeps MLflow up to date while runs go on, and never lets its trouble become theirs.

`DSR_TRACKING=off` leaves MLflow alone; `dsr-bench sync` can still bring the runs in later.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from benchmarks.launching.crew import Observer
from benchmarks.runs import store
from benchmarks.runs.identity import key
from benchmarks.runs.record import Result
from benchmarks.spec import Run
from benchmarks.tracking.derived import Derived

if TYPE_CHECKING:
    from benchmarks.training.loop import Epoch

SECONDS_BETWEEN = 30.0


class Mirroring:
    """Passes everything on to `inner`; mirrors a run at its end, and meanwhile at most twice a minute."""

    def __init__(
        self, inner: Observer, results: Path, console: Console, runs: Iterable[Run], derived: Derived | None = None
    ) -> None:
        self.inner, self.results, self.console, self.derived = inner, results, console, derived
        self.last = dict[Run, float]()
        self.works = os.environ.get("DSR_TRACKING") != "off"
        if self.works:
            from benchmarks.tracking import mirror

            self._note(mirror.close_stale(results, {key(run) for run in runs}))

    def started(self, run: Run) -> None:
        self.last[run] = time.monotonic()
        self.inner.started(run)

    def simulated(self, run: Run, images: int, of: int) -> None:
        self.inner.simulated(run, images, of)

    def waiting(self, run: Run) -> None:
        self.inner.waiting(run)

    def lost(self, run: Run) -> None:
        self.inner.lost(run)

    def epoch(self, run: Run, epoch: Epoch) -> None:
        self.inner.epoch(run, epoch)
        if time.monotonic() - self.last.get(run, 0.0) > SECONDS_BETWEEN:
            self._mirror(run)

    def ended(self, run: Run, result: Result) -> None:
        self.inner.ended(run, result)
        self._mirror(run)

    def _mirror(self, run: Run) -> None:
        if self.works:
            from benchmarks.tracking import mirror

            self._note(mirror.mirror([store.directory(self.results, run)], self.results, self.derived))
        self.last[run] = time.monotonic()

    def _note(self, trouble: str | None) -> None:
        """Said once; the runs are complete all the same."""
        if trouble:
            self.works = False
            note(self.console, f"{trouble}; runs are kept on disk, `dsr-bench sync` brings them in")


def attach(console: Console, folder: Path, sweep: str, smoke: bool, results: Path) -> None:
    """Put a sweep's tables and page on its parent run, where MLflow is installed and wanted."""
    if os.environ.get("DSR_TRACKING") == "off" or find_spec("mlflow") is None:
        return
    from benchmarks.tracking import mirror

    if trouble := mirror.attach(folder, sweep, smoke, results):
        note(console, f"{trouble}; tables and page are kept on disk, `dsr-bench sync` brings them in")


def note(console: Console, text: str) -> None:
    """One line on MLflow."""
    console.print(" [yellow]mlflow[/] ", end="")
    console.print(text, markup=False)
