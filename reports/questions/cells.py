"""The runs of one method in one network at one T and scale, and what lies between two such cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from benchmarks.catalogue import timeless
from reports.claims.evidence import difference_of
from reports.inputs.predictions import Kept
from reports.rendering.table import Cell, interval_cell
from reports.statistics.difference import Estimate, difference
from reports.statistics.intervals import interval
from reports.tables.paper import EVIDENCE

PLACE = ["dataset", "scale"]


def places(frame: pd.DataFrame, on: list[str]) -> Iterator[tuple[tuple[str, ...], pd.DataFrame]]:
    """Finished rows of scales that are evidence, by the columns `on`."""
    done = frame[(frame["status"] == "done") & frame["scale"].isin(EVIDENCE)]
    for identity, rows in done.groupby(on, sort=False):
        yield tuple(map(str, identity)), rows


def at(rows: pd.DataFrame, method: str, steps: int) -> pd.DataFrame:
    """The rows of a method at T, or of one without time."""
    return rows[(rows["method"] == method) & (rows["timesteps"] == (1 if timeless(method) else steps))]


def accuracy(rows: pd.DataFrame) -> Cell:
    """The mean with its interval; a dash where nothing was run."""
    return interval_cell(interval(rows["top1"].tolist(), rows["test_images"].tolist()))


def between(one: pd.DataFrame, other: pd.DataFrame, kept: Kept) -> Estimate | None:
    """Accuracy of `one` minus that of `other`; None where either was not run."""
    return difference_of(one, other, kept)


def by_seed(rows: pd.DataFrame) -> dict[int, float]:
    """Accuracy by seed."""
    return dict(zip(rows["seed"], rows["top1"], strict=True))


def contrast(one: Mapping[int, float], other: Mapping[int, float]) -> Estimate | None:
    """The difference of two quantities of the same seeds; None without a seed."""
    return difference(one, other) if one and other else None


def surely_above(estimate: Estimate | None) -> bool:
    """Whether the 95 % interval lies wholly above 0; one seed decides nothing."""
    return estimate is not None and estimate.known and estimate.interval()[0] > 0


def surely_below(estimate: Estimate | None) -> bool:
    """Whether the 95 % interval lies wholly below 0."""
    return estimate is not None and estimate.known and estimate.interval()[1] < 0
