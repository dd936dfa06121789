"""Translates what a run directory says into MLflow's metrics, parameters and tags."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.files.addresses import masked
from benchmarks.runs import record
from benchmarks.runs.record import Result

if TYPE_CHECKING:
    from mlflow.entities import Metric

# fmt: off
EPOCH_METRICS = {  # columns of curves.csv, at step = epoch; the others become epoch/COLUMN
    "train_loss": "train/loss", "test_loss": "test/loss", "validation_loss": "val/loss",
    "train_top1": "train/acc1", "test_top1": "test/acc1", "validation_top1": "val/acc1",
}
FINAL_METRICS = {  # fields of Result, at step 0; the other numbers become result/FIELD
    "top1": "test/acc1_last", "top1_best": "test/acc1_best", "firing_rate": "spikes/rate_mean",
    "acs": "synops/ac_per_image", "analog_macs": "synops/mac_per_image", "train_seconds": "time/train_s",
    "train_cpu_seconds": "time/train_core_s",
    "train_step_ms": "time/train_step_ms_p50", "test_images_per_second": "throughput/test_images_per_s",
    "peak_step_bytes": "mem/peak_step_bytes", "peak_reserved_bytes": "mem/peak_reserved_bytes",
    "idle_bytes": "mem/idle_bytes",
}
# fmt: on


def epochs(curves: Path) -> list[Metric]:
    """The learning curves; none before the first epoch has ended."""
    rows, when = record.read_csv(curves) if curves.exists() else [], modified(curves)
    return [m for row in rows for m in _metrics(EPOCH_METRICS, "epoch", row, int(row.pop("epoch")), when)]


def final(result: Result, shown: Mapping[str, float], when: int) -> list[Metric]:
    """The numbers of a result, except those that identify the run. `shown`: derived metrics by name."""
    identity = ("timesteps", "seed")
    numbers = {n: v for n, v in vars(result).items() if isinstance(v, int | float) and n not in identity}
    return _metrics(FINAL_METRICS | {name: name for name in shown}, "result", {**numbers, **shown}, 0, when)


def _metrics(names: Mapping[str, str], group: str, values: Mapping[str, Any], step: int, when: int) -> list[Metric]:
    """The values that are finite numbers. MLflow would store infinity as 1.8e308."""
    from mlflow.entities import Metric

    numbers = {names.get(n, f"{group}/{n}"): float(value) for n, value in values.items() if value not in (None, "")}
    return [Metric(name, number, when, step) for name, number in numbers.items() if math.isfinite(number)]


def params(about: Mapping[str, Any]) -> dict[str, str]:
    """The run and its recipe, as `run.json` has them."""
    flat = about["run"] | about["recipe"]
    flat |= {f"{part}.{name}": value for part in ("neuron", "norm") for name, value in flat.pop(part).items()}
    flat |= {"T": flat.pop("timesteps"), "sources": None}  # sources change no result
    return {name: str(value) for name, value in flat.items() if value is not None}


def tags(about: Mapping[str, Any], result: Result | None) -> dict[str, str]:
    """Tags that a run is found by, and tags that say where its result came from."""
    known = {"kind": "run", "run_key": about["key"], "parent_key": about["parent_key"], "sweep": about["sweep"]}
    known |= {name.replace("timesteps", "T"): value for name, value in about["run"].items()} | {"status": "running"}
    if result:
        said = vars(result.provenance) | {"status": result.status, "reason": result.reason}
        known |= {name: None if value is None else masked(str(value)) for name, value in said.items()}
    named = {f"snn.{name}": str(value) for name, value in known.items() if value is not None}
    return named | ({"mlflow.source.git.commit": result.provenance.commit} if result else {})


def title(run: Mapping[str, Any]) -> str:
    """What MLflow calls a run."""
    return "{method}-{network}-T{timesteps}-s{seed}".format(**run)


def modified(path: Path) -> int:
    """When a file was last written, in milliseconds since 1970; 0 if it does not exist."""
    return int(1000 * path.stat().st_mtime) if path.exists() else 0
