"""MLflow holds what the run directories say, once, whatever happened on the way."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mirrored import (
    COLUMNS,
    MEASURED,
    RUN,
    client,
    ended,
    found,
    started,
    steps,
    the_run,
    trained,
)

from benchmarks.runs import record
from benchmarks.tracking import mirror, translation


def test_a_finished_run_is_found_by_what_it_is_and_by_what_it_reached(store: Path) -> None:
    assert mirror.mirror([ended(trained(started(store, "finished"), 8), **MEASURED)], store) is None
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
    mirror.mirror([ended(started(store, "other"), parameters=11, other_load_cores=0.5, top1=50.0)], store)
    own = {"result/parameters": 11, "result/other_load_cores": 0.5}
    assert the_run(store, "other").data.metrics == {**own, "test/acc1_last": 50.0}


def test_every_metric_name_belongs_to_a_quantity_that_there_is() -> None:
    assert set(translation.FINAL_METRICS) <= set(record.COLUMNS)
    assert set(translation.EPOCH_METRICS) <= set(COLUMNS)


def test_mirroring_twice_changes_nothing(store: Path) -> None:
    directory = ended(trained(started(store, "twice"), 3), **MEASURED)
    mirror.mirror([directory], store)
    before = the_run(store, "twice")
    marker = json.loads((directory / "mlflow.json").read_text())
    assert marker["run_id"] == before.info.run_id
    for again in ("with its marker", "without"):
        assert mirror.mirror([directory], store) is None, again
        (directory / "mlflow.json").unlink()
    assert the_run(store, "twice").to_dictionary() == before.to_dictionary()
    for metric in before.data.metrics:
        values = steps(store, "twice", metric)
        assert len(values) == len(set(values)) == (1 if "/" in metric and values[0][0] == 0 else 3), metric


def test_a_settled_run_needs_no_mlflow(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = ended(started(store, "settled"))
    mirror.mirror([directory], store)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    assert mirror.mirror([directory], store) is None


def test_a_run_killed_after_epoch_2_and_resumed_to_epoch_4_has_every_epoch_once(store: Path) -> None:
    directory = started(store, "resumed")
    for epochs in (0, 1, 2):
        assert mirror.mirror([trained(directory, epochs)], store) is None
        assert the_run(store, "resumed").info.status == "RUNNING"
    assert mirror.close_stale(store, live_keys=set()) is None
    assert the_run(store, "resumed").info.status == "KILLED"
    mirror.mirror([directory], store)
    assert the_run(store, "resumed").info.status == "KILLED", "there was no news"
    mirror.mirror([trained(directory, 3)], store)
    run = the_run(store, "resumed")
    assert (run.info.status, run.data.tags["snn.status"]) == ("RUNNING", "running")
    mirror.mirror([ended(trained(directory, 4))], store)
    assert steps(store, "resumed") == [(1, 1.0), (2, 1 / 2), (3, 1 / 3), (4, 1 / 4)]
    assert the_run(store, "resumed").info.status == "FINISHED"


@pytest.mark.parametrize("first_ended", [True, False])
def test_a_run_that_began_anew_is_a_run_of_its_own_and_the_first_is_kept(store: Path, first_ended: bool) -> None:
    key = f"anew-{first_ended}"
    directory = trained(started(store, key), 3)
    assert mirror.mirror([ended(directory) if first_ended else directory], store) is None
    (directory / "result.json").unlink(missing_ok=True)
    mirror.mirror([trained(directory, 1, loss=5.0)], store)
    mirror.mirror([ended(trained(directory, 2, loss=5.0))], store)
    runs = {run.data.tags["snn.kind"]: run for run in found(store, f"tags.`snn.run_key` = '{key}'")}
    assert {kind: run.info.status for kind, run in runs.items()} == {
        "superseded": "FINISHED" if first_ended else "KILLED",
        "run": "FINISHED",
    }
    assert runs["superseded"].data.metrics["train/loss"] == 1 / 3
    history = client(store).get_metric_history(runs["run"].info.run_id, "train/loss")
    assert sorted((m.step, m.value) for m in history) == [(1, 5.0), (2, 2.5)]


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
        assert "the network is gone for good" in (mirror.mirror([directory], store) or "")
    assert the_run(store, "long").info.status == "RUNNING"
    assert mirror.mirror([directory], store) is None
    for metric in ("train/loss", "test/acc1", "epoch/train_seconds"):
        assert [step for step, _ in steps(store, "long", metric)] == list(range(1, 301))
    assert the_run(store, "long").data.metrics["test/acc1_last"] == 91.5


def test_a_failed_run_ends_failed_with_its_reason(store: Path) -> None:
    mirror.mirror([ended(trained(started(store, "failed"), 1), "out-of-memory", "needs 3 GiB more")], store)
    run = the_run(store, "failed")
    assert run.info.status == "FAILED"
    assert (run.data.tags["snn.status"], run.data.tags["snn.reason"]) == ("out-of-memory", "needs 3 GiB more")


def test_a_run_that_failed_and_then_succeeded_ends_finished_and_stands_there_once(store: Path) -> None:
    directory = ended(trained(started(store, "again"), 1), "failed", "a bug", train_seconds=99.0)
    mirror.mirror([directory], store)
    (directory / "result.json").unlink()
    mirror.mirror([trained(directory, 2)], store)
    assert the_run(store, "again").info.status == "RUNNING"
    mirror.mirror([ended(directory, top1=90.0, train_seconds=80.0)], store)
    run = the_run(store, "again")
    assert run.info.status == "FINISHED"
    assert run.data.tags["snn.status"] == "done"
    assert "snn.reason" not in run.data.tags
    assert run.data.metrics["time/train_s"] == 80.0
    assert steps(store, "again") == [(1, 1.0), (2, 0.5)]


def test_a_result_that_replaces_another_is_mirrored_although_the_first_was_settled(store: Path) -> None:
    directory = ended(started(store, "replaced"), "failed", "a bug")
    mirror.mirror([directory], store)
    os.utime(ended(directory, top1=90.0) / "result.json", (2e9, 2e9))
    mirror.mirror([directory], store)
    assert the_run(store, "replaced").info.status == "FINISHED"


def test_what_is_no_finite_number_is_left_out(store: Path) -> None:
    """Of a run that is done only the loss on the test split can be none: infinite training losses end a run."""
    directory = trained(started(store, "infinite"), 2)
    mirror.mirror([ended(directory, test_loss=float("nan"), top1=10.0)], store)
    metrics = the_run(store, "infinite").data.metrics
    assert {name for name in metrics if not name.startswith(("train/", "test/acc1", "test/loss", "epoch/"))} == set()
    assert (metrics["test/loss"], metrics["test/acc1_last"]) == (1.0, 10.0)


def test_runs_hang_under_their_sweep_one_level_deep(store: Path) -> None:
    runs = [started(store, f"child{seed}", "cifar10", replace(RUN, seed=seed)) for seed in (0, 1)]
    other_scale = started(store, "child2", "cifar10", replace(RUN, scale="smoke"))
    assert mirror.mirror([*runs, other_scale, started(store, "orphan")], store) is None
    parents = {run.info.run_name: run for run in found(store, "tags.`snn.kind` = 'sweep'")}
    assert set(parents) == {"cifar10-laptop", "cifar10-smoke"}
    assert {parent.info.status for parent in parents.values()} == {"FINISHED"}
    laptop = parents["cifar10-laptop"].info.run_id
    children = found(store, f"tags.`mlflow.parentRunId` = '{laptop}'")
    assert {run.data.tags["snn.run_key"] for run in children} == {"child0", "child1"}
    assert {run.data.tags["snn.sweep"] for run in children} == {"cifar10"}
    assert "mlflow.parentRunId" not in the_run(store, "orphan").data.tags


def test_closing_stale_runs_spares_live_ones_finished_ones_and_other_folders(store: Path, tmp_path: Path) -> None:
    mirror.mirror([started(store, "live"), started(store, "stale"), ended(started(store, "over"))], store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store / 'mlflow.db'}")
        mirror.mirror([started(tmp_path, "elsewhere")], tmp_path)
    assert mirror.close_stale(store, {"live"}) is None
    status = {key: the_run(store, key).info.status for key in ("live", "stale", "over", "elsewhere")}
    assert status == {"live": "RUNNING", "stale": "KILLED", "over": "FINISHED", "elsewhere": "RUNNING"}
    assert the_run(store, "stale").data.tags["snn.status"] == "killed"


def test_a_damaged_run_directory_is_named_and_does_not_hold_up_the_others(store: Path) -> None:
    damaged, sound = started(store, "damaged"), started(store, "sound")
    (damaged / "run.json").write_text('{"key": "dam')
    trouble = mirror.mirror([damaged, store / "runs" / "not-there", sound], store)
    assert trouble is not None
    assert str(damaged) in trouble
    assert "\n" not in trouble
    assert the_run(store, "sound").info.status == "RUNNING"
