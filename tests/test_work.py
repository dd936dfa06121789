"""`dsr-bench work`: one of many commands on one results folder, which takes what is free and leaves."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest
from ended_runs import finish
from filelock import FileLock
from rich.console import Console

from benchmarks.cli import preparation
from benchmarks.cli.arguments import sweep_request
from benchmarks.cli.work import EARLY, work
from benchmarks.distributed import torchrun
from benchmarks.launching import launch, process
from benchmarks.runs import attempts, store
from benchmarks.spec import BadInput, Run

ANN, QCFS = (Run("digits", "preact-resnet-tiny", name, 1, 0, "smoke") for name in ("ann", "qcfs-ann"))
CHILD = Run("digits", "preact-resnet-tiny", "calibration", 2, 0, "smoke")


class Ending(NamedTuple):
    code: int
    said: str


@pytest.fixture(autouse=True)
def nothing_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSR_RESULTS", str(tmp_path))
    monkeypatch.setenv("DSR_TRACKING", "off")
    for variable in (*attempts.JOBS, attempts.NAME):
        monkeypatch.delenv(variable, raising=False)


def worked(methods: str = "ann,calibration,qcfs-ann", budget: str | None = None) -> Ending:
    """What `dsr-bench work quick --methods ... --timesteps 2` does in this process, and its last line."""
    console = Console(file=io.StringIO(), width=200)
    code = work(sweep_request("quick", None, None, methods, "2", None, False, "1", budget), console)
    return Ending(code, console.file.getvalue().splitlines()[-1])  # type: ignore[attr-defined]


def hold(results: Path, run: Run) -> FileLock:
    """What another worker that has a run holds."""
    store.directory(results, run).mkdir(parents=True, exist_ok=True)
    lock = FileLock(store.directory(results, run) / ".lock")
    lock.acquire()
    return lock


def end(run: Run, place: Path, results: Path, *rest: Any) -> None:
    """In a run's process: end as a run does."""
    if run == QCFS:
        os._exit(7)
    finish(results, run)


def never(*words: object) -> NoReturn:
    raise AssertionError("nothing is free")


def test_where_nothing_is_free_a_worker_leaves_before_it_looks_at_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(tmp_path, QCFS)
    lock = hold(tmp_path, ANN)
    monkeypatch.setattr(preparation, "load_all", never)
    assert worked() == Ending(
        0, " work   0 ended here; of 3 runs 1 done, 1 running elsewhere, 1 waiting for those, 0 failed, 0 left; "
        "nothing is free"
    )  # fmt: skip
    lock.release()
    finish(tmp_path, ANN)
    finish(tmp_path, CHILD)
    assert worked() == Ending(
        0, " work   0 ended here; of 3 runs 3 done, 0 running elsewhere, 0 waiting for those, 0 failed, 0 left; "
        "`dsr-bench sweep quick` or `export` writes the rows"
    )  # fmt: skip


def test_a_worker_takes_what_is_free_and_a_failure_of_its_own_is_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "work", end)
    monkeypatch.setenv("DSR_LAUNCH", "one")
    lock = hold(tmp_path, ANN)
    assert worked() == Ending(
        1, " work   1 ended here; of 3 runs 0 done, 1 running elsewhere, 1 waiting for those, 1 failed, 0 left; "
        "nothing is free"
    )  # fmt: skip
    lock.release()
    assert worked() == Ending(
        0, " work   2 ended here; of 3 runs 2 done, 0 running elsewhere, 0 waiting for those, 1 failed, 0 left; "
        "nothing is free"
    ), "the failure is the other worker's"  # fmt: skip
    assert not (tmp_path / "smoke").exists(), "rows are for sweep and export"


def test_a_signal_before_the_first_run_and_a_used_up_budget_end_with_75(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = signal.getsignal(signal.SIGUSR1)
    monkeypatch.setattr(preparation, "load_all", lambda *words: signal.raise_signal(signal.SIGUSR1))
    assert worked() == Ending(EARLY, " work   stopped early by SIGUSR1, before the first run")
    assert signal.getsignal(signal.SIGUSR1) == handler
    monkeypatch.undo()
    monkeypatch.setenv("DSR_RESULTS", str(tmp_path))
    monkeypatch.setattr(preparation, "estimated", lambda *words: preparation.Estimate(0.0, 0, None, {}))
    code, said = worked(budget="0.01s")
    assert code == EARLY
    assert said.endswith("0 running elsewhere, 0 waiting for those, 0 failed, 3 left; stopped early by its budget")


def test_torchruns_processes_do_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchrun, "size", lambda: 2)
    with pytest.raises(BadInput, match="work: torchrun's processes take all runs in one order"):
        worked()


def test_only_a_server_of_mlflow_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.tracking import observer

    told = list[Any]()
    monkeypatch.setattr(process, "work", end)
    monkeypatch.setattr(observer, "Mirroring", lambda display, *rest: told.append(rest) or display)
    worked("ann")
    assert not told
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    finish(tmp_path, ANN, status="failed")
    monkeypatch.setattr(launch, "local", lambda runs, *rest: [None for _ in runs])
    worked("ann")
    assert len(told) == 1


@pytest.mark.slow
def test_a_warning_to_all_processes_stops_a_worker_early_and_the_next_one_goes_on(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "benchmarks", "work", "quick", "--methods", "dsr-if", "--timesteps", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for number in (signal.SIGUSR1, signal.SIGTERM):
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob(store.CHECKPOINT)}
        worker = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)
        finish_by = time.monotonic() + 120
        while before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob(store.CHECKPOINT)}:
            assert worker.poll() is None
            assert time.monotonic() < finish_by
            time.sleep(0.02)
        os.killpg(worker.pid, number)  # as a batch system does it: to every process of the job's step
        said = worker.communicate(timeout=60)[0]
        assert worker.returncode == EARLY, said
        assert said.splitlines()[-1].endswith(f"0 failed, 1 left; stopped early by {signal.Signals(number).name}")
        assert not list(tmp_path.rglob(store.RESULT))
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=800)
    assert (done.returncode, done.stderr) == (0, "")
    assert " 1 of them partly done" in done.stdout
    assert done.stdout.splitlines()[-1].startswith(" work   1 ended here; of 1 runs 1 done, ")
