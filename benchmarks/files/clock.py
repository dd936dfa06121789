"""The time by a file system's clock, which is the same for all machines that share it, unlike their own clocks."""

from __future__ import annotations

import os
import time
from pathlib import Path

from benchmarks.files import partials

SECONDS_BETWEEN_PROBES = 60.0


def now(folder: Path) -> float:
    """Seconds since 1970 by the clock that stamps the files of a folder."""
    probe = partials.beside(folder / "clock")
    descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT, 0o666)
    try:  # by the descriptor: another thread of this process may remove the file
        os.utime(descriptor if os.utime in os.supports_fd else probe)
        return os.fstat(descriptor).st_mtime
    finally:
        os.close(descriptor)
        probe.unlink(missing_ok=True)


class Clock:
    """The same, for frequent use: the file system is asked once a minute at most."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked, self.answer = -SECONDS_BETWEEN_PROBES, 0.0

    def now(self) -> float:
        """As `now`."""
        if time.monotonic() - self.asked >= SECONDS_BETWEEN_PROBES:
            self.answer = now(self.folder)
            self.asked = time.monotonic()  # after the answer: a process that is suspended here is late, never early
        return self.answer + time.monotonic() - self.asked
