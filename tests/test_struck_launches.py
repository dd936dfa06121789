"""Signals that strike a launch where nobody expects them: what is forked from is killed, what is stopped is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest
from ended_runs import finish

from benchmarks.files.claims import CLAIM, Claims
from benchmarks.launching import launch, out_of_memory, pool, process, stopping
from benchmarks.launching.crew import Processes
from benchmarks.launching.stopping import FOR_THE_LAUNCHER, deaf
from benchmarks.launching.workers import Workers
from benchmarks.runs import attempts, store
from benchmarks.runs.job import job_of
from benchmarks.spec import Run
from benchmarks.tracking.background import Background

RUN = Run("digits", "preact-resnet-tiny", "ann", 1, 0, "smoke")
FEW_SECONDS = 100
"""Of a busy machine; without an end, a process that is stopped would be waited for as long as it is."""
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which signals a process hears")


class Silent:
    def started(self, *_: Any) -> None: ...
    def ended(self, *_: Any) -> None: ...


def end_well(run: Run, place: Path, results: Path, *rest: Any) -> None:
    finish(results, run)


def server() -> int:
    """The process that runs are forked from."""
    process.server()
    pid: int = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    return pid


def test_a_server_of_forks_that_is_killed_while_it_begins_a_run_costs_that_run_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    struck = list[threading.Timer]()

    def strike() -> None:
        """Before the first run begins: the server does not answer any more, and is killed when it has been asked."""
        if not struck:
            os.kill(pid := server(), signal.SIGSTOP)
            struck.append(threading.Timer(0.5, os.kill, (pid, signal.SIGKILL)))
            struck[0].start()

    monkeypatch.setattr(process, "work", end_well)
    monkeypatch.setattr(out_of_memory, "kills", strike)
    first, second = launch.local([RUN, replace(RUN, seed=1)], tmp_path, "quick", Silent())  # type: ignore[arg-type]
    assert first is not None
    assert second is not None
    assert (first.status, first.reason) == ("failed", "the process that runs are forked from was ended")
    assert second.status == "done", "the server has been started again"
    assert store.result(tmp_path, RUN) == first
    assert not list(tmp_path.rglob(CLAIM))


def stop_itself(run: Run, *rest: Any) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def test_an_interruption_ends_a_process_that_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupting(Silent):
        def started(self, run: Run) -> None:
            if run.seed == 1:
                _wait_until_stopped(crew)
                raise KeyboardInterrupt

    monkeypatch.setattr(process, "work", stop_itself)
    monkeypatch.setattr(stopping, "GRACE_SECONDS", 0.1)
    runs = [RUN, replace(RUN, seed=1)]
    known = {run: job_of(run, tmp_path) for run in runs}
    began = attempts.launch(tmp_path)
    crew = Processes(known, tmp_path, "quick", Interrupting(), Workers(2, 1), Claims(tmp_path), began)  # type: ignore[arg-type]
    moment = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        pool.carry_out(runs, 2, {}, crew)
    assert [one.process.exitcode for one in crew.started.values()] == [-signal.SIGKILL]
    assert time.monotonic() - moment < FEW_SECONDS


def _wait_until_stopped(crew: Processes) -> None:
    (one,) = crew.started.values()
    while _status(one.process.pid or 0, "State")[0] != "T":
        time.sleep(0.01)


def _status(pid: int, name: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{name}:"))


@on_linux
def test_the_end_of_a_sweep_does_not_wait_for_a_mirror_that_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "GRACE_SECONDS", 0.1)
    background = Background(tmp_path)
    background.ask("close_stale", ())
    assert background.process is not None
    os.kill(background.process.pid or 0, signal.SIGSTOP)
    moment = time.monotonic()
    assert not background.finish(0.1)
    assert background.process.exitcode == -signal.SIGKILL
    assert time.monotonic() - moment < FEW_SECONDS


@on_linux
def test_what_a_launcher_starts_is_deaf_to_ctrl_c_from_its_first_moment_on(tmp_path: Path) -> None:
    """They import for seconds, and Ctrl-C amid an import prints a traceback."""
    background = Background(tmp_path)
    background.ask("close_stale", ())
    assert background.process is not None
    try:
        for pid in (server(), background.process.pid or 0):
            blocked = int(_status(pid, "SigBlk"), 16)
            assert all(blocked >> (getattr(signal, name) - 1) & 1 for name in FOR_THE_LAUNCHER)
            assert not blocked >> (signal.SIGTERM - 1) & 1
    finally:
        background.finish(0.0)
    mine = int(_status(os.getpid(), "SigBlk"), 16)
    assert not any(mine >> (getattr(signal, name) - 1) & 1 for name in FOR_THE_LAUNCHER)


def test_the_launcher_hears_of_a_signal_when_it_has_started_something() -> None:
    heard = list[str]()
    before = signal.signal(signal.SIGINT, lambda *_: heard.append("Ctrl-C"))
    try:
        with deaf():
            sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.2)"])
            signal.raise_signal(signal.SIGINT)
            os.kill(sleeper.pid, signal.SIGINT)
            assert not heard
        assert heard == ["Ctrl-C"]
        assert sleeper.wait() == 0
    finally:
        signal.signal(signal.SIGINT, before)


AMID_AN_IMPORT = """
import runpy, signal, sys

class Interrupting:
    def find_spec(self, name, *rest):
        if name == {module!r}:
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
sys.argv[1:] = ["list"]
runpy.run_module("benchmarks", run_name="__main__")
"""


@pytest.mark.parametrize("module", ["typer", "benchmarks.cli.arguments", "benchmarks.cli.listing"])
def test_ctrl_c_amid_an_import_prints_nothing(module: str) -> None:
    done = subprocess.run([sys.executable, "-c", AMID_AN_IMPORT.format(module=module)], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


AT_THE_END = """
import atexit, os, signal, sys
from benchmarks.__main__ import main

atexit.register(lambda: os.kill(os.getpid(), {number}))
sys.argv[1:] = ["--help"]
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_amid_the_end_of_a_command_prints_nothing(number: int) -> None:
    words = [sys.executable, "-c", AT_THE_END.format(number=int(number))]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (-number, "")


SWALLOWED = """
import signal
import benchmarks.__main__ as command_line

def half_imported(**settings):
    for number in {signals}:
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt:
            pass
    raise {error}("of a library that swallowed the interrupt of its import")

command_line.app = half_imported
command_line.main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("error", ["RecursionError", "OSError"])
def test_an_error_after_a_swallowed_interrupt_prints_nothing(number: int, error: str) -> None:
    words = [sys.executable, "-c", SWALLOWED.format(signals=[int(number)], error=error)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_an_error_that_follows_no_interrupt_is_a_traceback() -> None:
    words = [sys.executable, "-c", SWALLOWED.format(signals=[], error="RecursionError")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1
    assert "RecursionError: of a library" in done.stderr
