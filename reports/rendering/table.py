"""A table once its numbers are text: what every renderer receives, so that a table is defined once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from reports.statistics.intervals import Interval

DASH = "–"
BUSY_MARK = "*"
"""The mark of a wall time that is not shown because other work ran beside."""
SMOKE_WARNING = "smoke scale: does it run? Never evidence."


class Cell(NamedTuple):
    """Formatted text, the marks of its footnotes, and on a page the anchor of what stands behind it."""

    text: str
    marks: str = ""
    link: str = ""


@dataclass(frozen=True)
class Column:
    """A heading; numeric columns are aligned right, `detail` ones are left out where there is no room."""

    label: str
    unit: str = ""
    numeric: bool = True
    detail: bool = False

    @property
    def stacked(self) -> list[str]:
        """Its words and its unit, one per line: twelve headings have no room side by side."""
        return [*self.label.split(), *([self.unit] if self.unit else [])]


def warning_of(scale: str) -> str:
    """What stands before the numbers of a scale."""
    return SMOKE_WARNING if scale == "smoke" else ""


@dataclass(frozen=True)
class Table:
    """Headings, rows of cells, and the notes under them.

    `heading` and `badge` stand above it on a page, `title` where there is no page; `warning` comes before the numbers.
    `behind`: it has the details of tables before it, so a page keeps it closed until it is asked for.
    """

    heading: str
    badge: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...]
    warning: str = ""
    behind: bool = False


def laid_out(columns: Sequence[tuple[Column, list[Cell]]]) -> tuple[tuple[Column, ...], tuple[tuple[Cell, ...], ...]]:
    """Columns with their cells, as a table's `columns` and `rows`."""
    return tuple(column for column, _ in columns), tuple(zip(*(cells for _, cells in columns), strict=True))


def numbers(values: Sequence[float], marks: Iterable[str] | None = None, decimals: int | None = None) -> list[Cell]:
    """A column of cells with the same number of decimals; what is missing is a dash and carries no mark."""
    places = _decimals(values) if decimals is None else decimals
    return [
        Cell(DASH) if math.isnan(value) else Cell(f"{value:,.{places}f}", mark)
        for value, mark in zip(values, marks or [""] * len(values), strict=True)
    ]


def span_cell(low: float, high: float, mark: str = "", decimals: int | None = None) -> Cell:
    """The least and the most of some values, without decimals from 100 on."""
    ends = [low, high]
    least, most = numbers(ends, decimals=0 if decimals is None and high >= 100 else decimals)
    return Cell(f"{least.text} to {most.text}", mark)


def wall_times(values: Sequence[float], busy: Iterable[bool], marks: Iterable[str] | None = None) -> list[Cell]:
    """A column of times by the clock; where other work ran beside, a marked dash in place of what says nothing."""
    loaded = list(busy)
    cells = numbers([math.nan if flag else value for value, flag in zip(values, loaded, strict=True)], marks)
    return [
        Cell(DASH, BUSY_MARK) if flag and not math.isnan(value) else cell
        for value, flag, cell in zip(values, loaded, cells, strict=True)
    ]


def interval_cell(found: Interval) -> Cell:
    """A mean of percentages with its interval: of one seed both ends, of two their values, of more +- half."""
    if math.isnan(found.low):
        return numbers([found.mean], decimals=2)[0]
    if found.kind == "two values":
        return Cell(f"{found.mean:.2f} ({found.low:.2f}, {found.high:.2f})")
    if found.kind == "wilson" or not found.even:
        return Cell(f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]")
    return Cell(f"{found.mean:.2f} ± {found.half_width:.2f}")


def _decimals(values: Sequence[float]) -> int:
    """Four digits for the largest value, at least two for the smallest; at most four decimals and six digits."""
    sizes = [abs(value) for value in values if math.isfinite(value) and value != 0]
    if not sizes:
        return 0
    largest, smallest = (math.floor(math.log10(size)) for size in (max(sizes), min(sizes)))
    return min(4, max(0, 3 - largest, min(1 - smallest, 5 - largest)))
