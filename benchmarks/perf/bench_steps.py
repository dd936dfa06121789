"""One benchmark per subject and T for a training step and for an inference step; groups share a T."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.perf.memory import peak_step_bytes
from benchmarks.perf.subjects import Setting, firing_rate, inference_step, training_step

WARM_UP, ROUNDS = 2, 5


@pytest.fixture
def setting(subject: str, timesteps: int, pytestconfig: pytest.Config) -> Setting:
    option = pytestconfig.getoption
    return Setting(subject, option("--perf-network"), timesteps, option("--perf-batch"))


def test_training_step(benchmark: Any, setting: Setting) -> None:
    benchmark.group = f"train T={setting.timesteps}"
    benchmark.extra_info.update(vars(setting), peak_step_bytes=peak_step_bytes(setting), rate=firing_rate(setting))
    benchmark.pedantic(training_step(setting), rounds=ROUNDS, warmup_rounds=WARM_UP)


def test_inference_step(benchmark: Any, setting: Setting) -> None:
    benchmark.group = f"inference T={setting.timesteps}"
    benchmark.extra_info.update(vars(setting))
    benchmark.pedantic(inference_step(setting), rounds=ROUNDS, warmup_rounds=WARM_UP)
