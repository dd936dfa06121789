"""The time by a file system's clock, which is the same for all machines that share it, unlike their own clocks."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

SECONDS_BETWEEN_PROBES = 60.0


def now(folder: Path) -> float:
    """Seconds since 1970 by the clock that stamps the files of a folder."""
    probe = folder / f".clock.{secrets.token_hex(8)}"
    probe.touch()
    try:
        return probe.stat().st_mtime
    finally:
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
