"""What a run that has ended says of itself: the fields of its `Result`, by where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from benchmarks.data import Dataset
from benchmarks.measurement.evaluation import Evaluation
from benchmarks.operations.counter import SynOps
from benchmarks.runs.identity import key, parent
from benchmarks.runs.record import Provenance, Result
from benchmarks.spec import Recipe, Run
from benchmarks.training.loop import Training


def result(
    run: Run,
    recipe: Recipe,
    data: Dataset,
    network: nn.Module,
    training: Training,
    measured: tuple[Evaluation, SynOps],
    source: Provenance,
    beyond: Mapping[str, Any],
    reason: str | None,
) -> Result:
    """All fields of a run that has ended well. `beyond`: fields that none of the other arguments knows, by name.

    `reason`: what is to be noticed about the run all the same.
    """
    final, operations = measured
    return Result(
        **_identity(run),
        **_accuracy(training, final, recipe, data),
        **_operations(network, operations),
        **_cost(training, final),
        **beyond,
        reason=reason,
        provenance=source,
    )


def _identity(run: Run) -> dict[str, Any]:
    origin = parent(run)
    return {
        "key": key(run),
        "parent_key": key(origin) if origin else None,
        **vars(run),
        "status": "done",
    }


def _accuracy(training: Training, final: Evaluation, recipe: Recipe, data: Dataset) -> dict[str, Any]:
    """Last epoch (headline), best on the test split, and the epoch that the validation split selects."""
    epochs = training.epochs
    selected = max(epochs, key=lambda e: e.validation_top1 or 0.0) if epochs and data.validation else None
    return {
        "top1": final.top1,
        "top1_best": max((e.test_top1 for e in epochs), default=None),
        "top1_validation_selected": selected.test_top1 if selected else None,
        "train_loss": epochs[-1].train_loss if epochs else None,
        "test_loss": final.loss,
        "epochs": recipe.epochs,
        "train_images": len(data.train.labels) if epochs else 0,
        "test_images": len(data.test.labels),
    }


def _operations(network: nn.Module, operations: SynOps) -> dict[str, Any]:
    return {"parameters": sum(p.numel() for p in network.parameters()), **vars(operations)}


def _cost(training: Training, final: Evaluation) -> dict[str, Any]:
    last = training.epochs[-1] if training.epochs else None
    return {
        "train_seconds": last.train_seconds if last else 0.0,
        "train_cpu_seconds": last.train_cpu_seconds if last else 0.0,
        "train_step_ms": last.train_step_ms if last else None,
        "train_step_ms_iqr": last.train_step_ms_iqr if last else None,
        "test_images_per_second": final.images_per_second,
        "peak_step_bytes": training.memory.peak,
        "idle_bytes": training.memory.idle,
        "peak_reserved_bytes": training.memory.reserved,
        "other_load_cores": training.other_load_cores,
        "train_joules": last.train_joules if last else None,
        "train_joules_source": training.joules_source,
    }
