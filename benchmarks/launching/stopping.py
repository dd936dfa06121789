"""Signals that end a launch early: SIGTERM, and SIGUSR1, by which batch systems warn of a time limit.

Before the first run they raise `Stopped`. From then on they are only noted, and whoever waits wakes up: the runs' own
processes are ended in order, and what they have saved stays.

A terminal sends Ctrl-C to a whole group of processes, and some batch systems their warning. Only the launcher answers:
what it starts is `deaf` to them.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from types import FrameType

SIGNALS = ("SIGTERM", "SIGUSR1")
FOR_THE_LAUNCHER = ("SIGINT", "SIGUSR1")
"""Signals that come to a whole group and that the launcher alone answers."""
GRACE_SECONDS = 2.0
"""A signal to a whole group reaches a run's process and its launcher at almost the same time.

As long, a process may take to end.
"""


class Stopped(KeyboardInterrupt):
    """A signal has asked for an early end."""


class Stop:
    """Which signal has come (`name`; empty: none); `reader` can be read from then on."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self.name = ""
        self.only_noted = False

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        self.name = signal.Signals(number).name
        os.write(self.writer, b"!")
        if not self.only_noted:
            raise Stopped

    def comes(self) -> bool:
        """Whether a signal has come, or comes within the grace."""
        return bool(self.name or wait([self.reader], GRACE_SECONDS))


@contextmanager
def heard() -> Iterator[Stop]:
    """Handle the signals as long as this lasts."""
    stop = Stop()
    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    before = {number: signal.signal(number, stop.hear) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(stop.reader)
        os.close(stop.writer)


@contextmanager
def deaf() -> Iterator[None]:
    """Processes that this one starts meanwhile never hear of `FOR_THE_LAUNCHER`, from their first moment on.

    A handler of their own would come too late: importing takes seconds, and Ctrl-C amid an import prints a traceback.
    This process hears of such a signal when the `with` is over.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {getattr(signal, name) for name in FOR_THE_LAUNCHER})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_all(processes: Collection[BaseProcess]) -> None:
    """End processes, at the latest when the grace is over: one that SIGSTOP has stopped hears nothing but SIGKILL."""
    for one in processes:
        one.terminate()
    over = time.monotonic() + GRACE_SECONDS
    for one in processes:
        one.join(max(0.0, over - time.monotonic()))
        if one.is_alive():
            one.kill()
            one.join(GRACE_SECONDS)  # not for ever: it may wait for a file system that does not answer
