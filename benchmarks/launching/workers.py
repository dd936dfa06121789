"""How many runs go on at once, and which share of the machine each one gets.

With GPUs, there is one run per GPU. Without, there are as many runs as the cores allow at so many threads each. The
user may set the number of threads (`OMP_NUM_THREADS`). Otherwise it is 1 at smoke scale, whose networks gain nothing
from a second thread. At the other scales it is the number of cores, because only a run that is alone on the machine
has timings worth keeping.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from benchmarks.distributed import torchrun
from benchmarks.measurement.joules import OWN
from benchmarks.spec import BadInput, Scale

THREADS, GPUS, DECODERS = "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "DSR_WORKERS"
"""Variables that give a run its share. If the user has set the first or the last, its value is kept."""


@dataclass(frozen=True)
class Workers:
    """`count` runs go on at once. `threads`: of each run (None: torch decides). `gpus`: names, one per worker."""

    count: int = 1
    threads: int | None = None
    gpus: tuple[str, ...] = ()

    def settings(self, worker: int) -> dict[str, str]:
        """Environment variables for the runs of one worker; none if it is the only worker."""
        if self.count == 1:
            return {}
        share = {DECODERS: str(max(1, cores() // self.count))}
        if self.threads:
            share[THREADS] = str(self.threads)
        settings = {name: value for name, value in share.items() if name not in os.environ}
        settings[OWN] = "gpu" if self.count <= len(self.gpus) else "none"
        return settings | ({GPUS: self.gpus[worker % len(self.gpus)]} if self.gpus else {})

    def crowding(self) -> float:
        """The factor by which the other runs slow a run down, at most."""
        if torch.cuda.is_available():
            return max(1.0, self.count / max(1, len(self.gpus)))
        return max(1.0, self.count * torch.get_num_threads() / cores()) if self.count > 1 else 1.0


def take_share(settings: dict[str, str]) -> None:
    """Apply these settings to this process. To be called in a run's own process before it uses a GPU."""
    os.environ.update(settings)
    if THREADS in settings:
        torch.set_num_threads(int(settings[THREADS]))  # torch read the variable when the server imported it


def workers(jobs: int | None, scale: Scale) -> Workers:
    """Workers for `jobs` runs at once; None: for as many as fit this machine.

    Raises BadInput under torchrun for more than one: its processes carry one run out together.
    """
    if torchrun.size() > 1:
        if jobs not in (None, 1):
            raise BadInput(f"--jobs {jobs}: torchrun's processes carry one run out together; leave --jobs out")
        return Workers()
    gpus = _gpus()
    count = jobs or len(gpus) or max(1, cores() // _threads(scale))
    if count == 1:
        return Workers()
    stated = os.environ.get(THREADS)
    return Workers(count, None if stated else max(1, cores() // count), gpus if len(gpus) > 1 else ())


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _threads(scale: Scale) -> int:
    """Threads per run: those that the user has set, else by scale."""
    stated = os.environ.get(THREADS, "").split(",")[0].strip()
    if stated.isdigit() and int(stated):
        return int(stated)
    return 1 if scale == "smoke" else cores()


def _gpus() -> tuple[str, ...]:
    """The visible GPUs, by the names that `CUDA_VISIBLE_DEVICES` uses."""
    count = torch.cuda.device_count()
    named = [name.strip() for name in os.environ.get(GPUS, "").split(",") if name.strip()]
    return tuple(named[:count] if len(named) >= count else map(str, range(count)))
