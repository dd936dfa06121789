"""Which accuracies the page of results shows, as matrices: trained methods, variants, and conversions at every T."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from reports.figures.series import kinds
from reports.rendering.table import Cell, Table, numbers
from reports.tables import matrix
from reports.tables.comparison import TABLE, accuracy_cell, aggregate
from reports.tables.matrix import Quantity
from reports.tables.paper import EVIDENCE

SEEDS = (
    "Percent of the test images, last epoch. ± half the 95 % Student t interval of n seeds; (a, b): the values of "
    "two seeds; (low–high): one seed, Wilson's interval over its test images. A dash has not been run."
)
MEANS = "Percent of the test images; ′: one seed, else the mean of all. Parents are in the table of accuracies."


@dataclass(frozen=True)
class Group:
    """The lines of one data set, network and scale, and the kind of each line's method (`reports.figures.series`)."""

    lines: pd.DataFrame
    kind: pd.Series


def accuracies(groups: Iterable[Group]) -> list[Table]:
    """One per data set, network and scale: every method at the T that a trained spiking method was run at."""
    tables: list[Table] = []
    for lines, kind in ((group.lines, group.kind) for group in groups):
        varied = lines["method"].str.contains("@", regex=False)
        steps = set(lines["timesteps"][(kind == "trained") & ~varied])
        shown = lines["timesteps"].isin(steps) | (kind == "still")
        tables += matrix.matrices(lines[shown & ~(varied & (kind == "trained"))], _with_intervals("Accuracy"))
    return tables


def variants(groups: Iterable[Group]) -> list[Table]:
    """Trained methods with parameters of their neuron changed, `method@...`, beside the method itself."""
    tables: list[Table] = []
    for lines, kind in ((group.lines, group.kind) for group in groups):
        varied = lines[lines["method"].str.contains("@", regex=False) & (kind == "trained")]
        wanted = {*varied["method"], *varied["method"].str.split("@").str[0]}
        shown = lines["method"].isin(wanted) & lines["timesteps"].isin(set(varied["timesteps"]))
        tables += matrix.matrices(lines[shown], _with_intervals("Variants"))
    return tables


def conversions(groups: Iterable[Group], frame: pd.DataFrame) -> list[Table]:
    """Conversions at every T they were run at, means alone: of data sets, networks and scales with four T or more."""
    tables: list[Table] = []
    for group in groups:
        converted = group.lines[group.kind == "converted"]
        if converted["timesteps"].nunique() > 3:
            tables += matrix.matrices(converted, _only_means(MEANS + _images(frame, converted)))
    return tables


def _only_means(note: str) -> Quantity:
    return Quantity("Conversions against T", "%", _means, lambda _: [note])


def _with_intervals(heading: str) -> Quantity:
    return Quantity(heading, "%", lambda lines: [_cell(line) for line in lines.to_dict("records")], lambda _: [SEEDS])


def _cell(line: dict) -> Cell:
    cell = accuracy_cell(line)
    return Cell(f"{cell.text} (n = {line['seeds']})") if line["interval"] == "student-t" else cell


def _means(lines: pd.DataFrame) -> Sequence[Cell]:
    marks = ["′" if seeds == 1 else "" for seeds in lines["seeds"]]
    return [Cell(numbers([top1], decimals=1)[0].text, mark) for top1, mark in zip(lines["top1"], marks, strict=True)]


def _images(frame: pd.DataFrame, lines: pd.DataFrame) -> str:
    """On how many images, where runs were not all tested on as many."""
    here = (frame[TABLE] == lines.iloc[0][TABLE].tolist()).all(axis=1)
    here &= (frame["epochs"] == 0) & (frame["status"] == "done")
    least, most = frame.loc[here, "test_images"].min(), frame.loc[here, "test_images"].max()
    return f" Tested on {least:,.0f} to {most:,.0f} images." if least < most else ""


def grouped(costed: pd.DataFrame) -> list[Group]:
    """The lines of every data set, network and scale that has evidence; `costed`: rows with their costs."""
    rows = costed[costed["scale"].isin(EVIDENCE)]
    means = aggregate(rows)
    groups = []
    for identity, lines in means[means["top1"].notna()].groupby(TABLE, sort=False):
        done = rows[(rows["status"] == "done") & (rows[TABLE] == list(identity)).all(axis=1)]
        groups.append(Group(lines, lines["method"].map(kinds(done))))
    return groups
