"""What a sweep does with MLflow: it asks another process, goes on, and says at its end what is missing."""

from __future__ import annotations

import io
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ended_runs import ended, finish
from mirrored import found, needs_mlflow
from rich.console import Console

from benchmarks.runs.identity import key
from benchmarks.spec import Run
from benchmarks.tracking import mirror, observer
from benchmarks.tracking.background import Background
from benchmarks.tracking.observer import Tracking

RUN = Run("digits", "preact-resnet-tiny", "ann", 1, 0, "smoke")
SECOND = replace(RUN, seed=1)
Told = list[tuple[str, Run]]


def quiet(told: Told) -> Any:
    """An observer that notes what it is told."""

    def note(name: str) -> Callable[..., None]:
        return lambda run, *more: told.append((name, run))

    return SimpleNamespace(**{name: note(name) for name in ("started", "waiting", "epoch", "simulated", "ended")})


def carry_out(results: Path, *runs: Run, report: Path | None = None) -> str:
    """A sweep of runs that end at once; what it prints."""
    console, told = Console(file=io.StringIO(), width=300), Told()
    with Tracking(console, results) as tracking:
        observer = tracking.follow(quiet(told), runs)
        for run in runs:
            observer.started(run)
            finish(results, run)
            observer.ended(run, ended(run))
        if report:
            tracking.attach(report, "quick", True)
    assert told == [(name, run) for run in runs for name in ("started", "ended")]
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def report(results: Path) -> Path:
    folder = results / "reports" / "quick-smoke"
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("tables")
    return folder


@pytest.mark.slow
@needs_mlflow
def test_a_sweeps_runs_and_report_are_in_mlflow_at_its_end_and_nothing_is_said(tmp_path: Path) -> None:
    folder = report(tmp_path)
    assert carry_out(tmp_path, RUN, SECOND, report=folder) == ""
    assert [run.info.status for run in found(tmp_path, "tags.`snn.kind` = 'run'", "digits")] == ["FINISHED"] * 2
    assert mirror.is_attached(folder, tmp_path)


@needs_mlflow
def test_a_server_that_does_not_answer_in_time_costs_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observer, "LEAST_SECONDS", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3600")
        said = carry_out(tmp_path, RUN, SECOND, report=report(tmp_path))
    lacks = "lacks 2 of 2 runs and the report (no answer after 0 s)"
    assert said == f" mlflow {lacks}; all are complete on disk, and `dsr-bench sync` brings them in\n"


@needs_mlflow
def test_trouble_is_said_once_and_the_end_says_what_is_missing(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=300)
    tracking = Tracking(console, tmp_path)
    with tracking:
        assert tracking.background
        tracking.background.trouble = "MLflow at sqlite:///x.db: database is locked"
        observing = tracking.follow(quiet(Told()), [RUN])
        for run in (RUN, SECOND):
            finish(tmp_path, run)
            observing.ended(run, ended(run))
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
        " mlflow MLflow at sqlite:///x.db: database is locked; the runs go on without it",
        " mlflow lacks 2 of 2 runs; all are complete on disk, and `dsr-bench sync` brings them in",
    ]


def test_without_mlflow_a_sweep_says_so_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    said = carry_out(tmp_path, RUN, SECOND, report=report(tmp_path))
    assert said == " mlflow is not installed: runs are kept on disk, `dsr-bench sync` brings them in\n"


def test_tracking_that_is_off_starts_nothing_and_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSR_TRACKING", "off")
    assert carry_out(tmp_path, RUN, report=report(tmp_path)) == ""
    assert not list(tmp_path.glob("mlflow*"))


def test_a_process_that_is_killed_is_trouble_and_nothing_more_is_asked(tmp_path: Path) -> None:
    background = Background(tmp_path)
    background.ask("mirror", tmp_path / "nowhere")
    assert background.process
    assert background.process.pid
    os.kill(background.process.pid, signal.SIGKILL)
    assert background.look(60) is False
    assert background.trouble == "the process that mirrors into MLflow was ended"
    background.ask("mirror", tmp_path / "elsewhere")
    assert not background.waiting
    assert background.finish(60) is False


@needs_mlflow
def test_a_process_that_cannot_start_is_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(self: Background) -> Any:
        raise OSError("Cannot allocate memory")

    monkeypatch.setattr(Background, "_pipe", no_memory)
    first, second = carry_out(tmp_path, RUN).splitlines()
    cannot = "no process can mirror into MLflow: OSError: Cannot allocate memory"
    assert first == f" mlflow {cannot}; the runs go on without it"
    assert "lacks 1 of 1 runs; all are complete on disk" in second


class Pipe:
    """A pipe to a process that answers when it is told to."""

    def __init__(self) -> None:
        self.sent, self.answers = list[Any](), list[Any]()

    def send(self, batch: Any) -> None:
        self.sent.append(batch)

    def poll(self, seconds: float) -> bool:
        return bool(self.answers)

    def recv(self) -> Any:
        return self.answers.pop()


def test_one_batch_is_on_its_way_and_what_is_asked_twice_meanwhile_is_done_once(tmp_path: Path) -> None:
    background, pipe = Background(tmp_path), Pipe()
    background.pipe = pipe  # type: ignore[assignment]
    for place in ("a", "b", "c", "b"):
        background.ask("mirror", place)
    assert pipe.sent == [[("mirror", "a")]]
    assert background.look()
    pipe.answers.append(None)
    assert background.look()
    assert pipe.sent[1:] == [[("mirror", "b"), ("mirror", "c")]]
    pipe.answers.append("no route to host")
    assert not background.look()
    assert background.trouble == "no route to host"


def test_the_end_waits_longer_for_a_long_sweep_and_for_a_local_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking = Tracking(Console(), tmp_path)
    assert tracking._patience() == observer.MOST_SECONDS
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert tracking._patience() == observer.LEAST_SECONDS
    tracking.began -= 1000
    assert tracking._patience() == pytest.approx(20, abs=5)
    tracking.began -= 1e6
    assert tracking._patience() == observer.MOST_SECONDS
    tracking.is_interrupted = True
    assert tracking._patience() == observer.LEAST_SECONDS


@needs_mlflow
def test_stale_runs_are_closed_before_the_first_run_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[Any]()
    monkeypatch.setattr(Background, "ask", lambda self, *task: asked.append(task))
    Tracking(Console(), tmp_path).follow(quiet(Told()), [RUN, SECOND])
    assert asked == [("close_stale", tuple(sorted((key(RUN), key(SECOND)))))]
