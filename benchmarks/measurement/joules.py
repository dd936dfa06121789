"""Real energy: joules drawn meanwhile, by the machine's own counters; None where there are none, never a guess.

    NVML  millijoules since the driver was loaded, of the GPU (Volta and later) and what is on its board
    RAPL  microjoules of each processor package, and of its memory where that is told apart; they start again at 0

A GPU's run needs NVML, and RAPL is added where it can be read; a CPU's run needs RAPL. Both count what other processes
make the same chips draw, and idling. NVML is called through its C library: no package is needed.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

POWERCAP = Path("/sys/class/powercap")
NVML = "libnvidia-ml.so.1"
OWN = "DSR_OWN_COUNTERS"
"""Variable of runs that go on at once, set by the launcher: `gpu` where each has a GPU to itself, else `none`."""
SECONDS_BETWEEN_READINGS = 5.0
"""A package's counter starts again after some minutes at full power: twice between two readings must not happen."""


class Unavailable(Exception):
    """Why there is no such counter here, in a line."""


@dataclass
class Counter:
    """A counter of `unit_joules` each, which starts again at 0 after `highest`; None: it never does."""

    read: Callable[[], int]
    unit_joules: float
    highest: int | None = None
    last: int = 0
    total: float = 0.0

    def __post_init__(self) -> None:
        self.last = self.read()

    def advance(self) -> float:
        """Joules since the counter was made. Raises OSError or Unavailable where it cannot be read any more."""
        now = self.read()
        if now < self.last and self.highest is None:
            raise Unavailable("the counter went back")
        self.total += (now - self.last + (self.highest or 0) * (now < self.last)) * self.unit_joules
        self.last = now
        return self.total


@dataclass
class Meter:
    """The counters of one device. `source` names them; None where there are none."""

    counters: Sequence[Counter] = ()
    source: str | None = None
    read_at: float = field(default_factory=time.monotonic)

    def joules(self) -> float | None:
        """Joules since the meter was made; None from the moment a counter cannot be read."""
        self.read_at = time.monotonic()
        try:
            read = [counter.advance() for counter in self.counters]
        except (OSError, ValueError, Unavailable):
            self.counters, self.source = (), None
            return None
        return sum(read) if read else None

    def tick(self) -> None:
        """Call often: reads the counters every few seconds, so that none starts again unnoticed."""
        if self.counters and time.monotonic() - self.read_at > SECONDS_BETWEEN_READINGS:
            self.joules()


def meter(device: torch.device, alone: bool = True) -> Meter:
    """What counts a device's energy here; a meter without counters where nothing does.

    `alone`: no other process adds up what the same processor packages draw. Runs that go on at once on one device have
    no meter: each would count the others' joules as its own.
    """
    own = os.environ.get(OWN)
    if own == "none":
        return Meter()
    alone = alone and own is None
    cuda, found = device.type == "cuda", []
    try:
        found += [nvml(_uuid(device))] if cuda else []
        found += [rapl()] if alone else []
    except Unavailable:
        if not cuda:
            return Meter()
        # with the GPU's counter the processor's share is left out, and the source says so; without it nothing is said
    return Meter([c for one in found for c in one.counters], " + ".join(str(one.source) for one in found) or None)


def missing(device: torch.device) -> str:
    """Why a device has no meter here."""
    try:
        nvml(_uuid(device)) if device.type == "cuda" else rapl()
    except Unavailable as error:
        return str(error)
    return "the counters have gone"


def rapl(root: Path = POWERCAP) -> Meter:
    """The processor packages' counters. Raises Unavailable where there are none or they may not be read."""
    zones = [zone for zone in sorted(root.glob("intel-rapl:*")) if (zone / "energy_uj").exists()]
    try:
        names = {zone: (zone / "name").read_text(encoding="utf-8").strip() for zone in zones}
        chosen = [zone for zone in zones if names[zone].startswith("package") or names[zone] == "dram"]
        counters = [Counter(_file(zone / "energy_uj"), 1e-6, _file(zone / "max_energy_range_uj")()) for zone in chosen]
    except PermissionError as error:
        raise Unavailable(f"{error.filename} may be read by root only") from None
    except (OSError, ValueError) as error:
        raise Unavailable(f"RAPL cannot be read: {error}") from None
    if not counters:
        raise Unavailable(f"no RAPL counter under {root}")
    packages = sum(names[zone].startswith("package") for zone in chosen)
    memory = " and memory" if packages < len(chosen) else ""
    return Meter(counters, f"RAPL, {packages} {'package' if packages == 1 else 'packages'}{memory}")


def _file(path: Path) -> Callable[[], int]:
    return lambda: int(path.read_text(encoding="utf-8"))


def nvml(uuid: str, load: Callable[[str], Any] = ctypes.CDLL) -> Meter:
    """The counter of the GPU of that UUID. Raises Unavailable where the driver's library or the GPU has none."""
    try:
        library = load(NVML)
    except OSError:
        raise Unavailable(f"{NVML} is not there") from None
    handle = ctypes.c_void_p()
    _call(library.nvmlInit_v2)
    _call(library.nvmlDeviceGetHandleByUUID, uuid.encode(), ctypes.byref(handle))

    def read() -> int:
        millijoules = ctypes.c_ulonglong()
        _call(library.nvmlDeviceGetTotalEnergyConsumption, handle, ctypes.byref(millijoules))
        return millijoules.value

    return Meter([Counter(read, 1e-3)], "NVML, GPU")


def _call(function: Any, *arguments: Any) -> None:
    if code := function(*arguments):
        raise Unavailable(f"NVML answers {code}")


def _uuid(device: torch.device) -> str:
    """The GPU behind torch's number, whatever CUDA_VISIBLE_DEVICES has made of the order."""
    uuid = getattr(torch.cuda.get_device_properties(device), "uuid", None)
    if uuid is None:
        raise Unavailable("this torch does not name its GPUs")
    return f"GPU-{uuid}"
