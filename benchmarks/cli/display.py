"""What a person sees while runs go on, one or several at once: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from benchmarks.recipes import resolve
from benchmarks.runs.record import Epoch, Result
from benchmarks.spec import Run

DAYS_OF_A_YEAR = 365
SECONDS_BETWEEN_LINES = 30.0
"""Without a terminal, a long run says where it is about twice a minute."""


class Display:
    """Observer of a launch. On a terminal one bar for the sweep and one per run that goes on, else one line per run."""

    def __init__(self, console: Console, total: int) -> None:
        self.console = console
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.sweep = self.progress.add_task("runs", total=total, note="")
        self.bars = dict[Run, tuple[TaskID, float]]()  # of every run that goes on, and when it began
        self.spoke = time.perf_counter()
        self.total, self.done = total, 0

    def __enter__(self) -> Display:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def started(self, run: Run) -> None:
        bar = self.progress.add_task(_short(run), total=max(1, resolve(run).epochs), note="starting")
        self.bars[run] = bar, time.perf_counter()

    def epoch(self, run: Run, epoch: Epoch) -> None:
        note = f"loss {epoch.train_loss:.3f}{_accuracy(epoch)}"
        self._update(run, completed=epoch.epoch, note=note)
        self._mention(f"   {_short(run)}, epoch {epoch.epoch}/{resolve(run).epochs}: {note}")

    def simulated(self, run: Run, images: int, of: int) -> None:
        self._update(run, completed=images, total=of, note="images simulated")
        self._mention(f"   {_short(run)}, {images}/{of} images simulated")

    def waiting(self, run: Run) -> None:
        self._update(run, note="another process works on this run: waiting for it")
        if not self.console.is_terminal:
            self._say(f"   {_short(run)}: another process works on this run, waiting for it")

    def lost(self, run: Run) -> None:
        self.progress.remove_task(self.bars.pop(run)[0])
        text = "another process has taken this run over, because this one gave no sign of life for long: stepping back"
        self._say(f" [yellow]lost[/]   {_short(run)}: {text}")

    def ended(self, run: Run, result: Result) -> None:
        self.done += 1
        self.progress.update(self.sweep, completed=self.done)
        bar, began = self.bars.pop(run)
        self.progress.remove_task(bar)
        seconds = time.perf_counter() - began
        mark = "[green]✓[/]" if result.status == "done" else "[red]✗[/]"
        why = escape(result.reason or "")  # whatever an exception says: brackets are no mark-up
        text = f"{result.top1:6.2f} %" if result.top1 is not None else f"[red]{result.status}[/]: {why}"
        text += f"  [yellow]{why}[/]" if why and result.status == "done" else ""
        count = f"{self.done:>{len(str(self.total))}}/{self.total}"
        self._say(f" {mark} {count}  {_short(run):<24} {text}  [dim]{duration(seconds)}[/]")

    def _update(self, run: Run, **changes: Any) -> None:
        bar, _ = self.bars[run]
        self.progress.update(bar, **changes)

    def _mention(self, text: str) -> None:
        """Without a terminal, and not too often."""
        if not self.console.is_terminal and time.perf_counter() - self.spoke > SECONDS_BETWEEN_LINES:
            self._say(text)

    def _say(self, text: str) -> None:
        self.spoke = time.perf_counter()
        self.console.print(text, highlight=False, soft_wrap=True)


@contextmanager
def packing(console: Console, what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar, once there is something to show; without a terminal a bar that shows nothing leaves an empty line."""
    bar = Progress(TextColumn("packing " + what), BarColumn(bar_width=24), MofNCompleteColumn(), console=console)
    task = bar.add_task("", total=None)

    def show(done: int, of: int) -> None:
        bar.start()
        bar.update(task, completed=done, total=of)

    try:
        yield show
    finally:
        if bar.live.is_started:
            bar.stop()


def _short(run: Run) -> str:
    return escape(f"{run.method} T={run.timesteps} seed {run.seed}")  # a plug-in's name may hold brackets


def duration(seconds: float) -> str:
    """`3.1 s`, `4 min 05 s`, `2 h 30 min`, `12 days`, `19 years`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, days = minutes // 60, minutes / (24 * 60)
    if hours < 48:
        return f"{hours} h {minutes % 60:02d} min"
    return f"{days:,.0f} days" if days < 2 * DAYS_OF_A_YEAR else f"{days / DAYS_OF_A_YEAR:,.0f} years"


def _accuracy(epoch: Epoch) -> str:
    """On the test split, or on held-out training images where the test split is read once, at the end."""
    if epoch.test_top1 is not None:
        return f", test {epoch.test_top1:.1f} %"
    return "" if epoch.validation_top1 is None else f", validation {epoch.validation_top1:.1f} %"
