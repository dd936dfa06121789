"""MLflow holds what the run directories say, once, whatever happened on the way; and its troubles stay its own."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import record, tracking
from benchmarks.spec import Recipe, Run

needs_mlflow = pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="mlflow is not installed")

RUN = Run("cifar10", "preact-resnet18", "dsr-lif", 20, 0, "laptop")
RECIPE = Recipe(8, 64, 0.05, parent="ann", neuron={"threshold": 0.3, "alpha": 0.5}, sources="ours")
PROVENANCE = record.Provenance("abc123", False, "2026-11-01", "a Xeon", "cpu", 2, "3.11", "2.13", "f00", "torchvision")
MEASURED = {"top1": 91.5, "top1_best": 92.0, "analog_macs": 5e6, "acs": 1.25e7, "train_seconds": 80.0, "idle_bytes": 7}
COLUMNS = [
    *("epoch", "learning_rate", "train_loss", "train_top1", "test_loss", "test_top1"),
    *("validation_loss", "validation_top1", "train_seconds"),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with an initialised store: making one takes seconds. Every test in it has keys of its own."""
    if importlib.util.find_spec("mlflow") is None:
        pytest.skip("mlflow is not installed")
    with pytest.MonkeyPatch.context() as patch:
        _isolate(patch)
        results = tmp_path_factory.mktemp("results")
        assert tracking.close_stale(results, set()) is None
    return results


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _isolate(monkeypatch)
    monkeypatch.chdir(tmp_path)


