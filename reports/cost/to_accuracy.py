"""Core-seconds, seconds and joules of training until the test split is first classified as well as stated.

Ancestors' training counts whole; a run's own as far as its curve says. A run that trains nothing has its accuracy from
the start. Without a curve a run's best epoch still tells that it never got there.
"""

from __future__ import annotations

import math

import pandas as pd

from benchmarks.catalogue.datasets import ENTRIES
from benchmarks.spec import BadInput

NEVER = math.inf
COLUMNS = ("key", "epoch", "train_seconds", "train_joules", "test_top1")
TEXT = ("key",)
LATER = ("train_loss", "train_cpu_seconds")
"""Columns that older files lack."""


def target(dataset: str, scale: str, wanted: float | None) -> float | None:
    """Percent to reach: what `--reach` says, else what the data set's entry says; None where it says nothing.

    Raises BadInput for what is no percentage.
    """
    if wanted is not None and not 0 < wanted <= 100:
        raise BadInput(f"--reach takes a percentage above 0 and at most 100, not {wanted:g}")
    if wanted is not None or dataset not in ENTRIES:
        return wanted
    return ENTRIES[dataset].targets.get(scale)  # type: ignore[call-overload]


def spent(rows: pd.DataFrame, curves: pd.DataFrame, percent: float, column: str) -> pd.Series:
    """Per row: `column` up to the target, NEVER where missed, NaN where unknown.

    `column`: "train_cpu_seconds", "train_seconds" or "train_joules"; `rows` has
    `ancestors_<column>`, what the run's parents took.
    """
    there = curves[curves["test_top1"] >= percent]
    first = there.loc[there.groupby("key")["epoch"].idxmin()].set_index("key")[column]
    known = rows["key"].isin(curves["key"])
    own = rows["key"].map(first).astype("float64")
    own = own.mask(known & ~rows["key"].isin(there["key"]), NEVER)
    own = own.mask(~known & (rows["epochs"] == 0), 0.0)
    best = rows[["top1", "top1_best"]].max(axis=1)
    own = own.mask(best < percent, NEVER)
    return own + rows[f"ancestors_{column}"].where(own != NEVER, 0.0)
