"""A store that is made once, and an environment in which no outer MLflow setting counts."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from benchmarks.tracking import connection, mirror


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with an initialised store: making one takes seconds. Every test in it has keys of its own."""
    if importlib.util.find_spec("mlflow") is None:
        pytest.skip("mlflow is not installed")
    with pytest.MonkeyPatch.context() as patch:
        _isolate(patch)
        results = tmp_path_factory.mktemp("results")
        assert mirror.close_stale(results, set()) is None
    return results


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _isolate(monkeypatch)
    monkeypatch.chdir(tmp_path)


def _isolate(patch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", *connection.ENVIRONMENT):
        patch.setenv(name, "noted, so that it is put back")
        patch.delenv(name)
    patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