def _isolate(patch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", *tracking.ENVIRONMENT):
        patch.setenv(name, "noted, so that it is put back")
        patch.delenv(name)
    patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")


def started(results: Path, key: str, sweep: str | None = None, run: Run = RUN) -> Path:
    """A run directory as it is before the first epoch has ended."""
    directory = results / "runs" / key
    directory.mkdir(parents=True)
    about = {"key": key, "parent_key": "parent", "sweep": sweep, "run": asdict(run), "recipe": asdict(RECIPE)}
    (directory / "run.json").write_text(json.dumps(about))
    return directory


def trained(directory: Path, epochs: int, loss: float = 1.0) -> Path:
    """The same after some epochs: losses fall as 1/epoch, one epoch takes 10 s, nothing is held out for validation."""
    with (directory / "curves.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([e, 0.1, loss / e, 10.0 * e, 2 / e, 9.0 * e, "", "", 10.0 * e] for e in range(1, epochs + 1))
    return directory


def ended(directory: Path, status: record.Status = "done", reason: str | None = None, **measured: Any) -> Path:
    """The same with a result."""
    about = json.loads((directory / "run.json").read_text())
    identity = {"key": about["key"], "parent_key": about["parent_key"], **about["run"]}
    result = record.Result(**identity, status=status, reason=reason, **measured, provenance=PROVENANCE)
    record.save(result, directory / "result.json")
    return directory


def client(results: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{results / 'mlflow.db'}")


def found(results: Path, where: str, dataset: str = "cifar10") -> list[Any]:
    experiment = client(results).get_experiment_by_name(f"dsr-bench/{dataset}")
    return list(client(results).search_runs([experiment.experiment_id], where))


def the_run(results: Path, key: str) -> Any:
    (run,) = found(results, f"tags.`snn.run_key` = '{key}'")
    return run


def steps(results: Path, key: str, metric: str = "train/loss") -> list[tuple[int, float]]:
    history = client(results).get_metric_history(the_run(results, key).info.run_id, metric)
    return sorted((m.step, m.value) for m in history)


def test_a_finished_run_is_found_by_what_it_is_and_by_what_it_reached(store: Path) -> None:
    assert tracking.mirror([ended(trained(started(store, "finished"), 8), **MEASURED)], store) is None
    what = "params.method = 'dsr-lif' and params.T = '20' and params.`neuron.threshold` = '0.3'"
    (run,) = found(store, f"{what} and metrics.`test/acc1_last` > 91 and tags.`snn.run_key` = 'finished'")
    assert (run.info.status, run.info.run_name) == ("FINISHED", "dsr-lif-preact-resnet18-T20-s0")
    expected = {"epochs": "8", "batch_size": "64", "learning_rate": "0.05", "parent": "ann", "scale": "laptop"}
    assert expected.items() <= run.data.params.items()
    assert not {"sources", "neuron", "train_images", "timesteps"} & set(run.data.params)
    tags = {"kind": "run", "parent_key": "parent", "status": "done", "scale": "laptop", "method": "dsr-lif", "T": "20"}
    tags |= {"dataset": "cifar10", "network": "preact-resnet18", "seed": "0", "machine": "a Xeon", "device": "cpu"}
    assert ({f"snn.{k}": v for k, v in tags.items()} | {"snn.dirty": "False"}).items() <= run.data.tags.items()
    assert run.data.tags["mlflow.source.git.commit"] == "abc123"
    metrics = {"synops/mac_per_image": 5e6, "synops/ac_per_image": 1.25e7, "mem/idle_bytes": 7, "test/acc1_best": 92.0}
    assert (metrics | {"time/train_s": 80.0, "train/loss": 1 / 8}).items() <= run.data.metrics.items()
    assert not {name for name in run.data.metrics if name.startswith(("val/", "result/"))}, "they were not measured"


def test_quantities_without_an_agreed_name_are_mirrored_under_their_own(store: Path) -> None:
    tracking.mirror([ended(started(store, "other"), parameters=11, other_load_cores=0.5)], store)
    assert the_run(store, "other").data.metrics == {"result/parameters": 11, "result/other_load_cores": 0.5}


def test_every_metric_name_belongs_to_a_quantity_that_there_is() -> None:
    assert set(tracking.FINAL_METRICS) <= set(record.COLUMNS)
    assert set(tracking.EPOCH_METRICS) <= set(COLUMNS)


def test_mirroring_twice_changes_nothing(store: Path) -> None:
    directory = ended(trained(started(store, "twice"), 3), **MEASURED)
    tracking.mirror([directory], store)
    before = the_run(store, "twice")
    marker = json.loads((directory / "mlflow.json").read_text())
    assert marker["run_id"] == before.info.run_id
    for again in ("with its marker", "without"):
        assert tracking.mirror([directory], store) is None, again
        (directory / "mlflow.json").unlink()
    assert the_run(store, "twice").to_dictionary() == before.to_dictionary()
    for metric in before.data.metrics:
        values = steps(store, "twice", metric)
        assert len(values) == len(set(values)) == (1 if "/" in metric and values[0][0] == 0 else 3), metric


def test_a_settled_run_needs_no_mlflow(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = ended(started(store, "settled"))
    tracking.mirror([directory], store)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    assert tracking.mirror([directory], store) is None


def test_a_run_killed_after_epoch_2_and_resumed_to_epoch_4_has_every_epoch_once(store: Path) -> None:
    directory = started(store, "resumed")
    for epochs in (0, 1, 2):
        assert tracking.mirror([trained(directory, epochs)], store) is None
        assert the_run(store, "resumed").info.status == "RUNNING"
    assert tracking.close_stale(store, live_keys=set()) is None
    assert the_run(store, "resumed").info.status == "KILLED"
    tracking.mirror([directory], store)
    assert the_run(store, "resumed").info.status == "KILLED", "there was no news"
    tracking.mirror([trained(directory, 3)], store)
    run = the_run(store, "resumed")
    assert (run.info.status, run.data.tags["snn.status"]) == ("RUNNING", "running")
    tracking.mirror([ended(trained(directory, 4))], store)
    assert steps(store, "resumed") == [(1, 1.0), (2, 1 / 2), (3, 1 / 3), (4, 1 / 4)]
    assert the_run(store, "resumed").info.status == "FINISHED"


def test_a_mirror_cut_short_between_batches_is_completed(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    directory = ended(trained(started(store, "long"), 300), **MEASURED)  # 300 epochs of 6 metrics: two batches
    whole, calls = MlflowClient.log_batch, []

    def breaks_at_the_third(*args: Any, **kwargs: Any) -> None:
        calls.append(args)
        if len(calls) == 3:
            raise ConnectionError("the network is gone\nfor good")
        whole(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", breaks_at_the_third)
        assert "the network is gone for good" in (tracking.mirror([directory], store) or "")
    assert the_run(store, "long").info.status == "RUNNING"
    assert tracking.mirror([directory], store) is None
    for metric in ("train/loss", "test/acc1", "epoch/train_seconds"):
        assert [step for step, _ in steps(store, "long", metric)] == list(range(1, 301))
    assert the_run(store, "long").data.metrics["test/acc1_last"] == 91.5


def test_a_failed_run_ends_failed_with_its_reason(store: Path) -> None:
    tracking.mirror([ended(trained(started(store, "failed"), 1), "out-of-memory", "needs 3 GiB more")], store)
    run = the_run(store, "failed")
    assert run.info.status == "FAILED"
    assert (run.data.tags["snn.status"], run.data.tags["snn.reason"]) == ("out-of-memory", "needs 3 GiB more")


def test_a_run_that_failed_and_then_succeeded_ends_finished_and_stands_there_once(store: Path) -> None:
    directory = ended(trained(started(store, "again"), 1), "failed", "a bug", train_seconds=99.0)
    tracking.mirror([directory], store)
    (directory / "result.json").unlink()
    tracking.mirror([trained(directory, 2)], store)
    assert the_run(store, "again").info.status == "RUNNING"
    tracking.mirror([ended(directory, top1=90.0, train_seconds=80.0)], store)
    run = the_run(store, "again")
    assert run.info.status == "FINISHED"
    assert run.data.tags["snn.status"] == "done"
    assert "snn.reason" not in run.data.tags
    assert run.data.metrics["time/train_s"] == 80.0
    assert steps(store, "again") == [(1, 1.0), (2, 0.5)]


def test_a_result_that_replaces_another_is_mirrored_although_the_first_was_settled(store: Path) -> None:
    directory = ended(started(store, "replaced"), "failed", "a bug")
    tracking.mirror([directory], store)
    os.utime(ended(directory, top1=90.0) / "result.json", (2e9, 2e9))
    tracking.mirror([directory], store)
    assert the_run(store, "replaced").info.status == "FINISHED"


def test_what_is_no_finite_number_is_left_out(store: Path) -> None:
    directory = trained(started(store, "infinite"), 2, loss=float("inf"))
    tracking.mirror([ended(directory, test_loss=float("nan"), acs=float("-inf"), top1=10.0)], store)
    metrics = the_run(store, "infinite").data.metrics
    assert "train/loss" not in metrics
    assert {name for name in metrics if not name.startswith(("train/", "test/acc1", "test/loss", "epoch/"))} == set()
    assert (metrics["test/loss"], metrics["test/acc1_last"]) == (1.0, 10.0)


def test_runs_hang_under_their_sweep_one_level_deep(store: Path) -> None:
    runs = [started(store, f"child{seed}", "cifar10", replace(RUN, seed=seed)) for seed in (0, 1)]
    other_scale = started(store, "child2", "cifar10", replace(RUN, scale="smoke"))
    assert tracking.mirror([*runs, other_scale, started(store, "orphan")], store) is None
    parents = {run.info.run_name: run for run in found(store, "tags.`snn.kind` = 'sweep'")}
    assert set(parents) == {"cifar10-laptop", "cifar10-smoke"}
    assert {parent.info.status for parent in parents.values()} == {"FINISHED"}
    laptop = parents["cifar10-laptop"].info.run_id
    children = found(store, f"tags.`mlflow.parentRunId` = '{laptop}'")
    assert {run.data.tags["snn.run_key"] for run in children} == {"child0", "child1"}
    assert {run.data.tags["snn.sweep"] for run in children} == {"cifar10"}
    assert "mlflow.parentRunId" not in the_run(store, "orphan").data.tags


def test_closing_stale_runs_spares_live_ones_finished_ones_and_other_folders(store: Path, tmp_path: Path) -> None:
    tracking.mirror([started(store, "live"), started(store, "stale"), ended(started(store, "over"))], store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store / 'mlflow.db'}")
        tracking.mirror([started(tmp_path, "elsewhere")], tmp_path)
    assert tracking.close_stale(store, {"live"}) is None
    status = {key: the_run(store, key).info.status for key in ("live", "stale", "over", "elsewhere")}
    assert status == {"live": "RUNNING", "stale": "KILLED", "over": "FINISHED", "elsewhere": "RUNNING"}
    assert the_run(store, "stale").data.tags["snn.status"] == "killed"


def test_a_damaged_run_directory_is_named_and_does_not_hold_up_the_others(store: Path) -> None:
    damaged, sound = started(store, "damaged"), started(store, "sound")
    (damaged / "run.json").write_text('{"key": "dam')
    trouble = tracking.mirror([damaged, store / "runs" / "not-there", sound], store)
    assert trouble is not None
    assert str(damaged) in trouble
    assert "\n" not in trouble
    assert the_run(store, "sound").info.status == "RUNNING"


@needs_mlflow
def test_an_unreachable_server_costs_a_line_and_few_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    directories, began = [ended(started(tmp_path, str(n))) for n in range(5)], time.monotonic()
    for trouble in (tracking.mirror(directories, tmp_path), tracking.close_stale(tmp_path, set())):
        assert trouble is not None
        assert "127.0.0.1:9" in trouble
        assert "secret" not in trouble
        assert "\n" not in trouble
    assert time.monotonic() - began < 10
    assert not list(tmp_path.rglob("mlflow.json"))


@needs_mlflow
def test_a_server_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        began = time.monotonic()
        assert tracking.mirror([started(tmp_path, str(n)) for n in range(5)], tmp_path)
    assert time.monotonic() - began < 8


def test_a_locked_database_costs_a_line_and_few_seconds(store: Path) -> None:
    with closing(sqlite3.connect(store / "mlflow.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        assert "database is locked" in (tracking.mirror([started(store, "locked")], store) or "")
    assert time.monotonic() - began < 10
    assert tracking.mirror([store / "runs" / "locked"], store) is None


@needs_mlflow
def test_a_database_that_cannot_be_opened_costs_a_line(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").mkdir()
    began = time.monotonic()
    assert "unable to open database file" in (tracking.mirror([started(tmp_path, "a")], tmp_path) or "")
    assert time.monotonic() - began < 10


def test_without_mlflow_there_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    for trouble in (tracking.mirror([started(tmp_path, "a")], tmp_path), tracking.close_stale(tmp_path, set())):
        assert trouble is not None
        assert "mlflow" in trouble
        assert "\n" not in trouble


def test_ctrl_c_passes_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tracking._Mirror, "bring_up_to_date", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tracking.mirror([started(tmp_path, "a")], tmp_path)


@needs_mlflow
def test_four_processes_make_one_store_and_one_sweep_together(tmp_path: Path) -> None:
    code = "import sys, pathlib; from benchmarks.tracking import mirror; "
    code += "_, results, *directories = map(pathlib.Path, sys.argv); print(mirror(directories, results))"
    directories = [ended(trained(started(tmp_path, str(n), "cifar10"), 2)) for n in range(4)]
    command = [sys.executable, "-c", code, str(tmp_path)]
    root = Path(__file__).parent.parent
    processes = [
        subprocess.Popen([*command, str(d)], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for d in directories
    ]
    assert [process.communicate(timeout=120)[0] for process in processes] == ["None\n"] * 4
    assert [the_run(tmp_path, str(n)).info.status for n in range(4)] == ["FINISHED"] * 4
    assert len(found(tmp_path, "tags.`snn.kind` = 'sweep'")) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mlflow.db", "mlflow.lock", "runs"]


@needs_mlflow
def test_when_the_store_is_gone_what_was_settled_in_it_is_mirrored_again(tmp_path: Path) -> None:
    settled = ended(started(tmp_path, "settled"))
    marker: dict[str, Any] = {
        "uri": f"sqlite:///{tmp_path / 'mlflow.db'}",
        "run_id": "in a database that somebody has deleted",
    }
    marker["ended"] = int(1000 * (settled / "result.json").stat().st_mtime)
    (settled / "mlflow.json").write_text(json.dumps(marker))
    assert tracking.mirror([started(tmp_path, "new")], tmp_path) is None, "makes a new store"
    assert tracking.mirror([settled], tmp_path) is None
    assert the_run(tmp_path, "settled").info.status == "FINISHED"
