"""Variants that answer one question, as `method@epochs=4` or pairs of precisions do: they have tables of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar, get_args

import pandas as pd

from benchmarks.spec import Parameter, Precision, spelled, variant

LENGTH, PRECISION = "epochs", "precision"
Rows = TypeVar("Rows", pd.DataFrame, pd.Series)


def changes(method: str) -> dict[str, Parameter]:
    """What a variant changes; nothing for a method itself."""
    return variant(method)[1]


def are_trials(methods: pd.Series) -> pd.Series:
    """Which of these methods train for other epochs than the one that they vary, or in both precisions by name."""
    names = {str(name): changes(str(name)) for name in methods.unique()}
    return methods.isin({name for name, changed in names.items() if LENGTH in changed or _is_paired(name, names)})


def _is_paired(name: str, names: Mapping[str, Mapping[str, Parameter]]) -> bool:
    """Whether a variant names its precision and stands beside one that names the other and changes nothing else."""
    changed = names[name]
    others = [{**changed, PRECISION: precision} for precision in get_args(Precision)]
    return PRECISION in changed and all(spelled(variant(name)[0], other) in names for other in others)


def without_trials(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows or lines without trials; all of them where nothing else has been run."""
    kept = rows[~are_trials(rows["method"])]
    return kept if len(kept) else rows
