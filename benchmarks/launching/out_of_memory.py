"""Recognises that a run has run out of memory, which is recorded as a status of its own.

torch raises an error class of its own if the GPU's memory is full, and otherwise a RuntimeError, which is recognised
by its text. On a CPU, Linux grants more memory than it has. If a process then uses it, the kernel ends the process by
SIGKILL and counts that. A SIGKILL that the kernel has not counted came from somebody else.
"""

from __future__ import annotations

import errno
import signal
from pathlib import Path

from benchmarks.runs.record import Status

WORDS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "alloc_failed",
    "bad_alloc",
    "is killed by signal: killed",  # a process that decodes images for the run
)
WITHOUT_SERVER = 255
"""What multiprocessing makes of the exit code of a process if the one that it was forked from has ended before it."""
COUNTERS = (Path("/proc/vmstat"), Path("/sys/fs/cgroup/memory.events"))


def means(error: BaseException) -> bool:
    """Whether an error says that memory has run out, the GPU's or the machine's."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(word in text for word in WORDS)


def kills() -> int | None:
    """How many processes the kernel has ended for lack of memory so far; None if it does not say."""
    counts = [found for path in COUNTERS if (found := _count(path)) is not None]
    return sum(counts) if counts else None


def _count(path: Path) -> int | None:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)


def ending(exit_code: int | None, kills_before: int | None) -> tuple[Status, str]:
    """Status and reason of a run whose process has ended without a result."""
    if exit_code == WITHOUT_SERVER:
        return "failed", "the process that runs are forked from was ended"
    if exit_code is None or exit_code >= 0:
        return "failed", f"the run's process exited with {exit_code} and left no result"
    name = signal.Signals(-exit_code).name
    if name != "SIGKILL":
        return "failed", f"the run's process was ended by {name}"
    now = kills()
    if now is None or kills_before is None:
        return "out-of-memory", "the run's process was ended by SIGKILL, as the kernel does where memory runs out"
    if now > kills_before:
        return "out-of-memory", "the kernel ended the run's process for want of memory"
    return "failed", "the run's process was ended by SIGKILL, and not by the kernel for want of memory"
