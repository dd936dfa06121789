"""How fast training goes on this machine, as runs that were trained here have measured it.

Small steps that are timed before a sweep know nothing of batches, caches and other work on the machine; an epoch does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from benchmarks.runs import store
from benchmarks.runs.job import Job
from benchmarks.runs.record import read_csv
from benchmarks.spec import BadInput


def epochs_done(job: Job) -> int:
    """Epochs that a run which has not ended was trained for; 0 without a checkpoint to go on from."""
    return len(_curve(job))


def seconds_per_epoch(job: Job, ended: Iterable[Job], threads: int | None) -> float | None:
    """Seconds that training takes per epoch, evaluation excluded; None where nothing here says so.

    Of a half-done run its own, else of a run among the `ended` ones that differs in its seed alone. `threads`: those of
    a run on a processor, among which its core-seconds are divided; None on a GPU, where the clock counts.
    """
    if curve := _curve(job):
        last = curve[-1]
        return _per_epoch(last.get("train_seconds"), last.get("train_cpu_seconds"), len(curve), threads)
    for other in ended:
        result = other.result() if replace(other.run, seed=job.run.seed) == job.run else None
        if result and result.epochs:
            return _per_epoch(result.train_seconds, result.train_cpu_seconds, result.epochs, threads)
    return None


def _curve(job: Job) -> list[dict[str, str]]:
    """The epochs in the curve of a run that has a checkpoint; none where the curve cannot be read."""
    if not (job.place / store.CHECKPOINT).exists():
        return []
    try:
        return read_csv(job.place / store.CURVES)
    except (BadInput, OSError):
        return []


def _per_epoch(
    seconds: float | str | None, core_seconds: float | str | None, epochs: int, threads: int | None
) -> float | None:
    """Older files have no core-seconds."""
    spent, shared = (core_seconds, threads) if threads else (seconds, 1)
    try:
        return float(spent) / shared / epochs or None if spent else None
    except ValueError:
        return None
