"""What claims are judged by: finished runs, and differences of accuracies with their 95 % intervals.

Several common seeds: Student t over the differences seed by seed. Several seeds that are not common: Welch. One seed
against several: it varies as they do. One seed on either side: two proportions of test images, which knows how few
images there are and nothing of how training varies; no verdict rests on it.
Welch, "The generalization of Student's problem" (1947).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, variance
from typing import Any

import pandas as pd
from scipy.special import stdtrit  # type: ignore[import-untyped]

from benchmarks.sweeps import SWEEPS
from reports import statistics

IMAGES_ONLY = "test images only"


@dataclass(frozen=True)
class Difference:
    """Points of accuracy with their 95 % interval; `n`: pairs, or the seeds of the smaller side."""

    mean: float
    low: float
    high: float
    n: int
    kind: str

    def __str__(self) -> str:
        return f"{self.mean:+.2f} points ({self.low:+.2f} to {self.high:+.2f}; {self.kind}, n = {self.n})"


@dataclass(frozen=True)
class Evidence:
    """`runs`: finished rows with costs; `studies`: of single neurons; `records`: of `dsr-bench perf`; `published`."""

    runs: pd.DataFrame
    studies: pd.DataFrame
    records: Sequence[Mapping[str, Any]]
    published: pd.DataFrame

    def of(
        self, scale: str, dataset: str, method: str, timesteps: int | None = None, network: str | None = None
    ) -> pd.DataFrame:
        """Finished runs, in the network that the data set's sweep takes at this scale unless another is named."""
        rows = self.runs
        wanted = network or network_of(dataset, scale)
        rows = rows[(rows["scale"] == scale) & (rows["dataset"] == dataset) & (rows["network"] == wanted)]
        rows = rows[rows["method"] == method]
        return rows if timesteps is None else rows[rows["timesteps"] == timesteps]


def network_of(dataset: str, scale: str) -> str:
    return SWEEPS[dataset].networks[scale][0]


def difference(one: pd.DataFrame, other: pd.DataFrame) -> Difference | None:
    """Mean accuracy of `one` minus that of `other`, percentage points; None where either has no run."""
    a, b = (dict(zip(rows["seed"], rows["top1"], strict=True)) for rows in (one, other))
    if not a or not b:
        return None
    if len(common := sorted(a.keys() & b.keys())) > 1:
        return _paired([a[seed] - b[seed] for seed in common])
    if len(a) > 1 and len(b) > 1:
        return _welch(list(a.values()), list(b.values()))
    if len(a) + len(b) > 2:
        return _one_against_several(list(a.values()), list(b.values()))
    return _proportions(one, other)


def _paired(values: list[float]) -> Difference:
    found = statistics.student(values)
    return Difference(found.mean, found.low, found.high, len(values), "paired seeds")


def _welch(a: list[float], b: list[float]) -> Difference:
    parts = [variance(values) / len(values) for values in (a, b)]
    mean, total = fmean(a) - fmean(b), sum(parts)
    if total == 0:
        return Difference(mean, mean, mean, min(len(a), len(b)), "Welch")
    freedom = total**2 / sum(part**2 / (len(values) - 1) for part, values in zip(parts, (a, b), strict=True))
    half = float(stdtrit(freedom, statistics.UPPER)) * math.sqrt(total)
    return Difference(mean, mean - half, mean + half, min(len(a), len(b)), "Welch")


def _one_against_several(a: list[float], b: list[float]) -> Difference:
    """Student t with the spread of the side that has one."""
    several = max(a, b, key=len)
    half = float(stdtrit(len(several) - 1, statistics.UPPER)) * math.sqrt(variance(several) * (1 + 1 / len(several)))
    mean = fmean(a) - fmean(b)
    return Difference(mean, mean - half, mean + half, 1, "one seed against several")


def _proportions(one: pd.DataFrame, other: pd.DataFrame) -> Difference:
    (a, images), (b, others) = ((rows["top1"].mean(), rows["test_images"].min()) for rows in (one, other))
    found = statistics.difference(a, images, b, others)
    return Difference(found.mean, found.low, found.high, 1, IMAGES_ONLY)
