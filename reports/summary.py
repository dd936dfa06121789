"""What a terminal is told at the end: which rows, one matrix of accuracies cut to a screen, how claims came out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from benchmarks.spec import SCALES
from reports.energy.models import T_OF_BITS, has_few_bits
from reports.rendering.table import DASH, Cell, Column, Table, warning_of
from reports.tables import matrix
from reports.tables.comparison import TABLE

METHODS, STEPS = 16, 5
"""Lines and T that a screen has room for."""


def counts_of(frame: pd.DataFrame) -> str:
    """How many runs, methods and seeds, of which data sets and scales, in a line."""
    done = frame[frame["status"] == "done"]
    lost = len(frame) - len(done)
    seeds = "1 seed" if done["seed"].nunique() == 1 else f"{done['seed'].nunique()} seeds"
    parts = [
        f"{len(done)} runs, {done['method'].nunique()} methods, {seeds}",
        ", ".join(frame["dataset"].unique()),
        f"scale {', '.join(frame['scale'].unique())}",
        *([f"{lost} failed"] if lost else []),
    ]
    return "; ".join(parts)


def abbreviated(lines: pd.DataFrame) -> Table | None:
    """The accuracies of the table that says most, means with half their interval; None where no run has ended well."""
    table = _most(lines[lines["top1"].notna()])
    if table is None:
        return None
    still = matrix.timeless(table)
    steps, methods = _steps(table[~still]), _methods(table, still)
    rows = tuple(_row(method, table[table["method"] == method], steps, bool(still.any())) for method in methods)
    first, scale = table.iloc[0], str(table["scale"].iloc[0])
    labels = [*([matrix.STILL] if still.any() else []), *(f"T={at}" for at in steps)]
    heading = f"{first['network']} on {first['dataset']}"
    title = f"Accuracy (%), {heading}, scale {scale}"
    columns = (Column("method", numeric=False), *map(Column, labels))
    return Table(
        heading, f"scale {scale}", title, columns, rows, tuple(_notes(lines, table, steps, methods)), warning_of(scale)
    )


def _most(lines: pd.DataFrame) -> pd.DataFrame | None:
    """The lines of the dataset, network and scale with the most numbers, of those of the largest scale."""
    groups = [table.reset_index(drop=True) for _, table in lines.groupby(TABLE, sort=False)]
    return min(groups, key=lambda table: (SCALES.index(table["scale"].iloc[0]), -len(table)), default=None)


def _steps(moving: pd.DataFrame) -> list[int]:
    """The T at which most methods have run; of those the small ones."""
    counts = moving.groupby("timesteps")["method"].nunique()
    ordered = sorted(counts.index, key=lambda at: (-counts[at], at))
    return sorted(int(at) for at in ordered[:STEPS])


def _methods(table: pd.DataFrame, still: pd.Series) -> list[str]:
    """The first lines, those without a time axis among them."""
    return list(dict.fromkeys(table["method"]))[:METHODS]


def _row(method: str, lines: pd.DataFrame, steps: Sequence[int], with_still: bool) -> tuple[Cell, ...]:
    by_steps = {int(line["timesteps"]): _cell(line) for line in lines.to_dict("records")}
    if with_still and bool(matrix.timeless(lines).any()):
        return Cell(method), by_steps[1], *(Cell("") for _ in steps)
    empty = [Cell("")] if with_still else []
    return Cell(method), *empty, *(by_steps.get(at, Cell(DASH)) for at in steps)


def _cell(line: dict[Any, Any]) -> Cell:
    """The mean, with half its interval; of two seeds none, which would be wider than the table."""
    half = (line["top1_high"] - line["top1_low"]) / 2
    return Cell(f"{line['top1']:.1f}" if math.isnan(half) or line["seeds"] == 2 else f"{line['top1']:.1f} ±{half:.1f}")


def _notes(lines: pd.DataFrame, table: pd.DataFrame, steps: Sequence[int], methods: Sequence[str]) -> Iterator[str]:
    yield "± half the 95 % interval: t for 3 seeds or more, Wilson over images for 1 seed; 2 seeds have none."
    if has_few_bits(table):
        yield T_OF_BITS
    moving = table[~matrix.timeless(table)]
    left = {
        "methods": table["method"].nunique() - len(methods),
        "T": moving["timesteps"].nunique() - len(steps),
        "tables like this": lines[TABLE].drop_duplicates().shape[0] - 1,
    }
    if more := [f"{count} more {what}" for what, count in left.items() if count]:
        yield f"Not shown here: {', '.join(more)}."
