"""The time that counting operations adds to an evaluation: with and without counting, alternately, set-up included.

Run `pytest benchmarks/perf/bench_counting.py`. It fails if the fastest evaluation with counting takes more than `LIMIT`
times as long as the fastest without.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch

from benchmarks.data import DATASETS, Dataset, Split
from benchmarks.measurement.evaluation import evaluate
from benchmarks.operations.counter import counting
from benchmarks.perf.subjects import Setting, device, seen, synchronise

LIMIT = 1.25
STEPS, IMAGES, BATCH, ROUNDS = 5, 2_000, 64, 5


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Random images, because the cost does not depend on their content."""
    images = torch.randint(0, 256, (IMAGES, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    split = Split(images.to(device()), torch.zeros(IMAGES, dtype=torch.int64, device=device()))
    return Dataset("cifar10", 10, split, None, split, DATASETS["cifar10"].inputs, "", "")  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["dsr-if", "dsr-lif-rep", "stbp-tdbn", "ann"])
def test_counting(benchmark: Any, data: Dataset, method: str) -> None:
    steps = 1 if method == "ann" else STEPS
    network = seen(Setting(method, "preact-resnet18-narrow", steps, BATCH))
    without: list[float] = []

    def plain() -> None:
        start = time.perf_counter()
        evaluate(network, data.test, data, steps)
        synchronise()
        without.append(time.perf_counter() - start)

    def counted() -> None:
        with counting(network, data.example, steps) as counter:
            evaluate(network, data.test, data, steps)
        assert counter.images == IMAGES
        counter.ledger()

    benchmark.pedantic(counted, setup=plain, rounds=ROUNDS, warmup_rounds=1)
    ratio = benchmark.stats.stats.min / min(without[1:])
    benchmark.extra_info.update(ratio=ratio, plain_seconds=min(without[1:]), images=IMAGES, timesteps=steps)
    print(f" {method}, T = {steps}: {ratio:.3f} times the evaluation alone")
    assert ratio <= LIMIT, f"counting makes the evaluation {ratio:.2f} times as long"
