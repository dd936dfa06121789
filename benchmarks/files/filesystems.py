"""Finds out which file system a folder is on, and whether its locks exclude the processes of all machines.

Locks (flock) are trusted on file systems of one machine, and on Lustre mounted with `flock`, if a test with two
processes succeeds. On others, two machines may both get the same lock, so runs are claimed by directories (`claims`).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from benchmarks.files import partials
from benchmarks.spec import BadInput

Kind = Literal["flock", "directory"]
ASKED = "DSR_CLAIMS"
MOUNTS = Path("/proc/self/mounts")
OF_ONE_MACHINE = (
    *("aufs", "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "nilfs2", "overlay", "ramfs", "reiserfs"),
    *("tmpfs", "xfs", "zfs"),
)
REFUSED = 3
SECOND_PROCESS = f"""
import fcntl, sys
with open(sys.argv[1], "r+") as file:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit({REFUSED})
"""


@dataclass(frozen=True)
class Manner:
    """How runs are claimed in a folder. `why`: the reason, in words, if locks are not used."""

    kind: Kind
    filesystem: str
    why: str = ""


def manner(folder: Path) -> Manner:
    """How to claim runs in a folder. `DSR_CLAIMS` forces one way; raises BadInput where that way does not work."""
    return _manner(folder.resolve(), os.environ.get(ASKED, ""))


@cache
def _manner(folder: Path, asked: str) -> Manner:
    if asked not in ("", "flock", "directory"):
        raise BadInput(f"{ASKED} must be flock or directory, not {asked!r}")
    filesystem, options = mounted(folder)
    if asked == "directory":
        return Manner("directory", filesystem, f"{ASKED} says so")
    if not asked and filesystem not in OF_ONE_MACHINE and not (filesystem == "lustre" and "flock" in options):
        what = f"on a file system of type {filesystem}" if filesystem else "where the file system is not known"
        return Manner("directory", filesystem, f"locks are not trusted {what}")
    fault = fault_of_locks(folder)
    if fault and asked:
        raise BadInput(f"{ASKED}=flock: locks do not work in {folder} ({fault}); unset it")
    return Manner("directory", filesystem, f"locks do not work: {fault}") if fault else Manner("flock", filesystem)


def mounted(folder: Path) -> tuple[str, frozenset[str]]:
    """Type and options of the file system that a folder is on; both empty if the system does not say."""
    found = "", frozenset[str]()
    longest = -1
    for point, kind, options in _mounts():
        if folder.is_relative_to(point) and len(point.parts) >= longest:  # of two at one point, the later one is seen
            longest, found = len(point.parts), (kind, options)
    return found


def _mounts() -> list[tuple[Path, str, frozenset[str]]]:
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    fields = [line.split() for line in lines]
    return [(Path(_unescaped(line[1])), line[2], frozenset(line[3].split(","))) for line in fields if len(line) > 3]


def _unescaped(text: str) -> str:
    """Spaces and the like are octal numbers in the table of mounts."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def fault_of_locks(folder: Path) -> str:
    """Why the locks in a folder cannot be used; empty if a second process is refused the lock that the first holds."""
    try:
        import fcntl
    except ImportError:
        return "this system has no flock"
    probe = partials.beside(folder / "locks")
    try:
        with probe.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            asked = [sys.executable, "-I", "-S", "-c", SECOND_PROCESS, str(probe)]
            second = subprocess.run(asked, capture_output=True, timeout=60)
        return "" if second.returncode == REFUSED else "two processes can hold one lock"
    except OSError as error:
        return error.strerror or str(error)
    except subprocess.TimeoutExpired:
        return "a lock is not refused, but waited for"
    finally:
        probe.unlink(missing_ok=True)
