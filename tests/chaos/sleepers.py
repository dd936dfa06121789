"""A launcher, a run's process or all of them are stopped for longer than a lease, while another launcher goes on."""

from __future__ import annotations

import signal
import time

import processes
from disasters import Scene
from workload import Broken, Call

LEASE = 3.0
LOST = "another process has taken this run over"
CASES = (
    ("directory", "group"),
    ("directory", "launcher"),
    ("directory", "run"),
    ("flock", "group"),
    ("flock", "launcher"),
    ("flock", "run"),
)
"""How runs are claimed, and who is stopped."""


def asleep(scene: Scene) -> str:
    """Every case: nobody ends badly, and nothing is done twice."""
    scene.expected()
    return "; ".join(f"{kind}, {victim}: {_case(scene, kind, victim)}" for kind, victim in CASES)


def _case(scene: Scene, kind: str, victim: str) -> str:
    place = scene.place(f"asleep-{kind}-{victim}", DSR_CLAIMS=kind, DSR_LEASE=str(LEASE))
    first = scene.call(place)
    scene.wait_for_checkpoint(first)
    stopped = _stop(first, victim)
    time.sleep(LEASE + 1)
    second = scene.call(place)
    _wait_until_it_acts(second)
    time.sleep(LEASE + 1)
    early = second.process.poll() is not None
    for pid in stopped:
        processes.send(pid, signal.SIGCONT)
    for call in (first, second):
        call.wait()
        if fault := call.fault():
            raise Broken(fault)
    taken = LOST in first.said()
    if kind == "flock" and taken:
        raise Broken(f"a locked run was taken over\n{first.said()}")
    if (kind, victim) == ("directory", "group") and not taken:
        raise Broken(f"nobody took over from processes that were stopped\n{first.said()}\n{second.said()}")
    scene.compare(place)
    return ("taken over, stepped back" if taken else "waited for") + (", done before it woke" if early else "")


def _stop(call: Call, victim: str) -> list[int]:
    """Stop those that are to sleep; their numbers."""
    if victim == "group":
        chosen = [member.pid for member in processes.members(call.group)]
    else:
        chosen = [call.group] if victim == "launcher" else processes.of_role(call.group, "run")
    for pid in chosen:
        processes.send(pid, signal.SIGSTOP)
    return chosen


def _wait_until_it_acts(call: Call) -> None:
    """Until the second launcher has taken a run over, waits, or has ended."""
    while call.goes_on():
        if "waiting for it" in call.said() or processes.of_role(call.group, "run"):
            return
        time.sleep(0.05)
