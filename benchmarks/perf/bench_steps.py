"""One benchmark per subject and T for a training step and for an inference step, grouped by T."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from benchmarks.launching import out_of_memory
from benchmarks.measurement.metering import OtherLoad
from benchmarks.perf.memory import peak_step_bytes
from benchmarks.perf.reference import InTurn, kernel
from benchmarks.perf.subjects import Setting, firing_rate, inference_step, training_step

WARM_UP = 2


@pytest.fixture
def setting(subject: str, timesteps: int, pytestconfig: pytest.Config) -> Setting:
    option = pytestconfig.getoption
    return Setting(subject, option("--perf-network"), timesteps, option("--perf-batch"), option("--perf-precision"))


@contextmanager
def room() -> Iterator[None]:
    """Skip a setting that runs out of memory; its record has no timing, and the other settings continue."""
    try:
        yield
    except Exception as error:
        if not out_of_memory.means(error):
            raise
        pytest.skip("out of memory")


def test_training_step(benchmark: Any, setting: Setting, pytestconfig: pytest.Config) -> None:
    benchmark.group = f"train T={setting.timesteps}"
    with room():
        benchmark.extra_info.update(vars(setting), peak_step_bytes=peak_step_bytes(setting), rate=firing_rate(setting))
        _time(benchmark, training_step(setting), pytestconfig.getoption("--perf-rounds"))


def test_inference_step(benchmark: Any, setting: Setting, pytestconfig: pytest.Config) -> None:
    benchmark.group = f"inference T={setting.timesteps}"
    benchmark.extra_info.update(vars(setting))
    with room():
        _time(benchmark, inference_step(setting), pytestconfig.getoption("--perf-rounds"))


def _time(benchmark: Any, step: Callable[[], None], rounds: int) -> None:
    """Time a step alternately with the reference kernel.

    Other load is measured only here, because the process that measures memory would count as other load.
    """
    turns, load = InTurn(kernel()), OtherLoad()
    benchmark.pedantic(step, setup=turns.before_round, rounds=rounds, warmup_rounds=WARM_UP)
    benchmark.extra_info.update(other_load_cores=load.cores(), watched_seconds=load.seconds())
    benchmark.extra_info["reference_seconds"] = turns.around(rounds)
