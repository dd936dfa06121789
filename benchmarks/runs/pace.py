"""How fast training is on this machine, as measured by runs in the same results folder.

That is more accurate than timing small steps before a sweep, which leaves out batches, caches and other work on the
machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from benchmarks.runs import store
from benchmarks.runs.job import Job
from benchmarks.runs.record import Result, read_csv
from benchmarks.spec import BadInput, Run

Alike = Mapping[Run, Sequence[Job]]
"""Lists of runs that differ only in their seed. The key is the run with seed 0."""


def alike(jobs: Iterable[Job]) -> Alike:
    """Put runs that differ only in their seed into one list."""
    found: dict[Run, list[Job]] = {}
    for job in jobs:
        found.setdefault(replace(job.run, seed=0), []).append(job)
    return found


def epochs_done(job: Job) -> int:
    """Epochs that an unfinished run has been trained for; 0 if it has no checkpoint to resume from."""
    return len(_curve(job))


def seconds_per_epoch(job: Job, others: Alike, threads: int | None) -> float | None:
    """Seconds of training per epoch, without evaluation; None if no run here has measured it.

    They are the run's own if it is half done, else those of a run with another seed, finished or half done. `threads`:
    of a run on a CPU, by which its core-seconds are divided; None: take the time by the clock.
    """
    for one in (job, *others.get(replace(job.run, seed=0), ())):
        if (result := one.result()) and result.epochs and one is not job:
            return _per_epoch(result.train_seconds, result.train_cpu_seconds, result.epochs, threads)
        if curve := _curve(one):
            last = curve[-1]
            return _per_epoch(last.get("train_seconds"), last.get("train_cpu_seconds"), len(curve), threads)
    return None


def seconds_left(job: Job, others: Alike) -> float | None:
    """Seconds by the clock that an unfinished run still needs, at the pace measured here; None if that is not known.

    Evaluation is included if a run with another seed has measured how fast it is.
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
