"""The owner of a claim on a run: a process on a machine, which may be known to have ended."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from benchmarks.files import json_files
from benchmarks.files.filesystems import Kind
from benchmarks.files.partials import HOST


@dataclass(frozen=True)
class Owner:
    """A process. `machine`: where `pid` is its number. `ticks`: when it started, in the kernel's unit. Empty: unknown.

    `since`: when the claim was made, by the clock of the file system. `lease`: seconds from the last sign of life until
    others may take the claim over. `kind`: "flock" if the owner also holds a lock. `filesystem`: the type of the one
    that it sees there.
    """

    host: str
    pid: int
    machine: str
    ticks: str
    since: float
    lease: float
    kind: Kind
    filesystem: str

    def text(self) -> str:
        """The content of the file that names the owner."""
        return json.dumps(asdict(self), indent=1) + "\n"

    def is_gone(self) -> bool:
        """Whether the process is known to have ended. Nothing is known of other machines and other containers."""
        return bool(self.machine) and self.machine == machine() and ticks(self.pid) != self.ticks


def this_process(since: float, lease: float, kind: Kind, filesystem: str) -> Owner:
    """An owner that is this process."""
    return Owner(HOST, os.getpid(), machine(), ticks(os.getpid()), since, lease, kind, filesystem)


def read(text: str) -> Owner | None:
    """Read what `Owner.text` wrote; None for anything else, such as what a power cut leaves."""
    try:
        return json_files.made(Owner, json_files.parsed(text))
    except ValueError:
        return None


@cache
def machine() -> str:
    """This machine since it was last started, and the namespace of its process numbers; empty if that is not known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{HOST} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def ticks(pid: int) -> str:
    """When a process of this machine started, in the kernel's unit; empty if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
