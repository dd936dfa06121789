"""The results of two runs side by side: each quantity with its difference and ratio, and what noise says of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from benchmarks.runs.record import COLUMNS, NUMERIC
from reports.cost.costs import with_costs
from reports.energy.models import FP32_45NM
from reports.queries.lookup import Known
from reports.rendering.table import BUSY_MARK, DASH, Cell, Column, Table, laid_out, numbers
from reports.statistics.intervals import difference
from reports.tables.footnotes import BUSY, ENERGY, PARENT

QUANTITIES = {
    "accuracy, %": ("top1", 1.0, ()),
    "best on test, %": ("top1_best", 1.0, ()),
    "selected on validation, %": ("top1_validation_selected", 1.0, ()),
    "held out, %": ("validation_top1", 1.0, ()),
    "train loss": ("train_loss", 1.0, ()),
    "test loss": ("test_loss", 1.0, ()),
    "energy: events, first layer once, µJ/image": ("energy_events_microjoules", 1.0, ()),
    "energy: dense, µJ/image": ("energy_dense_microjoules", 1.0, ()),
    "accumulates, millions": ("acs", 1e-6, ()),
    "firing rate": ("firing_rate", 1.0, ()),
    "peak memory, MiB": ("peak_memory_bytes", 2.0**-20, ("memory_from_parent",)),
    "training, core-seconds": ("true_train_cpu_seconds", 1.0, ("cpu_seconds_with_parent",)),
    "train step, ms": ("train_step_ms", 1.0, ("step_from_parent", "busy")),
    "training time, s": ("true_train_seconds", 1.0, ("seconds_with_parent", "busy")),
    "parameters": ("parameters", 1.0, ()),
}
"""Column of the costed rows, its factor, and the flags that mark it."""
MARKS = {"memory_from_parent": "†", "step_from_parent": "†", "seconds_with_parent": "†", "cpu_seconds_with_parent": "†"}
APART = ("dataset", "scale")
Costed = dict[str, Any]


def changed(a: Known, b: Known) -> Table:
    """The quantities that differ. Between data sets and scales there are no differences and ratios."""
    notes: list[str] = [
        f"{name} has not ended, or its row is lost." for name, one in (("A", a), ("B", b)) if not one.row
    ]
    pair = [_costed(one) for one in (a, b)] if not notes else []
    comparable = all(getattr(a.run, name) == getattr(b.run, name) for name in APART)
    lines = [line for label in QUANTITIES if pair and (line := _line(label, pair[0], pair[1], comparable))]
    if pair:
        notes += _notes(pair[0], pair[1], comparable, lines)
    columns = [
        Column("", numeric=False),
        Column("A"),
        Column("B"),
        Column("difference", "B - A"),
        Column("ratio", "B / A"),
    ]
    headings, cells = laid_out([(column, [line[i] for line in lines]) for i, column in enumerate(columns)])
    return Table("Results", "", "Results", headings, cells, tuple(notes))


def _costed(one: Known) -> Costed:
    frame = pd.DataFrame([one.row, *one.parents], columns=COLUMNS)
    typed = frame.astype(dict.fromkeys(NUMERIC, "float64"))
    return {str(name): value for name, value in with_costs(typed).iloc[0].items()}


def _line(label: str, a: Costed, b: Costed, comparable: bool) -> list[Cell] | None:
    column, factor, flags = QUANTITIES[label]
    measured = [float(one[column]) * factor for one in (a, b)]
    if measured[0] == measured[1] or all(map(math.isnan, measured)):
        return None
    hidden = ["busy" in flags and bool(one["busy"]) for one in (a, b)]
    values = [math.nan if hide else value for value, hide in zip(measured, hidden, strict=True)]
    between, ratio = values[1] - values[0], values[1] / values[0] if values[0] else math.nan
    marks = ["".join(dict.fromkeys(MARKS[flag] for flag in flags if flag in MARKS and one[flag])) for one in (a, b)]
    *shown, apart = numbers([*values, between], [*marks, ""], 2 if "%" in label else None)
    left, right = (Cell(DASH, BUSY_MARK) if hide else cell for cell, hide in zip(shown, hidden, strict=True))
    if not comparable:
        return [Cell(label), left, right, Cell(DASH), Cell(DASH)]
    signed = Cell(f"+{apart.text}") if between > 0 else apart
    return [Cell(label), left, right, signed, numbers([ratio], decimals=3)[0]]


def _notes(a: Costed, b: Costed, comparable: bool, lines: list[list[Cell]]) -> Iterator[str]:
    for name, one in (("A", a), ("B", b)):
        if one["status"] != "done":
            yield f"{name} is {one['status']}: {' '.join(str(one['reason'] or 'no reason given').split())}."
    if not comparable:
        yield "Data sets or scales differ: the numbers are not comparable."
    elif a["top1"] != b["top1"]:
        yield _noise(a, b)
    if any(line[0].text.startswith("energy") for line in lines):
        yield ENERGY.format(FP32_45NM)
    for mark, said in (("†", PARENT), (BUSY_MARK, BUSY)):
        if any(mark in cell.marks for line in lines for cell in line):
            yield said


def _noise(a: Costed, b: Costed) -> str:
    """Whether two accuracies can be told apart at all on so many test images."""
    top1, images = [one["top1"] for one in (a, b)], [one["test_images"] for one in (a, b)]
    if any(map(math.isnan, [*top1, *images])):
        return "One of the two has no accuracy, or does not say on how many images."
    found = difference(top1[1], images[1], top1[0], images[0])
    within = found.low <= 0 <= found.high
    verdict = "less than the noise" if within else "more than the noise"
    of = (
        f"{images[0]:,.0f} test images"
        if images[0] == images[1]
        else f"{images[0]:,.0f} and {images[1]:,.0f} test images"
    )
    return (
        f"Accuracy differs by {found.mean:+.2f} points, 95 % interval {found.low:+.2f} to {found.high:+.2f}: "
        f"{verdict} of {of} (Newcombe 1998, two proportions). What another seed would change is not in it."
    )
