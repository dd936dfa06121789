"""Keys, order, plans and exports: which runs are the same experiment, which are done, and what is committed of them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import identity, recipes, store
from benchmarks.export import export, path_of
from benchmarks.identity import in_order, key, parent
from benchmarks.plan import plan
from benchmarks.record import COLUMNS, Provenance, Result, load, read_csv, row, save, write_csv
from benchmarks.spec import SCALES, Recipe, Run

RUN = Run("cifar10", "preact-resnet18", "dsr-if", 20, 0, "paper")
CHILD = Run("digits", "preact-resnet-tiny", "qcfs", 4, 0, "laptop")
PARENT = replace(CHILD, method="qcfs-ann", timesteps=1)
ANN = replace(CHILD, method="ann", timesteps=1)
CLEAN = Provenance("abc", False, "2025-01-01T00:00:00+00:00", "a, 2 cores", "cpu", 2, "3.11", "2.13", "d", "digits")


def finish(results: Path, run: Run, weights: bool = True, **changes: object) -> Result:
    """Leave a run directory as a run that has ended would."""
    origin = parent(run)
    facts = {"key": key(run), "parent_key": origin and key(origin), **vars(run), "status": "done", "top1": 91.5}
    ended = Result(**(facts | {"provenance": CLEAN} | changes))
    store.describe(store.directory(results, run), run, "quick")
    save(ended, store.directory(results, run) / store.RESULT)
    if weights:
        (store.directory(results, run) / store.NETWORK).touch()
    return ended


def test_a_key_is_the_hash_of_run_changed_recipe_and_parent() -> None:
    identity = {
        "run": {
            "dataset": "cifar10",
            "network": "preact-resnet18",
            "method": "dsr-if",
            "timesteps": 20,
            "seed": 0,
            "scale": "paper",
        },
        "recipe": {
            "epochs": 200,
            "batch_size": 128,
            "learning_rate": 0.1,
            "neuron": {"threshold": 6.0, "alpha": 0.5, "threshold_floor": 0.01},
        },
        "parent": None,
    }
    assert key(RUN) == hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    # Whoever changes this value makes every committed row stale: a deliberate act, with a line in CHANGELOG.md.
    assert key(RUN) == "PIN"


def test_the_defaults_that_keys_leave_out_are_these() -> None:
    stated = {f.name: f.default if f.default is not MISSING else f.default_factory for f in fields(Recipe)}
    # To change one moves numbers under unchanged keys: change the recipes that use it, or raise `revision` there.
    assert stated == {
        "epochs": MISSING, "batch_size": MISSING, "learning_rate": MISSING, "momentum": 0.9, "weight_decay": 5e-4,
    }


