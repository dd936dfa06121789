"""The speed of a core: what is counted, and what a run's row says of it."""

from __future__ import annotations

import time

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measurement import yardstick
from benchmarks.measurement.metering import Memory
from benchmarks.runs.record import Epoch
from benchmarks.training.loop import Training

CPU = torch.device("cpu")


def test_the_operations_are_those_that_torch_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(float(tick) for tick in range(100))
    monkeypatch.setattr(time, "process_time", lambda: next(clock))
    with FlopCounterMode(display=False) as counted:
        found = yardstick.core_gflops(CPU)
    assert found == pytest.approx(counted.get_total_flops() / (yardstick.REPEATS + 1) / 1e9)  # a repeat a second


def test_it_draws_no_random_number_and_needs_no_gradient_mode() -> None:
    before = torch.random.get_rng_state()
    with torch.no_grad():
        assert (yardstick.core_gflops(CPU) or 0.0) > 0.1
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_gpu_has_none() -> None:
    assert yardstick.core_gflops(torch.device("cuda")) is None


@pytest.mark.parametrize(("speeds", "said"), [((90.0, 110.0), 100.0), ((90.0, None), None), ((), None)])
def test_a_run_has_the_mean_of_its_epochs_where_all_are_known(speeds: tuple[float | None, ...], said: float) -> None:
    epochs = [Epoch(n, 0.1, 1.0, 50.0, None, None, None, None, 1.0, None, None, core_gflops=s)
              for n, s in enumerate(speeds, 1)]  # fmt: skip
    assert Training(Memory(0), epochs).core_gflops() == said
