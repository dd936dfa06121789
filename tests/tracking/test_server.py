"""A real tracking server that hangs, dies or answers late: sweeps are complete, and `sync` brings all in, once."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ended_runs import finish
from mirrored import needs_mlflow
from mlflow_server import Late, Server, running

from benchmarks.spec import Run
from benchmarks.tracking import mirror

pytestmark = [pytest.mark.slow, needs_mlflow]

ROOT = Path(__file__).parents[2]


def runs(dataset: str, count: int) -> list[Run]:
    """Every test has a data set of its own, which is an experiment in MLflow: they share a server."""
    return [Run(dataset, "preact-resnet-tiny", "ann", 1, seed, "smoke") for seed in range(count)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server")) as server:
        yield server


def bench(results: Path, address: str, *words: str, **settings: str) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "DSR_RESULTS": str(results),
        "MLFLOW_TRACKING_URI": address,
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "2",
        "NO_COLOR": "1",
        "PYTHONPATH": str(ROOT),
        **settings,
    }
    command = [sys.executable, "-m", "benchmarks", *words]
    return subprocess.Popen(
        command, env=environment, cwd=results.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def said(process: subprocess.Popen[str], code: int = 0) -> str:
    """What a command has printed, once it has ended with this code."""
    text, _ = process.communicate(timeout=600)
    assert process.returncode == code, text
    return " ".join(text.split())


def client(address: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(address)


def entries(address: str, results: Path) -> dict[str, list[Any]]:
    """What the server has of a results folder, by kind: runs, their sweeps, and their models."""
    there = client(address)
    experiments = [experiment.experiment_id for experiment in there.search_experiments()]
    runs = list(there.search_runs(experiments, f"tags.`snn.results` = '{results}'"))
    parents = {run.data.tags["mlflow.parentRunId"] for run in runs if "mlflow.parentRunId" in run.data.tags}
    ids = {run.info.run_id for run in runs}
    models = [model for model in there.search_logged_models(experiments) if model.source_run_id in ids]
    sweeps = list(there.search_runs(experiments, "tags.`snn.kind` = 'sweep'"))
    return {"run": runs, "sweep": [run for run in sweeps if run.info.run_id in parents], "model": models}


def assert_complete(address: str, results: Path, count: int) -> None:
    """Every run stands there once, whole, with one model and its data set, under one sweep."""
    there = entries(address, results)
    assert {kind: len(found) for kind, found in there.items()} == {"run": count, "sweep": 1, "model": count}
    for run in there["run"]:
        assert run.info.status == "FINISHED"
        assert run.data.metrics["test/acc1_last"] > 0
        assert [one.dataset.name for one in run.inputs.dataset_inputs] == [f"{run.data.tags['snn.dataset']}-smoke"]
        assert len(run.outputs.model_outputs) == 1
    assert all({"test/acc1_last"} <= {m.key for m in model.metrics} for model in there["model"])


def wait_for(path: Path, pattern: str, process: subprocess.Popen[str]) -> None:
    while not list(path.glob(pattern)):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)


@pytest.mark.long
def test_a_server_that_hangs_amid_a_sweep_costs_a_line_and_two_syncs_at_once_bring_all_in_once(
    server: Server, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    words = ["sweep", "quick", "--methods", "ann", "--seeds", "0-2", "--jobs", "1"]
    sweep = bench(results, server.address, *words)
    try:
        wait_for(results, f"runs/*/*/{mirror.MARKER}", sweep)  # the first run is mirrored, the second has begun
        server.signal(signal.SIGSTOP)
        text = said(sweep)
        silent = f"mlflow MLflow at {server.address}: no answer within 2 s (MLFLOW_HTTP_REQUEST_TIMEOUT)"
        assert said(bench(results, server.address, "sync"), code=1) == silent
    finally:
        server.signal(signal.SIGCONT)
    assert "✓ 3/3 ann" in text
    assert "mlflow lacks 2 of 3 runs and the report" in text
    assert "all are complete on disk, and `dsr-bench sync` brings them in" in text
    with (results / "smoke" / "quick.csv").open() as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["done"] * 3
    assert (results / "reports" / "quick-smoke" / "index.html").exists()

    for process in [bench(results, server.address, "sync", MLFLOW_HTTP_REQUEST_TIMEOUT="60") for _ in range(2)]:
        assert said(process) == "mlflow up to date"
    assert_complete(server.address, results, 3)
    (parent,) = entries(server.address, results)["sweep"]
    names = {item.path for item in client(server.address).list_artifacts(parent.info.run_id)}
    assert {"index.html", "tables.md"} <= names
    assert said(bench(results, server.address, "sync")) == "mlflow up to date"
    assert_complete(server.address, results, 3)


def test_a_server_that_is_killed_amid_a_sweep_and_started_again_has_every_run_once(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    places = [finish(tmp_path, run, weights_sha256=f"{run.seed}") for run in runs("cifar10", 3)]
    assert mirror.mirror(places[:1], tmp_path) is None
    (places[0] / mirror.MARKER).unlink()  # as after a kill before the marker was written
    server.kill()
    try:
        trouble = mirror.mirror(places, tmp_path) or ""
        assert trouble == f"MLflow at {server.address}: connection refused"
    finally:
        server.start()
    for _ in range(2):
        assert mirror.mirror(places, tmp_path) is None
        assert_complete(server.address, tmp_path, 3)


def test_answers_that_come_too_late_make_no_doubles(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that is given up and sent again is done twice by the server."""
    from mlflow import MlflowClient

    late = Late(server.port)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", late.address)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    places = [finish(tmp_path, run, top1=50.0) for run in runs("cifar100", 1)]
    with monkeypatch.context() as patch:
        for name in ("create_run", "create_logged_model"):
            patch.setattr(MlflowClient, name, answered_late(late, getattr(MlflowClient, name)))
        for what in ("the sweep", "the run", "the model"):
            assert "no answer within 1 s" in (mirror.mirror(places, tmp_path) or ""), what
    doubles = entries(server.address, tmp_path)
    assert {kind: len(found) for kind, found in doubles.items()} == {"run": 1, "sweep": 1, "model": 2}
    for _ in range(2):
        assert mirror.mirror(places, tmp_path) is None
        assert_complete(server.address, tmp_path, 1)
    experiment = client(server.address).get_experiment_by_name("dsr-bench/cifar100").experiment_id
    assert len(client(server.address).search_runs([experiment])) == 2, "a sweep and a run, and none that nobody knows"


def answered_late(late: Late, whole: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        late.delay = 1.5
        try:
            return whole(*arguments, **named)
        finally:
            late.delay = 0.0

    return call
