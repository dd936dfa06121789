"""Signals that end a launch early: SIGTERM, and SIGUSR1, with which batch systems warn of a time limit.

Before the first run starts, a signal raises `Stopped`. After that it is only noted, and ends the launcher's wait. The
launcher then ends the processes of its runs. Their checkpoints stay.

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
from typing import NoReturn

SIGNALS = ("SIGTERM", "SIGUSR1")
EARLY = 75
"""Exit code of a command that stopped early and has runs left: call it again. `sysexits.h` calls it EX_TEMPFAIL."""
FOR_THE_LAUNCHER = ("SIGINT", "SIGUSR1")
"""Signals that come to a whole group and that the launcher alone answers."""
GRACE_SECONDS = 2.0
"""A signal to a process group reaches a run's process and its launcher within so many seconds of each other.

A process that is asked to end has as long, too.
"""


class Stopped(KeyboardInterrupt):
    """Raised if a signal asks for an early end."""


_interrupts: list[int] = []
"""The signals that have raised an interrupt in this process."""


def interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Handle a signal as Python handles Ctrl-C, and remember it."""
    _interrupts.append(number)
    raise KeyboardInterrupt


def interrupted() -> bool:
    """Whether a signal has raised an interrupt, even if a library swallowed it.

    Amid an import one can. The module is left half made, and what uses it later fails with an error of any kind.
    """
    return bool(_interrupts)


class Stop:
    """Notes which signal has come: `name`, empty for none. `reader` can be read from then on.

    `only_noted`: a signal does not raise `Stopped`.
    """

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self.name = ""
        self.only_noted = False

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        self.name = signal.Signals(number).name
        os.write(self.writer, b"!")
        if not self.only_noted:
            _interrupts.append(number)
            raise Stopped

    def comes(self) -> bool:
        """Whether a signal has come, or comes within `GRACE_SECONDS`."""
        return bool(self.name or wait([self.reader], GRACE_SECONDS))


@contextmanager
def heard() -> Iterator[Stop]:
    """Handle the signals inside a `with` block, and restore the previous handlers after it."""
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
