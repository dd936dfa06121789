"""Benchmarks of the harness, alternately with a minimal loop; of mirroring a run into MLflow; of starting a command."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.data import Dataset
from benchmarks.perf import harness
from benchmarks.perf.reference import InTurn
from benchmarks.perf.subjects import Setting, training_step
from benchmarks.runs import store
from benchmarks.runs.job import job_of
from benchmarks.spec import Run

ROUNDS = 5
DIGITS = Run("digits", "preact-resnet-tiny", "ann", 1, 0, "smoke")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return harness.invented()


@pytest.mark.benchmark(group="harness", timer=harness.clock)
def test_epoch(benchmark: Any, data: Dataset, tmp_path: Path) -> None:
    network = harness.network()
    turns = InTurn(lambda: harness.plain(network, data), harness.clock)
    args = (network, data, tmp_path)
    benchmark.pedantic(harness.harnessed, args, setup=turns.before_round, rounds=ROUNDS, warmup_rounds=1)
    benchmark.extra_info.update(plain_seconds=turns.around(ROUNDS), threads=torch.get_num_threads())


@pytest.mark.benchmark(group="harness", timer=harness.clock)
def test_step(benchmark: Any) -> None:
    """Time a step of the real network; `threads` share its processor seconds."""
    step = training_step(Setting(harness.RUN.method, harness.RUN.network, 1, harness.RECIPE.batch_size))
    benchmark.pedantic(step, rounds=2 * ROUNDS, warmup_rounds=2)
    benchmark.extra_info["threads"] = 1 if torch.cuda.is_available() else torch.get_num_threads()


@pytest.mark.skipif(find_spec("mlflow") is None, reason="mlflow is not installed")
@pytest.mark.benchmark(group="harness", timer=harness.clock)
def test_mirroring(benchmark: Any, data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mirror a run of as many epochs into a separate store; the first run creates the store and is not timed."""
    from benchmarks.tracking.mirror import mirror

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    trained = harness.harnessed(harness.network(), data, tmp_path / "trained")
    curve = [replace(trained.epochs[0], epoch=number + 1) for number in range(harness.EPOCHS)]
    places = _run_directories(tmp_path, curve)
    trouble = benchmark.pedantic(mirror, setup=lambda: (([next(places)], tmp_path), {}), rounds=ROUNDS, warmup_rounds=1)
    assert trouble is None, trouble


def _run_directories(results: Path, curve: list[Any]) -> Iterator[Path]:
    for seed in range(1 + ROUNDS):
        job = job_of(replace(harness.RUN, seed=seed), results)
        job.describe(None)
        store.write_table(job.place / store.CURVES, curve)
        yield job.place


def test_start_up(benchmark: Any, tmp_path: Path) -> None:
    """Time a whole command minus its training, and the same command when the run is already done."""
    benchmark.group = "start-up"
    words = [word for name, value in vars(DIGITS).items() for word in (f"--{name}", str(value))]
    environment = os.environ | {"DSR_RESULTS": str(tmp_path), "DSR_TRACKING": "off"}

    def command() -> None:
        subprocess.run([sys.executable, "-m", "benchmarks", "run", *words], env=environment, check=True)

    start = time.perf_counter()
    command()
    first = time.perf_counter() - start
    benchmark.pedantic(command, rounds=2)
    done = store.result(tmp_path, DIGITS)
    assert done is not None
    assert done.train_seconds is not None
    benchmark.extra_info["first_without_training_seconds"] = first - done.train_seconds
