"""`dsr-bench work`: one of many commands on one results folder, which takes what is free and leaves."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest
from ended_runs import finish
from rich.console import Console

from benchmarks.cli import preparation
from benchmarks.cli.arguments import sweep_request
from benchmarks.cli.work import work
from benchmarks.distributed import torchrun
from benchmarks.files import claims, partials
from benchmarks.files.clock import Clock
from benchmarks.launching import launch, process
from benchmarks.launching.stopping import EARLY
from benchmarks.runs import attempts, store
from benchmarks.runs.job import job_of
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


def hold(results: Path, run: Run) -> Callable[[], None]:
    """Let another worker have a run; returns what ends that."""
    job_of(run, results).describe("quick")
    other = claims.Claims(results)
    claim = other.take(store.directory(results, run))
    assert claim is not None
    partials.fences.clear()  # the other worker's is not ours
    return lambda: other.release(claim)


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
    let_go = hold(tmp_path, ANN)
    monkeypatch.setattr(preparation, "load_all", never)
    assert worked() == Ending(
        0, " work   0 ended here; of 3 runs 1 done, 1 running elsewhere, 1 waiting for those, 0 failed, 0 left; "
        "nothing is free"
    )  # fmt: skip
    let_go()
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
    let_go = hold(tmp_path, ANN)
    assert worked() == Ending(
        1, " work   1 ended here; of 3 runs 0 done, 1 running elsewhere, 1 waiting for those, 1 failed, 0 left; "
        "nothing is free"
    )  # fmt: skip
    let_go()
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
    code, said = worked(budget="0.000001s")
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
    monkeypatch.setattr(observer.Tracking, "follow", lambda tracking, display, runs: told.append(runs) or display)
    worked("ann")
    assert not told
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    finish(tmp_path, ANN, status="failed")
    monkeypatch.setattr(launch, "local", lambda runs, *rest: [None for _ in runs])
    worked("ann")
    assert len(told) == 1


def wait_for(happened: Callable[[], bool], worker: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 120
    while not happened():
        assert worker.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)


WORK = [sys.executable, "-m", "benchmarks", "work", "quick", "--methods", "dsr-if", "--timesteps", "2"]


@pytest.mark.slow
@pytest.mark.long
def test_a_worker_that_sleeps_through_its_lease_finds_its_run_taken_over_and_steps_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("DSR_CLAIMS", "directory"), ("DSR_LEASE", "2"), ("OMP_NUM_THREADS", "1")):
        monkeypatch.setenv(name, value)
    first = subprocess.Popen(WORK, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for(lambda: bool(list(tmp_path.rglob(store.CHECKPOINT))), first)
    os.killpg(first.pid, signal.SIGSTOP)
    (place,) = (path.parent for path in tmp_path.rglob(store.CHECKPOINT))
    wait_for(lambda: not claims.is_taken(place, Clock(tmp_path)), first)
    second = subprocess.run(WORK, capture_output=True, text=True, timeout=600)
    assert " claims by directories, because DSR_CLAIMS says so; runs of a machine that died are free" in second.stdout
    assert second.stdout.splitlines()[-1].startswith(" work   1 ended here; of 1 runs 1 done, "), second
    recorded = (place / store.RESULT).read_bytes(), (place / store.RESULT).stat().st_mtime_ns
    os.killpg(first.pid, signal.SIGCONT)
    out, err = first.communicate(timeout=120)
    assert (first.returncode, err) == (0, "")
    assert " lost   dsr-if T=2 seed 0: another process has taken this run over, because this one gave no sign" in out
    assert out.splitlines()[-1].startswith(" work   0 ended here; of 1 runs 1 done, ")
    assert recorded == ((place / store.RESULT).read_bytes(), (place / store.RESULT).stat().st_mtime_ns)
    assert "stepping back" in (place / store.LOG).read_text()
    assert not (place / claims.CLAIM).exists()


@pytest.mark.slow
def test_a_runs_process_ends_with_its_launcher(tmp_path: Path) -> None:
    first = subprocess.Popen(WORK, stdout=subprocess.DEVNULL, start_new_session=True)
    wait_for(lambda: bool(list(tmp_path.rglob(store.CHECKPOINT))), first)
    first.kill()
    first.wait()
    saved = [path.stat().st_mtime_ns for path in tmp_path.rglob(store.CHECKPOINT)]
    end = time.monotonic() + 20
    with suppress(ProcessLookupError):
        while time.monotonic() < end:
            os.killpg(first.pid, 0)  # raises when nobody of its group is left
            time.sleep(0.05)
    assert time.monotonic() < end
    assert saved == [path.stat().st_mtime_ns for path in tmp_path.rglob(store.CHECKPOINT)], "no epoch more"


@pytest.mark.slow
@pytest.mark.long
def test_a_warning_to_all_processes_stops_a_worker_early_and_the_next_one_goes_on(tmp_path: Path) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for number in (signal.SIGUSR1, signal.SIGTERM):
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob(store.CHECKPOINT)}
        worker = subprocess.Popen(WORK, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)
        wait_for(
            lambda before=before: (
                before != {path: path.stat().st_mtime_ns for path in tmp_path.rglob(store.CHECKPOINT)}
            ),
            worker,
        )
        os.killpg(worker.pid, number)  # as a batch system does it: to every process of the job's step
        said = worker.communicate(timeout=60)[0]
        assert worker.returncode == EARLY, said
        assert said.splitlines()[-1].endswith(f"0 failed, 1 left; stopped early by {signal.Signals(number).name}")
        assert not list(tmp_path.rglob(store.RESULT))
    done = subprocess.run(WORK, env=environment, capture_output=True, text=True, timeout=800)
    assert (done.returncode, done.stderr) == (0, "")
    assert " 1 of them partly done" in done.stdout
    assert done.stdout.splitlines()[-1].startswith(" work   1 ended here; of 1 runs 1 done, ")
