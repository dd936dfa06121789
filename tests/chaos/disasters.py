"""Other disasters than kills: a full disk, a read-only folder, clocks that jump, processes that are stopped for long.

Each scenario disturbs the sweep on embedded digits, then lets the same commands finish it, and compares what is left
with what an undisturbed sweep leaves.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import verification
from verification import Fingerprint
from workload import DIGITS, SYNC, Broken, Call, Place, finish

Verdict = Literal["ok", "BROKEN", "skipped"]
NEW_MOUNTS, PRIVATE = 0x00020000, 0x4000 | (1 << 18)
"""CLONE_NEWNS; MS_REC and MS_PRIVATE."""


@dataclass(frozen=True)
class Outcome:
    """What has come of a scenario."""

    name: str
    verdict: Verdict
    text: str
    seconds: float

    @property
    def is_broken(self) -> bool:
        return self.verdict == "BROKEN"

    def __str__(self) -> str:
        return f"{self.name:10} {self.verdict:8} {self.text} ({self.seconds:.0f} s)"


class Skipped(Exception):
    """This machine cannot have this disaster; the text says why."""


class Scene:
    """Where scenarios happen: a place for each, what an undisturbed sweep on digits leaves, and logs."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.folder, self.data, self.logs = folder, data, folder / "logs"
        self.calls = 0

    def place(self, name: str, **variables: str) -> Place:
        """A fresh place."""
        made = Place(self.folder / name, self.data, variables)
        made.begin_anew()
        return made

    def call(self, place: Place, command: str = DIGITS) -> Call:
        self.calls += 1
        return Call(place, command, self.logs / f"{place.results.name}-{self.calls:03}-{command}.log")

    def wait_for_checkpoint(self, call: Call) -> None:
        """Until the first run is amid its training. Raises Broken if it never is."""
        while not list(call.place.results.glob("runs/*/*/checkpoint.pt")):
            if not call.goes_on():
                raise Broken(f"the command has ended before its first checkpoint\n{call.said()}")
            time.sleep(0.02)

    @cache  # noqa: B019
    def expected(self) -> Fingerprint:
        """What an undisturbed sweep on digits leaves."""
        place = self.place("digits-undisturbed")
        finish(place, self.logs / "digits-undisturbed.log", (DIGITS, SYNC))
        return verification.fingerprint(place)

    def compare(self, place: Place) -> None:
        """Let the same commands finish the sweep, undisturbed. Raises Broken if anything differs afterwards."""
        quiet = replace(place, variables={})
        finish(quiet, self.logs / f"{place.results.name}-finish.log", (DIGITS, SYNC))
        found = replace(verification.fingerprint(quiet), frames=self.expected().frames)
        wrong = [*verification.differences(found, self.expected()), *verification.traces(quiet)]
        if wrong:
            raise Broken("; ".join(wrong))


def outcome(name: str, act: Callable[[Scene], str], scene: Scene) -> Outcome:
    """Let a disaster happen. `act` says in words what has come of it."""
    print(f" {name} ...", flush=True)
    began = time.monotonic()
    verdict: Verdict = "ok"
    try:
        text = act(scene)
    except Skipped as error:
        verdict, text = "skipped", str(error)
    except Broken as error:
        verdict, text = "BROKEN", str(error)
    return Outcome(name, verdict, text, time.monotonic() - began)


@cache
def own_mounts() -> None:
    """Give this process mounts that nobody else sees and that end with it. Raises Skipped where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not shutil.which("mount") or not hasattr(libc, "unshare"):
        raise Skipped("only Linux has mounts of its own for a process")
    if libc.unshare(NEW_MOUNTS) or libc.mount(b"none", b"/", None, PRIVATE, None):
        raise Skipped(f"this user may not mount ({os.strerror(ctypes.get_errno())})")


def mount(*words: str) -> None:
    """Call mount. Raises Skipped where it fails."""
    done = subprocess.run(["mount", *words], capture_output=True, text=True)
    if done.returncode:
        raise Skipped(f"mount {' '.join(words)}: {done.stderr.strip()}")


def unmount(folder: Path) -> None:
    with suppress(subprocess.CalledProcessError):
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)


def refused(call: Call, *words: str) -> str:
    """The line in which a command said that it could not write, and its exit code. Raises Broken for anything else."""
    code = call.wait()
    said = call.said()
    if "Traceback" in said or "Exception ignored" in said or code not in (0, 1, 2):
        raise Broken(f"exit code {code}\n{said}")
    lines = [line for line in said.splitlines() if any(word in line for word in words)]
    if not lines:
        raise Broken(f"exit code {code}, and nothing says why\n{said}")
    return f"{code}: {lines[-1].strip()}"
