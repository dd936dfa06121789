"""Event-driven and layer-by-layer simulation of a conversion: `pytest benchmarks/perf/bench_simulation.py`."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from baselines.conversion import Converted, neurons
from benchmarks.methods import named
from benchmarks.networks import build
from benchmarks.perf.subjects import batch
from benchmarks.recipes import resolve
from benchmarks.spec import Run

STEPS, IMAGES = 16, 32


@pytest.fixture(scope="module")
def converted() -> Converted:
    """The narrow network, with thresholds from an untrained ANN's activations on the same noise."""
    run = Run("cifar10", "preact-resnet18-narrow", "threshold-balancing-half", STEPS, 0, "laptop")
    torch.manual_seed(0)
    network, ann = (build(run.network, method, t, 10) for method, t in ((run.method, STEPS), ("ann", 1)))
    images, _ = batch(IMAGES)
    with torch.no_grad():
        ann.train()(images)
    named(run.method).hand_over(network, ann.eval(), images, resolve(run))
    assert isinstance(network, Converted)
    return network.eval()


@pytest.mark.parametrize("by", ["events", "network"])
def test_simulation(benchmark: Any, converted: Converted, by: str) -> None:
    images, _ = batch(IMAGES)
    run = converted.trajectory if by == "events" else converted._every_neuron
    with torch.no_grad():
        (end,) = benchmark.pedantic(lambda: list(run(images, [STEPS])), rounds=5, warmup_rounds=1)
    emitted, layers = sum(int(count.sum()) for count in end.emitted.values()), neurons(converted)
    benchmark.extra_info.update(spikes_per_image_and_step=emitted / IMAGES / STEPS, layers=len(layers))
