"""How accurate a network is after so much training: the last epoch that ends within a budget of core-seconds.

Two cores have two core-seconds in a second. Ancestors' training comes first and counts. A run that trains nothing has
its accuracy on the test split as soon as its parent has been trained.
"""

from __future__ import annotations

import pandas as pd

from reports.cost.progress import followed

CORES = 2
BUDGETS = {"10 min": 600 * CORES, "1 h": 3_600 * CORES}
"""Core-seconds by what that is on two cores."""


def accuracy_within(rows: pd.DataFrame, curves: pd.DataFrame, core_seconds: float) -> pd.Series:
    """Per row: percent after the last epoch that ended in time; NaN where none did, or no curve says when.

    `rows` has `ancestors_train_cpu_seconds` and `true_train_cpu_seconds` (`reports.cost.costs`).
    """
    left = dict(zip(rows["key"], core_seconds - rows["ancestors_train_cpu_seconds"], strict=True))
    known = followed(curves)
    in_time = known[known["train_cpu_seconds"] <= known["key"].map(left).astype("float64")].dropna(subset=["top1"])
    last = in_time.loc[in_time.groupby("key")["epoch"].idxmax()].set_index("key")["top1"]
    untrained = (rows["epochs"] == 0) & (rows["true_train_cpu_seconds"] <= core_seconds)
    return rows["key"].map(last).astype("float64").mask(untrained, rows["top1"])
