"""Clocks that jump by hours while two launchers share a sweep: those of the launchers, and that of the file server.

A process whose `PYTHONPATH` begins with the folder that is made here has a clock that jumps ahead and back. The file
server's clock is that which stamps files: where it jumps ahead, all that was stamped before is suddenly old.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from disasters import Scene
from workload import ROOT, Broken, Place

HOURS = 5.0
SECONDS = 1.7
JUMPING = f"""
import os, time

REAL, REAL_NS, MONOTONIC = time.time, time.time_ns, time.monotonic

def ahead():
    return float(os.environ["CHAOS_HOURS"]) * 3600 * (1 if int(MONOTONIC() / {SECONDS}) % 2 else -1)

time.time = lambda: REAL() + ahead()
time.time_ns = lambda: REAL_NS() + int(ahead() * 1e9)
"""


def jumping(scene: Scene) -> str:
    """Both kinds of claims: nobody ends badly, nothing is done twice."""
    scene.expected()
    folder = scene.folder / "jumping"
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(JUMPING)
    return "; ".join(f"{kind}: {_case(scene, kind, folder)}" for kind in ("directory", "flock"))


def _case(scene: Scene, kind: str, folder: Path) -> str:
    place = scene.place(f"clock-{kind}", DSR_CLAIMS=kind, DSR_LEASE="20")
    launchers = [scene.call(_jumping(place, hours, folder)) for hours in (HOURS, -HOURS)]
    scene.wait_for_checkpoint(launchers[0])
    jumps = 0
    while any(call.goes_on() for call in launchers):
        jumps += _stamps_age(place, HOURS if jumps % 2 == 0 else -HOURS)
        time.sleep(2.5)
    for call in launchers:
        call.wait()
        if fault := call.fault():
            raise Broken(fault)
    scene.compare(place)
    lost = sum(call.said().count("another process has taken this run over") for call in launchers)
    return f"{jumps} jumps of {HOURS:g} h of the file server's clock with runs at work, {lost} runs taken over"


def _jumping(place: Place, hours: float, folder: Path) -> Place:
    path = os.pathsep.join((str(folder), str(ROOT)))
    return Place(place.results, place.data, {**place.variables, "PYTHONPATH": path, "CHAOS_HOURS": str(hours)})


def _stamps_age(place: Place, hours: float) -> bool:
    """Make all signs of life so much older. Whether there were any."""
    found = False
    for owner in place.results.glob("runs/*/*/.claim/*/owner.json"):
        for path in (owner, owner.parent):
            try:
                then = path.stat().st_mtime - 3600 * hours
                os.utime(path, (then, then))
                found = True
            except OSError:  # released meanwhile
                continue
    return found
