"""Files and folders on their way to their places, and what becomes of them where the writer dies or the disk is full.

What is being written stands beside its place as `.NAME.HOST.PID` and is moved there when it is whole. A writer that
fails removes it. What a dead process has left is removed when the same place is next written to. Whoever looks through
a folder passes over all names that begin with a dot: `seen`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import re
import shutil
import sys
import time
from pathlib import Path
from typing import cast

from benchmarks.spec import BadInput

HOST = re.sub(r"[^A-Za-z0-9-]", "-", platform.node()) or "host"
A_DAY = 86_400.0
"""Seconds after which what another machine was writing counts as left over."""

FULL = (errno.ENOSPC, errno.EDQUOT)
FAILED = (*FULL, errno.EFBIG, errno.EIO, errno.EROFS)
"""Errors that mean that something could not be written, whatever was written."""


def seen(folder: Path, pattern: str, deep: bool = False) -> list[Path]:
    """What a pattern finds, sorted, without what begins with a dot or lies in such a folder (as `._cifar10.csv`)."""
    found = (path.relative_to(folder) for path in (folder.rglob if deep else folder.glob)(pattern))
    return [folder / path for path in sorted(found) if not any(part.startswith(".") for part in path.parts)]


def beside(path: Path) -> Path:
    """Where to write what will stand at `path`; what dead processes have left of it is removed first."""
    for found in _leftovers(path):
        remove(found)
    return path.with_name(f".{path.name}.{HOST}.{os.getpid()}")


def remove(path: Path) -> None:
    """Remove a file or folder as far as that can be done."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _leftovers(path: Path) -> list[Path]:
    """What is on its way to `path`, and nobody's: of no process here that lives, or a day old."""
    start = f".{path.name}."
    try:
        there = [entry for entry in os.scandir(path.parent) if entry.name.startswith(start)]
        return [Path(entry.path) for entry in there if _is_left(entry.name.removeprefix(start), entry)]
    except OSError:
        return []


def _is_left(writer: str, entry: os.DirEntry[str]) -> bool:
    host, _, pid = writer.rpartition(".")
    if not pid.isdigit() or "." in host:
        return False
    if host == HOST and sys.platform != "win32":
        return int(pid) == os.getpid() or not _lives(int(pid))
    return time.time() - entry.stat(follow_symlinks=False).st_mtime > A_DAY


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def failure(error: BaseException, *paths: Path) -> OSError | None:
    """The error behind `error` that says that writing failed, or that one of `paths` cannot be opened; None without."""
    named, seen = {str(path) for path in paths}, cast("BaseException | None", error)
    while seen is not None:
        if isinstance(seen, OSError) and (seen.errno in FAILED or str(seen.filename) in named):
            return seen
        seen = seen.__cause__ or seen.__context__  # torch's writer raises an error of its own in that of the disk
    return None


def refusal(path: Path | str, error: OSError, needed: int | None = None) -> BadInput:
    """One line: what cannot be written, why, how much room there is and, if it is known, how much is needed."""
    wanted = f", {size(needed)} needed" if needed is not None else ""
    room = f" ({size(_free(Path(path)))} free there{wanted})" if error.errno in FULL else ""
    return BadInput(f"{path} cannot be written: {error.strerror or error}{room}")


def make_folder(path: Path) -> None:
    """Make a folder and those above it. Raises BadInput where it cannot be made, as where a file has its name."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{path} cannot be made a folder: {error.strerror or error}") from error


def demand_room(path: Path, needed: int) -> None:
    """Raise BadInput where a disk has less room than a file at `path` needs."""
    if _free(path) < needed:
        raise refusal(path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), needed)


def size(count: float) -> str:
    """`1.5 GB`"""
    units = iter(("bytes", "kB", "MB", "GB", "TB"))
    unit = next(units)
    while count >= 1000 and unit != "TB":
        count, unit = count / 1000, next(units)
    return f"{count:.3g} {unit}"


def _free(path: Path) -> float:
    """Bytes free where `path` is or will be; infinite where the system does not tell."""
    there = next((folder for folder in (path, *path.parents) if folder.is_dir()), Path())
    try:
        return shutil.disk_usage(there).free
    except OSError:
        return float("inf")
