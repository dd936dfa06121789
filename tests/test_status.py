"""`dsr-bench status`: what is said of a folder whose runs are done, running, failed, waiting and left."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ended_runs import finish
from rich.console import Console

from benchmarks.cli.arguments import sweep_request
from benchmarks.cli.status import status
from benchmarks.files import claims, clock, partials
from benchmarks.runs import store
from benchmarks.runs.job import job_of
from benchmarks.spec import Run

ANN = Run("cifar10", "preact-resnet18-narrow", "ann", 1, 0, "laptop")
DSR = replace(ANN, method="dsr-if", timesteps=5)
CHILD = replace(ANN, method="calibration", timesteps=5)
CURVE = "epoch,train_seconds\n1,100\n2,300\n"


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The first seed of ann is at work, the second is done; one run of dsr-if has failed and one is half done."""
    monkeypatch.setenv("DSR_RESULTS", str(tmp_path))
    monkeypatch.setattr(partials, "fences", {})
    finish(tmp_path, replace(ANN, seed=1), epochs=8, train_seconds=160.0, test_images=100, test_images_per_second=50.0)
    finish(tmp_path, DSR, status="failed", reason="RuntimeError: [/x]", top1=None)
    for run in (ANN, half := replace(DSR, seed=1)):
        job = job_of(run, tmp_path)
        job.describe("cifar10")
        (job.place / store.CHECKPOINT).touch()
        (job.place / store.CURVES).write_text(CURVE if run == half else CURVE.replace("300", "30"))
    with claims.Claims(tmp_path) as held:
        claim = held.take(store.directory(tmp_path, ANN))
        assert claim is not None
        now = clock.now(tmp_path)
        owner = claim.fence / claims.OWNER
        text = json.loads(owner.read_text()) | {"host": "node7", "machine": "elsewhere", "pid": 12, "since": now - 90}
        owner.write_text(json.dumps(text))
        for path in (owner, claim.fence):
            os.utime(path, (now - 20, now - 20))
        yield tmp_path


def asked(as_json: bool) -> str:
    console = Console(file=io.StringIO(), width=200)
    request = sweep_request("cifar10", "laptop", None, "ann,dsr-if,calibration", "5", "0,1", False)
    assert status(request, as_json, console) == 0
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


# per epoch: ann here 30 / 2 s, dsr-if 300 / 2 s; 8 epochs each. ann also evaluates 2,000 validation images per epoch,
# the test split of 100 per epoch and twice at the end, at the 50 images a second of the other seed.
LEFT_OF_ANN = 6 * 15 + (6 * 2000 + 8 * 100) / 50
LEFT_OF_DSR = (8 * 150, 6 * 150)


@pytest.mark.usefixtures("results")
def test_status_as_json_has_a_record_per_run_with_what_is_known_of_it() -> None:
    said = json.loads(asked(as_json=True))
    assert said["counts"] == {"done": 1, "running": 1, "failed": 1, "waiting": 1, "left": 2}
    runs: dict[tuple[str, int], dict[str, Any]] = {(run["method"], run["seed"]): run for run in said["runs"]}
    assert {name: run["standing"] for name, run in runs.items()} == {
        ("ann", 0): "running",
        ("ann", 1): "done",
        ("dsr-if", 0): "failed",
        ("dsr-if", 1): "left",
        ("calibration", 0): "waiting",
        ("calibration", 1): "left",
    }
    running = runs["ann", 0]
    assert (running["host"], running["pid"], running["epochs"], running["of"]) == ("node7", 12, 2, 8)
    assert 90 <= running["running_seconds"] < 110
    assert 20 <= running["silent_seconds"] < 40
    assert (datetime.now(UTC) - datetime.fromisoformat(running["since"])).total_seconds() == pytest.approx(90, abs=20)
    assert running["seconds_left"] == pytest.approx(LEFT_OF_ANN)
    assert runs["dsr-if", 0]["reason"] == "failed: RuntimeError: [/x]"
    assert [runs["dsr-if", seed]["seconds_left"] for seed in (0, 1)] == [pytest.approx(one) for one in LEFT_OF_DSR]
    assert (runs["ann", 1]["seconds_left"], runs["calibration", 0]["seconds_left"]) == (0, None)
    assert said["runs_of_unknown_pace"] == 2
    assert said["seconds_left"] == pytest.approx(LEFT_OF_ANN + sum(LEFT_OF_DSR))
    assert Path(running["directory"]).name.endswith(running["key"])


@pytest.mark.usefixtures("results")
def test_status_says_who_works_on_what_and_what_has_failed() -> None:
    head, *rest = (" ".join(line.split()) for line in asked(as_json=False).splitlines())
    assert head.startswith("status cifar10, scale laptop: 6 runs · 1 done · 1 running · 1 failed · 1 waiting · 2 left")
    assert head.endswith(" 2 left (1 of them partly done)")
    assert rest[0] == "running host process for epoch last sign of life"
    assert rest[1].startswith("ann T=1 seed 0, preact-resnet18-narrow on cifar10 node7 12 1 min ")
    assert " 2/8 " in rest[1]
    assert rest[3] == "dsr-if T=5 seed 0, preact-resnet18-narrow on cifar10 failed: RuntimeError: [/x]"
    assert rest[4] == (
        "time about 40 min 46 s of work is left, at the pace of the runs here; no pace is known of 2 runs"
    )


def test_status_starts_without_torch(tmp_path: Path) -> None:
    command = "import sys; from benchmarks.__main__ import app; app(['status', 'workstation'], standalone_mode=False); "
    done = subprocess.run(
        [sys.executable, "-c", command + "print('torch' in sys.modules)"],
        env=os.environ | {"DSR_RESULTS": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout.splitlines()[-1] == "False", done
