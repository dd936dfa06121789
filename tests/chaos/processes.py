"""Processes of one session, and what each of them is for: from /proc, without asking them.

A command is a session and a group of its own. What leaves the group, so that signals to it do not arrive, stays in the
session.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

Role = Literal["launcher", "server", "run", "mlflow", "reader", "tracker", "other"]
"""`server`: what runs are forked from; `reader`: reads recordings; `tracker`: multiprocessing's own."""


class Member(NamedTuple):
    pid: int
    role: Role
    state: str


class _Status(NamedTuple):
    pid: int
    state: str
    parent: int
    words: str


def members(group: int) -> list[Member]:
    """All processes of the session that a group began in and that have not ended."""
    found = {one.pid: one for one in map(_status, _numbers()) if one and _session(one.pid) == group}
    return [Member(one.pid, _role(one, found, group), one.state) for one in found.values() if one.state not in "ZX"]


def of_role(group: int, role: Role) -> list[int]:
    """The processes of a group that are there for one thing."""
    return [member.pid for member in members(group) if member.role == role]


def _numbers() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def _status(pid: int) -> _Status | None:
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
        words = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    except OSError:
        return None
    return _Status(pid, state, int(parent), words)


def _role(one: _Status, all_of_them: dict[int, _Status], group: int) -> Role:
    parent = all_of_them.get(one.parent)
    if one.pid == group:
        return "launcher"
    if "multiprocessing.forkserver" in one.words:
        return "run" if parent and "multiprocessing.forkserver" in parent.words else "server"
    if "multiprocessing.resource_tracker" in one.words:
        return "tracker"
    if "multiprocessing.spawn" in one.words:
        return "mlflow"
    return "reader" if parent and parent.pid == group and parent.words == one.words else "other"


def send(pid: int, number: int) -> bool:
    """Whether there was somebody to send the signal to."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def signal_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def kill_session(group: int) -> None:
    """Kill all that a command has started, stopped or not."""
    for member in members(group):
        send(member.pid, signal.SIGKILL)


def wait_until_empty(group: int, seconds: float) -> list[Member]:
    """Those of a session that are still there after so many seconds at most."""
    end = time.monotonic() + seconds
    while (left := members(group)) and time.monotonic() < end:
        time.sleep(0.1)
    return left
