"""`dsr-bench` called in a test's own process, as a user calls it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from benchmarks import __main__ as command_line


class Ending(NamedTuple):
    """How a call has ended: its exit code, and what it wrote to stdout and stderr."""

    code: int | str | None
    out: str
    err: str


Bench = Callable[..., Ending]
"""`bench("best --by energy")` or `bench("best", "--by", "energy")`: a single text is split at its blanks."""


@contextmanager
def calling(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Bench]:
    """Gives what calls the command line. At the end it undoes what a call changes in the process."""

    def call(*words: str) -> Ending:
        words = tuple(words[0].split()) if len(words) == 1 else words
        monkeypatch.setattr(sys, "argv", ["dsr-bench", *words])
        with pytest.raises(SystemExit) as ending:
            command_line.main()
        return Ending(ending.value.code, *capsys.readouterr())

    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # typer puts its own there
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield call
    finally:
        signal.signal(signal.SIGTERM, handler)
