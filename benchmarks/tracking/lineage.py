"""Registers in MLflow which data a finished run has used, and which model it has made.

The name of MLflow's data set consists of data set and scale, as that of the folder of run directories does. Its digest
is the first 36 digits of the data's SHA-256, because MLflow accepts no more; its profile has the whole SHA-256. The
model is external: its weights stay in the run's directory, and MLflow has their path and digest. The metrics of the
model are those of the run's result. They are linked to the data set.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.files.addresses import masked
from benchmarks.runs import store
from benchmarks.runs.record import Result
from benchmarks.tracking import translation
from benchmarks.tracking.connection import Connection

if TYPE_CHECKING:
    from mlflow.entities import Dataset, LoggedModel, Metric, Run

DIGEST = 36
"""MLflow's limit for the digest of a data set."""
NOT_IN_A_NAME = "/:.%\"'"
"""Characters that MLflow refuses in the name of a model."""


def link(
    there: Connection, run: Run, directory: Path, about: Mapping[str, Any], result: Result, final: Sequence[Metric]
) -> str | None:
    """Log a finished run's data set and model, as far as MLflow lacks them. Returns the model's id, if there is one.

    `final`: the metrics of the result.
    """
    data = _data(there, run, about, result) if result.provenance.data_sha256 else None
    if result.status != "done" or not (directory / store.NETWORK).exists():
        return None
    model = _model(there, run, directory, about, result)
    _measure(there, run, model, data, final)
    return model.model_id


def _data(there: Connection, run: Run, about: Mapping[str, Any], result: Result) -> Dataset:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    sizes, source = _sizes(about, result), result.provenance
    data = Dataset(
        name=f"{result.dataset}-{result.scale}",
        digest=source.data_sha256[:DIGEST],
        source_type="dsr-bench",
        source=json.dumps({"source": masked(source.data_source)}),
        profile=json.dumps({**sizes, "sha256": source.data_sha256}),
    )
    logged = run.inputs.dataset_inputs if run.inputs else []
    if not any((one.dataset.name, one.dataset.digest) == (data.name, data.digest) for one in logged):
        context = {"mlflow.data.context": "training and test" if result.epochs else "test"}
        tags = [InputTag(name, str(value)) for name, value in {**context, **sizes}.items()]
        there.client.log_inputs(run.info.run_id, [DatasetInput(data, tags)])
    return data


def _sizes(about: Mapping[str, Any], result: Result) -> dict[str, int | str]:
    """Images in each split. A conversion's training images are those from which thresholds may be measured."""
    recipe = about["recipe"]
    return {
        "training images": result.train_images or recipe.get("train_images") or "all",
        "validation images": recipe.get("validation_images", 0),
        "test images": result.test_images or recipe.get("test_images") or "all",
    }


def _model(there: Connection, run: Run, directory: Path, about: Mapping[str, Any], result: Result) -> LoggedModel:
    """The logged model with these weights, READY and among the run's outputs. A twin of it is deleted."""
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus

    run_id, experiment = run.info.run_id, run.info.experiment_id
    sha256 = result.weights_sha256 or ""
    found = there.client.search_logged_models([experiment], f"source_run_id = '{run_id}'")
    same = [model for model in found if model.tags.get("snn.weights_sha256", "") == sha256]
    ordered = sorted(same, key=lambda model: (not model.metrics, model.creation_timestamp))
    for twin in ordered[1:]:
        if not twin.metrics:
            there.client.delete_logged_model(twin.model_id)
    model = (
        ordered[0]
        if ordered
        else there.client.create_logged_model(
            experiment,
            name=_name(about["run"]),
            source_run_id=run_id,
            tags=_tags(directory, about, sha256),
            params=translation.params(about),
            model_type=result.method,
        )
    )
    if model.status != LoggedModelStatus.READY:
        there.client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    outputs = run.outputs.model_outputs if run.outputs else []
    if not any(output.model_id == model.model_id for output in outputs):
        there.client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
    return model


def _name(run: Mapping[str, Any]) -> str:
    return translation.title(run).translate({ord(character): "_" for character in NOT_IN_A_NAME})


def _tags(directory: Path, about: Mapping[str, Any], sha256: str) -> dict[str, str]:
    from mlflow.utils.mlflow_tags import MLFLOW_MODEL_IS_EXTERNAL

    tags = {MLFLOW_MODEL_IS_EXTERNAL: "true", "snn.weights": str((directory / store.NETWORK).resolve())}
    tags |= {"snn.run_key": about["key"], "snn.scale": about["run"]["scale"], "snn.dataset": about["run"]["dataset"]}
    return tags | ({"snn.weights_sha256": sha256} if sha256 else {})


def _measure(there: Connection, run: Run, model: LoggedModel, data: Dataset | None, final: Sequence[Metric]) -> None:
    from mlflow.entities import Metric

    name, digest = (data.name, data.digest) if data else (None, None)
    linked = {(m.key, m.value, m.dataset_digest) for m in model.metrics or ()}
    new = [
        Metric(m.key, m.value, m.timestamp, m.step, model.model_id, name, digest, run.info.run_id)
        for m in final
        if (m.key, m.value, digest) not in linked
    ]
    there.client.log_batch(run.info.run_id, new, synchronous=True)
