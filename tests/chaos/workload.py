"""What is disturbed: a sweep of five runs on two data sets, its commands, and one call of a command.

`quick` trains two networks on embedded digits and converts one of them; `nmnist` packs recordings, which are made here,
and trains a third; `sync` brings into MLflow what a killed process left out.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import processes

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from recorded import write_bin  # noqa: E402

SMALL = ("--scale", "smoke", "--timesteps", "2", "--jobs", "2")
DIGITS, EVENTS, SYNC = "quick", "nmnist", "sync"
COMMANDS: Mapping[str, tuple[str, ...]] = {
    DIGITS: ("sweep", DIGITS, "--methods", "ann,dsr-if-rep,calibration", *SMALL),
    EVENTS: ("sweep", EVENTS, "--methods", "stbp-tdbn", *SMALL),
    SYNC: ("sync",),
}
RUNS: Mapping[str, int] = {DIGITS: 3, EVENTS: 1, SYNC: 0}
RECORDINGS = {"Train": 40, "Test": 12}
"""Per digit. Scale smoke trains on 320, holds 64 out and tests 100."""
LONGEST_SECONDS = 420.0
"""After which a command that nobody has stopped counts as hung."""
TRACES = ("Traceback (most recent call last)", "Exception ignored in", "Fatal Python error")


class Broken(Exception):
    """Something that no kill may do has happened."""


@dataclass
class Place:
    """A results folder and a data root; `variables` of the environment that differ from the usual ones."""

    results: Path
    data: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def frames(self) -> Path:
        return self.data / "nmnist" / "frames"

    def environment(self) -> dict[str, str]:
        """That of a command: one thread, no MLflow but the one in the results folder."""
        around = {name: value for name, value in os.environ.items() if not name.startswith(("DSR_", "MLFLOW_"))}
        own = {"DSR_RESULTS": str(self.results), "DSR_DATA": str(self.data), "OMP_NUM_THREADS": "1"}
        return around | own | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | dict(self.variables)

    def begin_anew(self) -> None:
        """Remove all results and packed frames; recordings stay."""
        shutil.rmtree(self.frames, ignore_errors=True)
        if not self.data.exists():
            record(self.data)
        self.results.mkdir(parents=True, exist_ok=True)
        for path in self.results.iterdir():  # the folder itself may be where a disk is mounted
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def record(data: Path) -> None:
    """Write recordings of an event camera that sees a spot, whose place is the digit."""
    for split, count in RECORDINGS.items():
        for digit in range(10):
            dice = random.Random(f"{split} {digit}")
            for number in range(count):
                events = [(1000 * step, *_spot(digit, dice), dice.randrange(2)) for step in range(150)]
                write_bin(data / "nmnist" / "NMNIST" / split / str(digit) / f"{number:05}.bin", events)


def _spot(digit: int, dice: random.Random) -> tuple[int, int]:
    x, y = dice.gauss(6 + 2.4 * digit, 3), dice.gauss(28 - 2.2 * digit, 4)
    return min(33, max(0, int(x))), min(33, max(0, int(y)))


class Call:
    """A command that goes on in a process group of its own. `hits`: signals that it has been sent, by victim."""

    begun: ClassVar[list[Call]] = []

    def __init__(self, place: Place, name: str, log: Path) -> None:
        self.place, self.name, self.log = place, name, log
        self.hits = list[tuple[str, signal.Signals]]()
        self.began = time.time()
        words = [sys.executable, "-m", "benchmarks", *COMMANDS[name]]
        with log.open("wb") as said:
            self.process = subprocess.Popen(
                words, cwd=ROOT, env=place.environment(), stdout=said, stderr=said, start_new_session=True
            )

        self.begun.append(self)

    @classmethod
    def end_all(cls) -> None:
        """Leave no process behind, however this one ends."""
        for call in cls.begun:
            if call.process.poll() is None:
                processes.kill_session(call.group)

    @property
    def group(self) -> int:
        return self.process.pid

    def goes_on(self) -> bool:
        if self.process.poll() is not None:
            return False
        if time.time() - self.began > LONGEST_SECONDS:
            stuck = "\n".join(map(str, processes.members(self.group)))
            processes.kill_session(self.group)
            raise Broken(f"{self.name} hangs: {stuck}\n{self.said()}")
        return True

    def wait(self) -> int:
        """The exit code, once it has one."""
        while self.goes_on():
            time.sleep(0.05)
        return self.process.returncode

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def fault(self) -> str:
        """What is wrong with how it ended: a traceback, or an exit code that its hits do not explain; else empty."""
        said, code = self.said(), self.process.returncode
        hits = ", ".join(f"{number.name} to {victim}" for victim, number in self.hits)
        what = f"{self.name}, hit by {hits or 'nothing'}"
        if any(trace in said for trace in TRACES):
            return f"{what}: exit code {code} and a traceback\n{said}"
        return "" if code in allowed(self.hits) else f"{what}: exit code {code}\n{said}"


def allowed(hits: list[tuple[str, signal.Signals]]) -> set[int]:
    """Exit codes of a command that was hit like this. One that was not hit ends with 0."""
    codes = {0}
    for victim, number in hits:
        if victim == "reader":
            codes.add(2)
        elif victim not in ("launcher", "group"):
            codes.add(1)
        elif number == signal.SIGKILL:
            codes.add(-number)
        else:
            codes |= {130, -number}
    return codes


def finish(place: Place, log: Path, names: Sequence[str]) -> None:
    """Call these commands, undisturbed, each until it has ended well. Raises Broken."""
    for name in names:
        call = Call(place, name, log)
        call.wait()
        if fault := call.fault():
            raise Broken(fault)
