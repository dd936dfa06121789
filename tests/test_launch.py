"""Runs beside other processes: waited for, let go, and what they say printed as it is."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ended_runs import ended
from filelock import FileLock
from rich.console import Console
from torch import distributed

from benchmarks.cli.display import Display, packing
from benchmarks.distributed.processes import release
from benchmarks.execution import execute
from benchmarks.launching import launch
from benchmarks.runs import store
from benchmarks.runs.record import read_csv
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


def test_what_another_launcher_works_on_comes_last(tmp_path: Path) -> None:
    execute(RUN, tmp_path)
    others = [replace(RUN, method="qcfs", timesteps=2), replace(RUN, method="qcfs-ann")]
    lock = FileLock(store.directory(tmp_path, RUN) / ".lock")
    lock.acquire()
    seen = Seen(lock)
    runs = [RUN, others[1], others[0]]
    results = launch.local(runs, tmp_path, "quick", seen)
    assert [result.method for result in results] == [run.method for run in runs]
    assert [word for word in seen.heard if word != "epoch"] == ["done", "done", "waiting", "done"]


def test_two_launchers_share_a_sweep(tmp_path: Path) -> None:
    words = "-m benchmarks sweep quick --scale smoke --methods ann,dsr-if,stbp-tdbn,qcfs --timesteps 2,4 --seeds 0"
    environment = os.environ | {"DSR_RESULTS": str(tmp_path), "DSR_TRACKING": "off", "OMP_NUM_THREADS": "1"}
    launchers = [
        subprocess.Popen([sys.executable, *words.split()], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [launcher.communicate(timeout=240)[0] for launcher in launchers]
    assert [launcher.returncode for launcher in launchers] == [0, 0], said
    rows = read_csv(tmp_path / "smoke" / "quick.csv")
    assert len(rows) == 8  # ann, qcfs's parent, and three methods at two T
    assert {row["status"] for row in rows} == {"done"}
    logs = [path.read_text() for path in tmp_path.rglob("log.txt")]
    assert not any("Traceback" in log for log in logs)


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


@pytest.mark.parametrize(("recordings", "said"), [(0, ""), (3, "packing nmnist ")])
def test_packing_says_something_only_where_something_is_packed(recordings, said):
    console = Console(file=io.StringIO(), width=80)
    with packing(console, "nmnist") as on_recording:
        for done in range(recordings):
            on_recording(done + 1, recordings)
    assert console.file.getvalue()[: len(said)] == said
    assert bool(console.file.getvalue()) == bool(said)
