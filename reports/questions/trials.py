"""Variants trained for other epochs than their method, `method@epochs=4`: trials, which have tables of their own."""

from __future__ import annotations

from typing import TypeVar

import pandas as pd

from benchmarks.spec import Parameter, variant

LENGTH = "epochs"
Rows = TypeVar("Rows", pd.DataFrame, pd.Series)


def changes(method: str) -> dict[str, Parameter]:
    """What a variant changes; nothing for a method itself."""
    return variant(method)[1]


def are_trials(methods: pd.Series) -> pd.Series:
    """Which of these methods are trained for other epochs than the method that they vary."""
    found = {name for name in methods.unique() if LENGTH in changes(str(name))}
    return methods.isin(found)


def without_trials(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows or lines without trials; all of them where nothing else has been run."""
    kept = rows[~are_trials(rows["method"])]
    return kept if len(kept) else rows
