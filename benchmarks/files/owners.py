"""Who has claimed a run: a process on a machine, and whether it is known to have died."""

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
    """`machine`: where `pid` means this process; `ticks`: when it started, in the kernel's unit; empty: not known.

    `since`: when the claim was made, by the clock of the file system. `lease`: seconds after the last sign of life
    after which others may take the claim over. `kind`: whether the owner also holds a lock, on that file system.
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
        """As it is written to the disk."""
        return json.dumps(asdict(self), indent=1) + "\n"

    def is_gone(self) -> bool:
        """Whether the process is known to have ended. Nothing is known of other machines and other containers."""
        return bool(self.machine) and self.machine == machine() and ticks(self.pid) != self.ticks


def this_process(since: float, lease: float, kind: Kind, filesystem: str) -> Owner:
    """An owner that is this process."""
    return Owner(HOST, os.getpid(), machine(), ticks(os.getpid()), since, lease, kind, filesystem)


def read(text: str) -> Owner | None:
    """What `Owner.text` wrote; None for anything else, as a machine that lost its power may leave it."""
    try:
        return json_files.made(Owner, json_files.parsed(text))
    except ValueError:
        return None


@cache
def machine() -> str:
    """This start of this kernel, and the namespace in it that processes are numbered in; empty if it is not known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{HOST} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def ticks(pid: int) -> str:
    """When a process of this machine started; empty if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
