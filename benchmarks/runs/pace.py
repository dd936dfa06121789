"""How fast training goes on this machine, as runs that were trained here have measured it.

Small steps that are timed before a sweep know nothing of batches, caches and other work on the machine; an epoch does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from benchmarks.runs import agreement, store
from benchmarks.runs.job import Job
from benchmarks.runs.record import Result, read_csv
from benchmarks.spec import BadInput, Run

Alike = Mapping[Run, Sequence[Job]]
"""Runs that differ in their seed alone, by the one with seed 0."""


def alike(jobs: Iterable[Job]) -> Alike:
    """These runs as `Alike`."""
    found: dict[Run, list[Job]] = {}
    for job in jobs:
        found.setdefault(replace(job.run, seed=0), []).append(job)
    return found


def epochs_done(job: Job) -> int:
    """Epochs that a run which has not ended was trained for; 0 without a checkpoint to go on from."""
    return len(_curve(job))


def seconds_per_epoch(job: Job, others: Alike, threads: int | None) -> float | None:
    """Seconds that training takes per epoch, evaluation excluded; None where nothing here says so.

    Of a half-done run its own, else of one of the others with another seed, ended or half done. `threads`: those of a
    run on a processor, among which its core-seconds are divided; None where the clock counts.
    """
    for one in (job, *others.get(replace(job.run, seed=0), ())):
        if (result := one.result()) and result.epochs and one is not job:
            return _per_epoch(result.train_seconds, result.train_cpu_seconds, result.epochs, threads)
        if curve := _curve(one):
            last = curve[-1]
            return _per_epoch(last.get("train_seconds"), last.get("train_cpu_seconds"), len(curve), threads)
    return None


def seconds_left(job: Job, others: Alike) -> float | None:
    """Seconds by the clock that a run which has not ended still takes, at the pace of others here; None: not known.

    Evaluation counts where a run with another seed has measured its speed.
    """
    recipe = job.recipe
    left = max(0, recipe.epochs - epochs_done(job))
    epoch, image = seconds_per_epoch(job, others, None), _seconds_per_image(job, others)
    if (image is None and not recipe.epochs) or (epoch is None and left):
        return None
    images = left * recipe.validation_images
    if known := next((result for result in _results(job, others) if result.test_images), None):
        times = (2 if recipe.epochs else 1) + (left if recipe.test_every_epoch else 0)
        images += times * (known.test_images or 0)
    return left * (epoch or 0.0) + images * (image or 0.0)


def _seconds_per_image(job: Job, others: Alike) -> float | None:
    speeds = (result.test_images_per_second for result in _results(job, others))
    return next((1.0 / speed for speed in speeds if speed), None)


def _results(job: Job, others: Alike) -> Iterable[Result]:
    """Those of runs with another seed."""
    found = (other.result() for other in others.get(replace(job.run, seed=0), ()))
    return (result for result in found if result and result.status == "done")


def _curve(job: Job) -> list[dict[str, str]]:
    """The epochs in the curve of a run that has a checkpoint; none where the curve cannot be read."""
    if not (job.place / store.CHECKPOINT).exists():
        return []
    path = job.place / store.CURVES
    try:
        lines = [{"key": job.key, **line} for line in read_csv(path)]
        agreement.checked_curves(lines, str(path), ("train_joules", *agreement.LATER_OF_CURVES))
    except BadInput:
        return []
    return lines


def _per_epoch(
    seconds: float | str | None, core_seconds: float | str | None, epochs: int, threads: int | None
) -> float | None:
    """Older files have no core-seconds."""
    spent, shared = (core_seconds, threads) if threads else (seconds, 1)
    try:
        return float(spent) / shared / epochs or None if spent else None
    except ValueError:
        return None
