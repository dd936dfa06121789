"""A finished run's data set and trained network are MLflow's own entities: once, linked, and without an upload."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mirrored import MEASURED, PROVENANCE, RUN, client, ended, started, the_run, trained

from benchmarks.runs import record
from benchmarks.spec import Run
from benchmarks.tracking import mirror

SHA256 = "7e004ddfa85ab1d02dfb64e249316846fbfa0122de62d3ca6c19668b2b79c85c"
DATA = replace(PROVENANCE, data_sha256=SHA256)


def finished(store: Path, key: str, run: Run = RUN, **measured: Any) -> Path:
    """The directory of a run that has ended, with its weights."""
    place = trained(started(store, key, run=run), 1)
    (place / "network.pt").touch()
    facts: dict[str, Any] = {"train_images": 10_000, "test_images": 2_000, "epochs": 8, "weights_sha256": "w" * 64}
    return ended(place, **{"provenance": DATA, **MEASURED, **facts, **measured})


def models(store: Path, key: str) -> list[Any]:
    run = the_run(store, key).info
    return list(client(store).search_logged_models([run.experiment_id], f"source_run_id = '{run.run_id}'"))


def test_a_run_has_its_data_set_with_digest_source_and_sizes(store: Path) -> None:
    assert mirror.mirror([finished(store, "data")], store) is None
    (one,) = the_run(store, "data").inputs.dataset_inputs
    assert (one.dataset.name, one.dataset.digest) == ("cifar10-laptop", SHA256[:36])
    assert json.loads(one.dataset.source) == {"source": "torchvision"}
    sizes = {"training images": 10_000, "validation images": 0, "test images": 2_000}
    assert json.loads(one.dataset.profile) == sizes | {"sha256": SHA256}
    tags = {tag.key: tag.value for tag in one.tags}
    assert tags == {name: str(size) for name, size in sizes.items()} | {"mlflow.data.context": "training and test"}


def test_a_run_has_an_external_model_that_says_where_its_weights_are(store: Path) -> None:
    place = finished(store, "model", replace(RUN, method="dsr-if@alpha=0.5"))
    assert mirror.mirror([place], store) is None
    (model,) = models(store, "model")
    assert (model.name, model.model_type) == ("dsr-if@alpha=0_5-preact-resnet18-T20-s0", "dsr-if@alpha=0.5")
    assert model.status == "READY"
    assert model.tags["mlflow.model.isExternal"] == "true"
    assert model.tags["snn.weights"] == str(place / "network.pt")
    assert model.tags["snn.weights_sha256"] == "w" * 64
    assert model.params["learning_rate"] == "0.05"
    assert [output.model_id for output in the_run(store, "model").outputs.model_outputs] == [model.model_id]
    assert not list(store.glob("mlartifacts/**/*.pt")), "nothing is uploaded"


def test_models_are_found_by_their_accuracy_on_a_data_set(store: Path) -> None:
    on = {"good": (88.0, DATA), "poor": (20.0, DATA), "elsewhere": (99.0, replace(DATA, data_sha256="other"))}
    places = [
        finished(store, key, replace(RUN, dataset="nmnist", seed=seed), top1=top1, provenance=provenance)
        for seed, (key, (top1, provenance)) in enumerate(on.items())
    ]
    assert mirror.mirror(places, store) is None
    experiment = client(store).get_experiment_by_name("dsr-bench/nmnist").experiment_id
    asked = [{"dataset_name": "nmnist-laptop", "dataset_digest": SHA256[:36]}]
    found = client(store).search_logged_models([experiment], "metrics.`test/acc1_last` > 50", datasets=asked)
    assert [model.tags["snn.run_key"] for model in found] == ["good"]


def test_mirroring_again_adds_no_data_set_no_model_and_no_metric(store: Path) -> None:
    place = finished(store, "again")
    for _ in range(3):
        assert mirror.mirror([place], store) is None
        run, (model,) = the_run(store, "again"), models(store, "again")
        assert len(run.inputs.dataset_inputs) == len(run.outputs.model_outputs) == 1
        measured = [m.key for m in model.metrics]
        assert len(measured) == len(set(measured))
        assert {m.key: m.value for m in model.metrics}["test/acc1_last"] == run.data.metrics["test/acc1_last"]
        history = client(store).get_metric_history(run.info.run_id, "test/acc1_last")
        assert [m.value for m in history] == [91.5]
        (place / "mlflow.json").unlink()


def test_a_run_that_was_settled_before_there_were_models_gets_one(store: Path) -> None:
    place = finished(store, "old")
    assert mirror.mirror([place], store) is None
    marker = json.loads((place / "mlflow.json").read_text())
    client(store).delete_logged_model(marker.pop("model"))
    (place / "mlflow.json").write_text(json.dumps(marker))
    assert mirror.mirror([place], store) is None
    (model,) = models(store, "old")
    assert json.loads((place / "mlflow.json").read_text())["model"] == model.model_id


def test_other_weights_are_another_model_and_a_model_that_was_made_twice_is_one(store: Path) -> None:
    place = finished(store, "weights")
    assert mirror.mirror([place], store) is None
    (first,) = models(store, "weights")
    twin = first.tags | {"twin": "yes"}
    client(store).create_logged_model(first.experiment_id, first.name, first.source_run_id, twin)
    finished_again = record.load(place / "result.json")
    record.save(replace(finished_again, weights_sha256="v" * 64), place / "result.json")
    (place / "mlflow.json").unlink()
    assert mirror.mirror([place], store) is None
    assert {model.tags["snn.weights_sha256"][0] for model in models(store, "weights")} == {"w", "v"}
    record.save(finished_again, place / "result.json")
    (place / "mlflow.json").unlink()
    assert mirror.mirror([place], store) is None
    assert {model.model_id for model in models(store, "weights") if model.tags.get("twin")} == set()
    assert first.model_id in {model.model_id for model in models(store, "weights")}


@pytest.mark.parametrize("status", ["failed", "out-of-memory"])
def test_a_failed_run_has_its_data_set_and_no_model(status: Any, store: Path) -> None:
    place = trained(started(store, status), 1)
    ended(place, status, "a bug", provenance=DATA)
    assert mirror.mirror([place], store) is None
    assert len(the_run(store, status).inputs.dataset_inputs) == 1
    assert models(store, status) == []
    assert json.loads((place / "mlflow.json").read_text())["model"] is None


def test_a_run_that_failed_before_it_had_data_has_none(store: Path) -> None:
    place = ended(started(store, "nodata"), "failed", "no data", provenance=replace(DATA, data_sha256=""))
    assert mirror.mirror([place], store) is None
    assert the_run(store, "nodata").inputs.dataset_inputs == []


def test_a_secret_in_the_name_of_a_source_stays_out(store: Path) -> None:
    secret = replace(DATA, data_source="https://me:secret@host/cifar?token=secret", data_sha256="d" * 64)
    assert mirror.mirror([finished(store, "secret", provenance=secret)], store) is None
    (one,) = the_run(store, "secret").inputs.dataset_inputs
    assert "secret" not in one.dataset.source
    assert "secret" not in the_run(store, "secret").data.tags["snn.data_source"]
