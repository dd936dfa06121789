"""The definitions of time, memory and other load.

`train_step_ms`: forward, backward and update of one batch, synchronised, without loading the batch; the first steps of
a process are warm-up and are left out. `train_seconds`: whole epochs, with loading, without evaluation.
`train_cpu_seconds`: user and system time over the same span, of all processes that train and of their workers.
Peak memory: highest resident size of the process (CPU) or highest allocation (GPU) during one whole step.
`core_gflops`: speed of a core in a fixed convolution, after every epoch (`yardstick.py`).
`other_load_cores`: number of cores that other processes keep busy meanwhile; above 0.25 tables mark the timing.
"""

from __future__ import annotations

import ctypes
import os
import resource
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

WARM_UP_STEPS = 3
_M_MMAP_MAX, _M_TRIM_THRESHOLD = -4, -1  # malloc.h


@dataclass
class Memory:
    """Bytes. `idle`: before the network exists. `peak`: over one step. `reserved`: the GPU allocator's peak."""

    idle: int
    peak: int | None = None
    reserved: int | None = None


class Stopwatch:
    """Times steps. On a GPU it uses CUDA events, so that timing does not synchronise the device after every step."""

    def __init__(self, device: torch.device) -> None:
        self.cuda = device.type == "cuda"
        self.durations: list[float] = []
        self.events: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    @contextmanager
    def step(self) -> Iterator[None]:
        if self.cuda:
            before, after = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            before.record()
            yield
            after.record()
            self.events.append((before, after))
        else:
            start = time.perf_counter()
            yield
            self.durations.append((time.perf_counter() - start) * 1e3)

    def milliseconds(self) -> list[float]:
        """Return the durations of the steps since the last call; waits for the device."""
        if self.cuda:
            torch.cuda.synchronize()
            self.durations = [before.elapsed_time(after) for before, after in self.events]
        durations, self.durations, self.events = self.durations, [], []
        return durations


def median_and_iqr(values: list[float]) -> tuple[float | None, float | None]:
    """Return the median and the interquartile range; None if there are too few values."""
    if len(values) < 2:
        return (values[0], None) if values else (None, None)
    low, median, high = statistics.quantiles(values, n=4)
    return median, high - low


def idle_memory(device: torch.device) -> Memory:
    """Measure memory after the data are loaded and before the network is built.

    Libraries that torch loads on first use are loaded before the measurement.
    """
    _use_libraries(device)
    return Memory(idle=torch.cuda.memory_allocated() if device.type == "cuda" else _status("VmRSS"))


def _use_libraries(device: torch.device) -> None:
    """Train a minute network for one step. What torch loads once (about 100 MiB on a CPU) is not a method's memory."""
    network = nn.Sequential(nn.Conv2d(1, 1, 3), nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(36, 2)).to(device)
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
    images = torch.zeros(2, 1, 8, 8, device=device)
    labels = torch.zeros(2, dtype=torch.int64, device=device)
    nn.functional.cross_entropy(network(images), labels).backward()
    optimizer.step()


@contextmanager
def peak_memory(memory: Memory, device: torch.device) -> Iterator[None]:
    """Measure the peak over the enclosed step; `memory` keeps the highest of several measurements."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    else:
        _reset_peak_resident()
    yield
    if device.type == "cuda":
        torch.cuda.synchronize()
        memory.reserved = max(torch.cuda.max_memory_reserved(), memory.reserved or 0)
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else _status("VmHWM")
    memory.peak = max(peak, memory.peak or 0)


def keep_freed_memory(memory: Memory) -> bool:
    """Let glibc keep freed memory, so that a step reuses what the step before it freed. Returns whether this succeeded.

    Otherwise large tensors are mapped again at every step and the system clears all their pages, which takes up to a
    third of a step's time. Fragmentation makes the process up to twice as large in our measurements. Memory is
    therefore measured before, and four times the peak must be available.
    """
    if memory.peak is None or _available() < 4 * memory.peak:
        return False
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, -1))
    return False


def _available() -> int:
    """Return the bytes available without swapping; 0 if the system does not report them."""
    return _field(Path("/proc/meminfo"), "MemAvailable") or 0


def _reset_peak_resident() -> None:
    with suppress(OSError):  # then the peak covers the process's whole life and is never too small
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def _status(name: str) -> int:
    resident = _field(Path("/proc/self/status"), name)
    return resident if resident is not None else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _field(file: Path, name: str) -> int | None:
    """Read a line of a proc file in kibibytes and return bytes."""
    with suppress(OSError):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return None


@dataclass
class OtherLoad:
    """Cores that other processes keep busy during the measurement; None if the system does not report it."""

    wall: float = field(default_factory=time.perf_counter)
    busy: float | None = field(default_factory=lambda: _busy_seconds())
    own: float = field(default_factory=lambda: cpu_seconds())

    def cores(self) -> float | None:
        busy = _busy_seconds()
        if busy is None or self.busy is None:
            return None
        own = cpu_seconds() - self.own
        return max(0.0, (busy - self.busy - own) / self.seconds())

    def seconds(self) -> float:
        """Return the duration of the measurement so far."""
        return time.perf_counter() - self.wall


def cpu_seconds() -> float:
    """Return the user and system seconds of this process and of its children that have ended, such as workers."""
    own, ended = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime


def _busy_seconds() -> float | None:
    """Return the CPU seconds of all processes of the machine."""
    try:
        first = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0]
    except OSError:
        return None
    user, nice, system, _, _, irq, softirq, *_ = (int(value) for value in first.split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
