"""What claims are judged by: finished runs, and the difference of two sides' accuracies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import pandas as pd

from benchmarks.sweeps import SWEEPS
from reports.inputs.predictions import Kept
from reports.statistics import images
from reports.statistics.difference import Estimate, difference, with_images


@dataclass(frozen=True)
class Evidence:
    """`runs`: finished rows with costs; `studies`: of single neurons; `records`: of `dsr-bench perf`; `published`;
    `predictions` of test images by key, where they were kept.
    """

    runs: pd.DataFrame
    studies: pd.DataFrame
    records: Sequence[Mapping[str, Any]]
    published: pd.DataFrame
    predictions: Kept = field(default_factory=dict)

    def runs_of(
        self, scale: str, dataset: str, method: str, timesteps: int | None = None, network: str | None = None
    ) -> pd.DataFrame:
        """Finished runs, in the network that the data set's sweep takes at this scale unless another is named."""
        rows = self._cells.get((scale, dataset, network or network_of(dataset, scale), method), self.runs.iloc[:0])
        return rows if timesteps is None else rows[rows["timesteps"] == timesteps]

    @cached_property
    def _cells(self) -> dict[Any, pd.DataFrame]:
        """The runs by scale, data set, network and method: a ledger asks for some hundred of them."""
        return dict(iter(self.runs.groupby(["scale", "dataset", "network", "method"])))

    def difference(self, one: pd.DataFrame, other: pd.DataFrame) -> Estimate | None:
        """Mean accuracy of `one` minus that of `other`, percentage points; None where either has no run."""
        return difference_of(one, other, self.predictions)

    def parents_of(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The runs that these start from."""
        return self.runs[self.runs["key"].isin(rows["parent_key"])]


def difference_of(one: pd.DataFrame, other: pd.DataFrame, predictions: Kept) -> Estimate | None:
    """Mean accuracy of `one` minus that of `other`, percentage points; None where either has no run.

    Where predictions of all runs were kept, of the same number of test images, these are paired.
    """
    if one.empty or other.empty:
        return None
    estimate = difference(*(dict(zip(rows["seed"], rows["top1"], strict=True)) for rows in (one, other)))
    a, b = (images.kept(rows["key"].tolist(), predictions) for rows in (one, other))
    if a is None or b is None or a.shape[1] != b.shape[1]:
        return estimate
    return with_images(estimate, images.variance_of_mean(a, b), a.shape[1])


def network_of(dataset: str, scale: str) -> str:
    """The network of a data set's sweep at a scale; nothing where it has none there."""
    return next(iter(SWEEPS[dataset].networks.get(scale, ())), "")


@cache
def steps_of(sweep: str, scale: str, published: int) -> int:
    """The paper's T, or where the sweep has one other T alone at this scale, that."""
    if scale not in SWEEPS[sweep].networks:
        return published
    steps = {run.timesteps for run in SWEEPS[sweep].runs(scale)} - {1}  # type: ignore[arg-type]
    return steps.pop() if len(steps) == 1 else published
