"""Options of the step benchmarks, which `dsr-bench perf` sets."""

from __future__ import annotations

import pytest

from benchmarks.perf.subjects import grid, subjects


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("dsr-bench perf")
    group.addoption("--perf-network", default="preact-resnet18-narrow")
    group.addoption("--perf-batch", type=int, default=64)
    group.addoption("--perf-timesteps", default="5,20")
    group.addoption("--perf-subjects", default="")
    group.addoption("--perf-precision", default="float32")
    group.addoption("--perf-rounds", type=int, default=5)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "subject" not in metafunc.fixturenames:
        return
    option = metafunc.config.getoption
    chosen = tuple(option("--perf-subjects").split(",")) if option("--perf-subjects") else subjects()
    timesteps = tuple(int(t) for t in option("--perf-timesteps").split(","))
    metafunc.parametrize(("subject", "timesteps"), grid(chosen, timesteps))
