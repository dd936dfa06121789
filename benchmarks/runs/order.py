"""Which runs a run waits for: its parent, and longer runs whose simulation measures it on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from benchmarks.recipes import GRID, anytime, resolve
from benchmarks.runs.job import Job
from benchmarks.spec import Run


def longer(job: Job) -> Iterator[Job]:
    """Jobs whose simulation passes through this one: the same recipe and a larger T."""
    if not anytime(job.run.method):
        return
    for steps in (steps for steps in GRID if steps > job.run.timesteps):
        other = replace(job.run, timesteps=steps)
        if resolve(other) == job.recipe:
            yield job.at(other)


def passing(jobs: Iterable[Job]) -> dict[Job, list[Job]]:
    """For each of these jobs, those of them that `longer` gives for it."""
    jobs = list(jobs)
    alike: dict[Run, list[Job]] = {}
    for job in jobs:
        if anytime(job.run.method) and job.run.timesteps in GRID:
            alike.setdefault(replace(job.run, timesteps=1), []).append(job)
    return {job: _longer_of(job, alike.get(replace(job.run, timesteps=1), [])) for job in jobs}


def _longer_of(job: Job, others: list[Job]) -> list[Job]:
    return [other for other in others if other.run.timesteps > job.run.timesteps and other.recipe == job.recipe]


def after(jobs: Iterable[Job]) -> Mapping[Run, set[Run]]:
    """The runs among these jobs that each of them waits for."""
    jobs = list(jobs)
    wanted, longer_ones = {job.run for job in jobs}, passing(jobs)
    before = {job.run: (job.parent, *longer_ones[job]) for job in jobs}
    return {run: {other.run for other in others if other} & wanted for run, others in before.items()}
