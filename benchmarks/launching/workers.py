"""How many runs go on at once, and each one's share of the machine.

With GPUs one run per GPU. Without, as many as the cores hold at so many threads per run: `OMP_NUM_THREADS` where the
user has set it, else 1 at smoke scale, whose networks gain nothing from a second thread, and all cores at the others,
where a run alone on the machine has timings worth keeping.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from benchmarks.distributed import torchrun
from benchmarks.measurement.joules import OWN
from benchmarks.spec import BadInput, Scale

THREADS, GPUS, DECODERS = "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "DSR_WORKERS"
"""Variables that give a run its share; the first and the last count as stated where the user has set them."""


@dataclass(frozen=True)
class Workers:
    """`count` runs go on at once. `threads`: of each run; None leaves it to torch. `gpus`: names, one per worker."""

    count: int = 1
    threads: int | None = None
    gpus: tuple[str, ...] = ()

    def settings(self, worker: int) -> dict[str, str]:
        """Environment variables of the runs of one worker; none where the worker has the machine to itself."""
        if self.count == 1:
            return {}
        share = {DECODERS: str(max(1, cores() // self.count))}
        if self.threads:
            share[THREADS] = str(self.threads)
        settings = {name: value for name, value in share.items() if name not in os.environ}
        settings[OWN] = "gpu" if self.count <= len(self.gpus) else "none"
        return settings | ({GPUS: self.gpus[worker % len(self.gpus)]} if self.gpus else {})

    def crowding(self) -> float:
        """How many times longer a run takes beside the others than alone, at most."""
        if torch.cuda.is_available():
            return max(1.0, self.count / max(1, len(self.gpus)))
        return max(1.0, self.count * torch.get_num_threads() / cores()) if self.count > 1 else 1.0


def take_share(settings: dict[str, str]) -> None:
    """In a run's own process, before it asks for a GPU: work with these settings and no more threads than they say."""
    os.environ.update(settings)
    if THREADS in settings:
        torch.set_num_threads(int(settings[THREADS]))  # torch, which the process was forked with, has read it before


def workers(jobs: int | None, scale: Scale) -> Workers:
    """Workers for `jobs` runs at once, or for as many as fit this machine (None). Raises BadInput."""
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
    """Threads of a run that nobody has stated."""
    stated = os.environ.get(THREADS, "").split(",")[0].strip()
    if stated.isdigit() and int(stated):
        return int(stated)
    return 1 if scale == "smoke" else cores()


def _gpus() -> tuple[str, ...]:
    """What `CUDA_VISIBLE_DEVICES` would call every visible GPU."""
    count = torch.cuda.device_count()
    named = [name.strip() for name in os.environ.get(GPUS, "").split(",") if name.strip()]
    return tuple(named[:count] if len(named) >= count else map(str, range(count)))
