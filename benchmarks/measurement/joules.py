"""Measured energy: joules from the machine's own counters. Without a counter the value is None, never an estimate.

    NVML  millijoules since the driver was loaded, for the GPU (Volta and later) including its board
    RAPL  microjoules per processor package, and per memory domain if it has its own counter; the counters wrap around

A run on a GPU needs NVML, and RAPL is added if it is readable. A run on a CPU needs RAPL. Both also count idle power
and the energy that other processes use on the same chips. NVML is called through its C library and needs no package.
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
"""A package's counter wraps around after some minutes at full power and must not do so twice between readings."""


class Unavailable(Exception):
    """The energy counter cannot be read; the message says why in one line."""


@dataclass
class Counter:
    """A counter in units of `unit_joules`, which wraps around to 0 after `highest` (None: it never does)."""

    read: Callable[[], int]
    unit_joules: float
    highest: int | None = None
    last: int = 0
    total: float = 0.0

    def __post_init__(self) -> None:
        self.last = self.read()

    def advance(self) -> float:
        """Return joules since this object was created. Raises OSError or Unavailable if reading fails."""
        now = self.read()
        if now < self.last and self.highest is None:
            raise Unavailable("the counter decreased")
        self.total += (now - self.last + (self.highest or 0) * (now < self.last)) * self.unit_joules
        self.last = now
        return self.total


@dataclass
class Meter:
    """The energy counters of one device. `source` names them; None without counters."""

    counters: Sequence[Counter] = ()
    source: str | None = None
    read_at: float = field(default_factory=time.monotonic)

    def joules(self) -> float | None:
        """Return joules since the meter was created; None as soon as a counter cannot be read."""
        self.read_at = time.monotonic()
        try:
            read = [counter.advance() for counter in self.counters]
        except (OSError, ValueError, Unavailable):
            self.counters, self.source = (), None
            return None
        return sum(read) if read else None

    def tick(self) -> None:
        """Read the counters every few seconds, so that no wrap-around is missed. Call this often."""
        if self.counters and time.monotonic() - self.read_at > SECONDS_BETWEEN_READINGS:
            self.joules()


def meter(device: torch.device, alone: bool = True) -> Meter:
    """Return the meter of a device, without counters if none is readable.

    `alone`: no other process of the run adds up the energy of the same processor packages. Runs that share a device
    have no meter: each would count the others' joules as its own.
    """
    own = os.environ.get(OWN)
    if own == "none":
        return Meter()
    alone = alone and own is None
    cuda, meters = device.type == "cuda", list[Meter]()
    try:
        meters += [nvml(_uuid(device))] if cuda else []
        meters += [rapl()] if alone else []
    except Unavailable:
        if not cuda:
            return Meter()
        # without RAPL the GPU's counter remains, and `source` names only it; without NVML nothing is counted
    return Meter([c for each in meters for c in each.counters], " + ".join(str(each.source) for each in meters) or None)


def missing(device: torch.device) -> str:
    """Say why a device has no energy counter on this machine."""
    try:
        nvml(_uuid(device)) if device.type == "cuda" else rapl()
    except Unavailable as error:
        return str(error)
    return "the counters could not be read during the run"


def rapl(root: Path = POWERCAP) -> Meter:
    """Return the meter of the processor packages. Raises Unavailable if no counter exists or is readable."""
    zones = [zone for zone in sorted(root.glob("intel-rapl:*")) if (zone / "energy_uj").exists()]
    try:
        names = {zone: (zone / "name").read_text(encoding="utf-8").strip() for zone in zones}
        chosen = [zone for zone in zones if names[zone].startswith("package") or names[zone] == "dram"]
        counters = [Counter(_file(zone / "energy_uj"), 1e-6, _file(zone / "max_energy_range_uj")()) for zone in chosen]
    except PermissionError as error:
        raise Unavailable(f"{error.filename} is readable by root only") from None
    except (OSError, ValueError) as error:
        raise Unavailable(f"RAPL cannot be read: {error}") from None
    if not counters:
        raise Unavailable(f"no RAPL counter found in {root}")
    packages = sum(names[zone].startswith("package") for zone in chosen)
    memory = " and memory" if packages < len(chosen) else ""
    return Meter(counters, f"RAPL, {packages} {'package' if packages == 1 else 'packages'}{memory}")


def _file(path: Path) -> Callable[[], int]:
    return lambda: int(path.read_text(encoding="utf-8"))


def nvml(uuid: str, load: Callable[[str], Any] = ctypes.CDLL) -> Meter:
    """Return the meter of the GPU with this UUID. Raises Unavailable without the driver's library or a counter."""
    try:
        library = load(NVML)
    except OSError:
        raise Unavailable(f"{NVML} not found") from None
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
        raise Unavailable(f"NVML returned error {code}")


def _uuid(device: torch.device) -> str:
    """Return the UUID of torch's device; NVML's order of GPUs may differ because of CUDA_VISIBLE_DEVICES."""
    uuid = getattr(torch.cuda.get_device_properties(device), "uuid", None)
    if uuid is None:
        raise Unavailable("this version of torch does not report the UUIDs of GPUs")
    return f"GPU-{uuid}"
