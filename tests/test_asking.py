"""What a user asks for becomes a request: parsed and checked once, frozen, and nothing is printed meanwhile."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from benchmarks.cli import arguments, estimate, notices, preparation
from benchmarks.cli.arguments import Request, export_request, perf_request, run_request, sweep_request
from benchmarks.runs.job import jobs_of
from benchmarks.runs.plan import plan
from benchmarks.spec import BadInput, Run

TINY = "preact-resnet-tiny"


@pytest.fixture(autouse=True)
def laptop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_a_sweep_with_other_axes_is_the_runs_that_these_span() -> None:
    request = sweep_request("quick", None, None, "ann, dsr-if@alpha=1.0", "2-3", "7", True)
    assert request == Request("quick", request.title, "smoke", request.runs, only_plan=True, reason=None, jobs=None)
    expected = [("ann", 1), ("dsr-if@alpha=1", 2), ("dsr-if@alpha=1", 3)]  # of the ANN one at T = 1
    assert [(run.method, run.timesteps) for run in request.runs] == expected
    assert {(run.seed, run.scale, run.network) for run in request.runs} == {(7, "smoke", TINY)}
    with pytest.raises(FrozenInstanceError):
        request.scale = "paper"  # type: ignore[misc]


def test_a_scale_that_nobody_named_comes_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(scale: str | None) -> tuple[str, str | None]:
        request = sweep_request("cifar10", scale, None, "ann", None, "0", False)
        assert {run.scale for run in request.runs} == {request.scale}
        return request.scale, request.reason

    assert chosen("smoke") == ("smoke", None)
    assert chosen(None) == ("laptop", "there is no GPU")
    assert run_request("digits", TINY, "ann", 1, 0, None).reason == "there is no GPU"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert chosen(None) == ("paper", "there is a GPU")


def test_a_single_run_is_asked_for_as_a_sweep_of_one_is() -> None:
    request = run_request("digits", TINY, "dsr-if", 4, 1, "laptop")
    run = Run("digits", TINY, "dsr-if", 4, 1, "laptop")
    assert request == Request("runs", str(run), "laptop", (run,))


def test_an_export_is_of_one_scale_or_of_all_that_the_sweep_has() -> None:
    assert [part.scale for part in export_request("cifar10", "laptop", True).parts] == ["laptop"]
    everything = export_request("cifar10", None, False)
    assert [part.scale for part in everything.parts] == ["paper", "short", "workstation", "laptop", "smoke"]
    assert all(run.scale == part.scale for part in everything.parts for run in part.runs)


def test_a_benchmark_is_asked_for_with_lists() -> None:
    request = perf_request(TINY, 4, "1,3-4", "ann,dsr-if", True)
    assert request == arguments.PerfRequest(TINY, 4, (1, 3, 4), ("ann", "dsr-if"), True)
    assert perf_request(TINY, 4, "1", None, False).methods == ()
    with pytest.raises(BadInput, match="timesteps must be at least 1, not 0"):
        perf_request(TINY, 4, "0", None, False)


def test_asking_planning_and_estimating_print_nothing(tmp_path: Path, monkeypatch: Any, capfd: Any) -> None:
    monkeypatch.setenv("DSR_DATA", str(tmp_path))
    monkeypatch.setattr(estimate, "seconds", lambda jobs, ended: dict.fromkeys(jobs, None) | {jobs[0]: 90.0})
    request = sweep_request("cifar10", None, None, "ann,dsr-if", "4", "0", True)
    work = plan(request.runs, tmp_path)
    assert preparation.missing_sets(work.missing) == ["cifar10"]
    assert preparation.to_pack(work.missing) == {}
    assert preparation.seen_otherwise([("cifar10", "0" * 64)]) == {}, "a set that is missing is not looked at"
    found = preparation.estimated(work.missing)
    by_run = {work.missing[0].run: 90.0, work.missing[1].run: None}
    assert found == preparation.Estimate(90.0, 1, None, by_run)
    assert capfd.readouterr() == ("", "")
    console = Console(record=True, width=200)
    notices.time(console, found)
    assert (
        "about 1 min 30 s on this machine (from timing small steps; not counting 1 run whose steps fail here"
        in console.export_text()
    )


def test_cached_runs_of_other_images_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (digits,) = jobs_of([Run("digits", TINY, "ann", 1, 0, "smoke")], tmp_path)
    assert preparation.missing_sets([digits]) == []
    assert preparation.seen_otherwise([("digits", "0" * 64), ("digits", "1" * 64)]) == {"digits": 2}
