"""Run directories made up for the mirror tests, and how to find them in MLflow."""

from __future__ import annotations

import csv
import importlib.util
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from benchmarks.runs import record
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
    facts = {"provenance": PROVENANCE, "top1": 50.0 if status == "done" else None, **measured}
    result = record.Result(**identity, status=status, reason=reason, **facts)
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
