"""Core-seconds, seconds and joules of training until images are first classified as well as stated.

The images are the test split's, or, where that is read once, after training, the held-out training images
(`reports.cost.progress`). Ancestors' training counts whole; a run's own as far as its curve says. A run that trains
nothing has its accuracy on the test split from the start. Without a curve a run's best epoch still tells that it never
got there.
"""

from __future__ import annotations

import math

import pandas as pd

from benchmarks.catalogue.datasets import ENTRIES
from benchmarks.spec import BadInput
from reports.cost.progress import followed

NEVER = math.inf
COLUMNS = ("key", "epoch", "train_seconds", "train_joules", "test_top1")
TEXT = ("key",)
LATER = ("train_loss", "train_cpu_seconds", "validation_top1")
"""Columns that older files lack."""


def targets(dataset: str, scale: str, wanted: float | None) -> tuple[float, ...]:
    """Percentages to reach: what `--reach` says, else what the data set's entry says; none where it says nothing.

    Raises BadInput for what is no percentage.
    """
    if wanted is not None and not 0 < wanted <= 100:
        raise BadInput(f"--reach takes a percentage above 0 and at most 100, not {wanted:g}")
    if wanted is not None:
        return (wanted,)
    return ENTRIES[dataset].targets.get(scale, ()) if dataset in ENTRIES else ()  # type: ignore[call-overload]


def spent(rows: pd.DataFrame, curves: pd.DataFrame, percent: float, column: str) -> pd.Series:
    """Per row: `column` up to the target, NEVER where missed, NaN where unknown.

    `column`: "train_cpu_seconds", "train_seconds" or "train_joules"; `rows` has
    `ancestors_<column>`, what the run's parents took.
    """
    curves = followed(curves)
    there = curves[curves["top1"] >= percent]
    first = there.loc[there.groupby("key")["epoch"].idxmin()].set_index("key")[column]
    known = rows["key"].isin(curves["key"])
    own = rows["key"].map(first).astype("float64")
    own = own.mask(known & ~rows["key"].isin(there["key"]), NEVER)
    own = own.mask(~known & (rows["epochs"] == 0), 0.0)
    own = own.mask(~known & (_best(rows) < percent), NEVER)
    return own + rows[f"ancestors_{column}"].where(own != NEVER, 0.0)


def _best(rows: pd.DataFrame) -> pd.Series:
    """The best accuracy on the test split of any epoch; NaN where only the last was tested."""
    best = rows[["top1", "top1_best"]].max(axis=1)
    return best.where(rows["top1_best"].notna() | (rows["epochs"] == 0))
