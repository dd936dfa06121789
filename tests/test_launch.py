"""Runs beside other processes: waited for, let go, and what they say printed as it is."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from ended_runs import ended
from filelock import FileLock
from rich.console import Console
from torch import distributed

from benchmarks import launch, store
from benchmarks.display import Display
from benchmarks.execution import execute
from benchmarks.processes import release
from benchmarks.spec import Run

RUN = Run("digits", "preact-resnet-tiny", "ann", 1, 0, "smoke")


class Seen:
    """An observer that opens `lock` when it hears of waiting."""

    def __init__(self, lock: FileLock) -> None:
        self.lock, self.heard = lock, list[str]()

    def started(self, *_: Any) -> None: ...
    def simulated(self, *_: Any) -> None: ...
    def epoch(self, *_: Any) -> None:
        self.heard.append("epoch")

    def waiting(self, run: Run) -> None:
        self.heard.append("waiting")
        self.lock.release()

    def ended(self, run: Run, result: Any) -> None:
        self.heard.append(result.status)


def test_a_run_that_another_process_works_on_is_waited_for_and_its_result_kept(tmp_path: Path) -> None:
    before = execute(RUN, tmp_path)
    lock = FileLock(store.directory(tmp_path, RUN) / ".lock")
    lock.acquire()
    seen = Seen(lock)
    (after,) = launch.local([RUN], tmp_path, "quick", seen)
    assert seen.heard == ["waiting", "done"]
    assert after == before == store.result(tmp_path, RUN)


def test_what_an_exception_says_is_no_markup() -> None:
    console = Console(file=io.StringIO(), width=200)
    reason = "[/src/gloo/pair.cc:553] Connection closed [enforce fail at alloc_cpu.cpp:117]"
    Display(console, 1).ended(RUN, ended(RUN, status="failed", reason=reason, top1=None))
    assert reason in console.file.getvalue()  # type: ignore[attr-defined]


def test_the_others_are_let_go_when_the_first_process_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    met = distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # type: ignore[attr-defined]
    torchruns = {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(met.port)}
    for name, value in (torchruns | {"TORCHELASTIC_USE_AGENT_STORE": "True"}).items():
        monkeypatch.setenv(name, value)
    release("a run")
    assert distributed.PrefixStore("a run", met).check(["begun", "ended"])  # type: ignore[attr-defined]
    monkeypatch.setenv("RANK", "1")
    release("another")
    assert not distributed.PrefixStore("another", met).check(["ended"])  # type: ignore[attr-defined]
