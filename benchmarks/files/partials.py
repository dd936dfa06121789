"""Atomic writes: partial files and folders, their removal after failures, and errors of full disks.

A file or folder is written as `.NAME.HOST.PID` next to its place and renamed when it is complete. A writer that fails
removes it. The partial files of dead processes are removed when the same place is written to again. Readers of folders
ignore all names that begin with a dot (`seen`).

A folder may have a fence: a folder inside it, where partial files are written. Whoever renames the fence makes all
later writes of its old owner fail: there is no partial file to rename.
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
"""Seconds after which another machine's partial file counts as left behind."""

FULL = (errno.ENOSPC, errno.EDQUOT)
FAILED = (*FULL, errno.EFBIG, errno.EIO, errno.EROFS)
"""Errors that mean that writing failed, whatever the file."""


def seen(folder: Path, pattern: str, deep: bool = False) -> list[Path]:
    """List the matching paths, sorted, except those with a part that begins with a dot (`._cifar10.csv`)."""
    paths = (path.relative_to(folder) for path in (folder.rglob if deep else folder.glob)(pattern))
    return [folder / path for path in sorted(paths) if not any(part.startswith(".") for part in path.parts)]


fences: dict[Path, Path] = {}
"""The fences of this process: for each folder, the folder inside it where partial files are written."""


def beside(path: Path) -> Path:
    """Return the partial path for `path`, next to it or in the fence, after removing those of dead processes."""
    tidy(path)
    return fences.get(path.parent, path.parent) / f".{path.name}.{HOST}.{os.getpid()}"


def tidy(path: Path) -> None:
    """Remove the partial files and folders for `path` that dead processes have left."""
    for leftover in _leftovers(path):
        remove(leftover)


def withdraw(path: Path) -> None:
    """Remove a file, if it exists. Raises FileNotFoundError where the folder's fence is gone, and leaves the file."""
    fence = fences.get(path.parent)
    if fence is None:
        path.unlink(missing_ok=True)
    elif path.exists():
        path.replace(fence / f".{path.name}.old")


def remove(path: Path) -> None:
    """Remove a file or folder as far as possible, without errors."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _leftovers(path: Path) -> list[Path]:
    """List the partial paths of `path` that no process is writing: its process is dead, or it is a day old."""
    start = f".{path.name}."
    try:
        partials = [entry for entry in os.scandir(path.parent) if entry.name.startswith(start)]
        return [Path(entry.path) for entry in partials if _is_left(entry.name.removeprefix(start), entry)]
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
    """Find among the causes of `error` a failed write, or one that names one of `paths`; None if neither exists."""
    named, seen = {str(path) for path in paths}, cast("BaseException | None", error)
    while seen is not None:
        if isinstance(seen, OSError) and (seen.errno in FAILED or str(seen.filename) in named):
            return seen
        seen = seen.__cause__ or seen.__context__  # torch's writer raises its own error while handling the disk's
    return None


def refusal(path: Path | str, error: OSError, needed: int | None = None) -> BadInput:
    """Return the error in one line: what cannot be written, why, the free space and, if known, the space needed."""
    wanted = f", {size(needed)} needed" if needed is not None else ""
    room = f" ({size(_free(Path(path)))} free{wanted})" if error.errno in FULL else ""
    return BadInput(f"{path} cannot be written: {error.strerror or error}{room}")


def make_folder(path: Path) -> None:
    """Make a folder and its parents. Raises BadInput if that fails, for example because a file has its name."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"folder {path} cannot be created: {error.strerror or error}") from error


def demand_room(path: Path, needed: int) -> None:
    """Raise BadInput if the disk has less free space than a file at `path` needs (bytes)."""
    if _free(path) < needed:
        raise refusal(path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), needed)


def size(count: float) -> str:
    """Format a number of bytes, for example `1.5 GB`."""
    units = iter(("bytes", "kB", "MB", "GB", "TB"))
    unit = next(units)
    while count >= 1000 and unit != "TB":
        count, unit = count / 1000, next(units)
    return f"{count:.3g} {unit}"


def _free(path: Path) -> float:
    """Return the free bytes of the disk of `path`; infinite if the system does not report them."""
    folder = next((folder for folder in (path, *path.parents) if folder.is_dir()), Path())
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return float("inf")
