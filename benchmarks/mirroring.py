"""An observer that keeps MLflow up to date while runs go on, and never lets its trouble become theirs.

`DSR_TRACKING=off` leaves MLflow alone; `dsr-bench sync` can still bring the runs in later.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from benchmarks import store
from benchmarks.identity import key
from benchmarks.launch import Observer
from benchmarks.record import Result
from benchmarks.spec import Run

if TYPE_CHECKING:
    from benchmarks.training import Epoch

SECONDS_BETWEEN = 30.0


class Mirroring:
    """Passes everything on to `inner`; mirrors a run at its end, and meanwhile at most twice a minute."""

    def __init__(self, inner: Observer, results: Path, console: Console, runs: Iterable[Run]) -> None:
        self.inner, self.results, self.console = inner, results, console
        self.last = time.monotonic()
        self.works = os.environ.get("DSR_TRACKING") != "off"
        if self.works:
            from benchmarks import tracking

            self._note(tracking.close_stale(results, {key(run) for run in runs}))

    def started(self, run: Run) -> None:
        self.inner.started(run)

    def simulated(self, run: Run, images: int, of: int) -> None:
        self.inner.simulated(run, images, of)

    def waiting(self, run: Run) -> None:
        self.inner.waiting(run)

    def epoch(self, run: Run, epoch: Epoch) -> None:
        self.inner.epoch(run, epoch)
        if time.monotonic() - self.last > SECONDS_BETWEEN:
            self._mirror(run)

    def ended(self, run: Run, result: Result) -> None:
        self.inner.ended(run, result)
        self._mirror(run)

    def _mirror(self, run: Run) -> None:
        if self.works:
            from benchmarks import tracking

            self._note(tracking.mirror([store.directory(self.results, run)], self.results))
        self.last = time.monotonic()

    def _note(self, trouble: str | None) -> None:
        """Said once; the runs are complete all the same."""
        if trouble:
            self.works = False
            self.console.print(" [yellow]mlflow[/] ", end="")
            self.console.print(f"{trouble}; runs are kept on disk, `dsr-bench sync` brings them in", markup=False)
