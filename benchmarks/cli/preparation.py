"""What has to be known before the first run of a sweep: which data are missing, and how long the runs will take.

Nothing here prints; `notices` says what is found.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from benchmarks.runs.job import Job
from benchmarks.spec import OF_WHOLE_SETS, BadInput, Run

OnRecording = Callable[[int, int], None]


def look_at_precision() -> None:
    """Raise BadInput if `DSR_BFLOAT16` names no way of multiplying in bfloat16."""
    if os.environ.get("DSR_BFLOAT16"):
        import torch

        from benchmarks.methods import bfloat16_in_hardware

        bfloat16_in_hardware(torch.device("cpu"))


def missing_sets(jobs: Iterable[Job]) -> list[str]:
    """The data sets that these runs see and that would have to be downloaded first."""
    from benchmarks.cli import datasets

    names = {job.run.dataset for job in jobs}
    return sorted({datasets.missing(name) for name in names} - {""})


def to_pack(jobs: Iterable[Job]) -> dict[str, int]:
    """Bytes that event data will take once packed, by what is packed; data are looked at by headers and names only.

    Sets that have to be downloaded are left out. Raises BadInput for data that the runs could not use.
    """
    from benchmarks import data
    from benchmarks.cli import datasets

    found = {}
    for what, count, job in _wanted(jobs):
        name = job.run.dataset
        if not datasets.missing(name):
            data.sizes(name, job.recipe, job.run.scale in OF_WHOLE_SETS)
            if size := data.to_pack(name, count):
                found[what] = size
    return found


def load_all(jobs: Iterable[Job], progress: Callable[[str], AbstractContextManager[OnRecording]]) -> None:
    """Load what these runs see, as they will; event data are packed meanwhile. Raises BadInput.

    `progress` is given a name and makes the observer that is told how many recordings of how many are packed.
    """
    from benchmarks.data import load

    for what, count, job in _wanted(jobs):
        with progress(what) as on_recording:
            whole = job.run.scale in OF_WHOLE_SETS
            load(job.run.dataset, job.recipe, frames=count, on_recording=on_recording, whole=whole)


def _wanted(jobs: Iterable[Job]) -> list[tuple[str, int, Job]]:
    """Every data set in every number of frames: what to call it, the frames, and one of the runs that see it."""
    from benchmarks.recipes import frames

    seen = {(job.run.dataset, frames(job.run, job.recipe)): job for job in jobs}
    return [
        (f"{dataset}, {count} {'frame' if count == 1 else 'frames'}", count, job)
        for (dataset, count), job in seen.items()
    ]


def seen_otherwise(seen: Iterable[tuple[str, str]]) -> dict[str, int]:
    """How many cached runs have seen other images than those here, by data set; `seen`: name and SHA-256 of each.

    Sets that do not fit in memory are not looked at, and neither are those that are missing or damaged.
    """
    from benchmarks.cli import datasets
    from benchmarks.data import DATASETS, Images

    others = {}
    for name, digests in _by_name(seen).items():
        dataset = DATASETS[name]
        try:
            if not isinstance(dataset, Images) or datasets.missing(name):
                continue
            here = dataset.read().sha256
        except BadInput:
            continue
        if count := sum(digest != here for digest in digests):
            others[name] = count
    return others


def _by_name(seen: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for name, digest in seen:
        names.setdefault(name, []).append(digest)
    return names


@dataclass(frozen=True)
class Estimate:
    """Seconds of all runs whose steps work here, and how many runs those of the others are.

    `meant_for_gpu`: a scale among these runs that is meant for a GPU, where this machine has none. `by_run`: seconds
    of each run that has the machine to itself; None where its steps fail.
    """

    seconds: float
    failing: int
    meant_for_gpu: str | None
    by_run: Mapping[Run, float | None] = field(default_factory=dict)


def estimated(jobs: Iterable[Job], ended: Iterable[Job] = ()) -> Estimate:
    """Time small steps of what these runs do; `ended`: runs that have ended well, whose times are known here."""
    from benchmarks.cli import estimate

    jobs = list(jobs)
    times: Mapping[Job, float | None] = estimate.seconds(jobs, ended)
    known = [time for time in times.values() if time is not None]
    by_run = {job.run: time for job, time in times.items()}
    return Estimate(sum(known), len(times) - len(known), meant_for_gpu(jobs), by_run)


def meant_for_gpu(jobs: Iterable[Job]) -> str | None:
    """The first scale of these runs that is meant for a GPU; None where this machine has one."""
    import torch

    scales = sorted({job.run.scale for job in jobs if job.run.scale in OF_WHOLE_SETS})
    return scales[0] if scales and not torch.cuda.is_available() else None
