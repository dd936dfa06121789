"""Many workers on one results folder, some of which die: no run is lost, and none is recorded twice.

`DSR_SIMULATED=10000x64` simulates so many runs and workers; `simulated_workers` also runs by itself.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from simulated_workers import simulate

RUNS, WORKERS = map(int, os.environ.get("DSR_SIMULATED", "300x8").split("x"))
MOST_OPERATIONS = 20
"""On files, to claim a run and to release it, where nobody else wants it."""


@pytest.mark.parametrize("kind", ["flock", "directory"])
def test_a_claim_costs_a_few_operations_on_files_and_a_worker_does_not_grow(kind: str, tmp_path: Path) -> None:
    found = simulate(tmp_path, 40, 1, kind, life=0.0, strangers=False)
    assert (found["lost"], found["recorded twice"], found["refusals per claim"]) == (0, 0, 0)
    assert found["claims left behind"] == 0
    assert 5 < found["operations on files per claim, refusals included"] <= MOST_OPERATIONS
    assert found["MB that a worker grew"] < 10


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "strangers"), [("flock", False), ("directory", False), ("directory", True)])
def test_workers_that_die_anywhere_lose_no_run_and_repeat_none(kind: str, strangers: bool, tmp_path: Path) -> None:
    found = simulate(tmp_path, RUNS, WORKERS, kind, life=WORKERS * RUNS / 2000, strangers=strangers)
    assert found["runs"] >= RUNS
    assert (found["lost"], found["recorded twice"]) == (0, 0)
    assert found["deaths"] > 0
    assert found["MB that a worker grew"] < 10
