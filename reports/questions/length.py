"""How far from its end is a training? The same method with fewer and with more epochs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from benchmarks.spec import variant
from reports.claims.statement import described
from reports.inputs.predictions import Kept
from reports.questions.cells import accuracy, between, places
from reports.questions.trials import LENGTH
from reports.rendering.table import DASH, Cell, Column, Table, laid_out

NOTE = (
    "The learning rate falls to zero at the end of each length. Difference: accuracy minus that of the method's own "
    "number of epochs; where a side has a single run, of the seed that both have."
)


class Length(NamedTuple):
    """The runs of one method at one T with one number of epochs; `own`: the method's own."""

    method: str
    timesteps: int
    epochs: int
    own: bool
    rows: pd.DataFrame


def tables_of(frame: pd.DataFrame, kept: Kept) -> list[Table]:
    """One per data set, network and scale of which a method was run with two numbers of epochs."""
    found = []
    for (dataset, network, scale), rows in places(frame, ["dataset", "network", "scale"]):
        if lengths := list(compared(rows)):
            found.append(_table(f"{network} on {dataset}", scale, lengths, kept))
    return found


def compared(rows: pd.DataFrame) -> Iterator[Length]:
    """The lengths of every method that has its own and another one; `rows` are of one network and scale."""
    lengths = [length for name, part in rows.groupby(["method", "timesteps"], sort=False) if (length := _length(part))]
    for method, steps in dict.fromkeys((length.method, length.timesteps) for length in lengths):
        same = sorted((one for one in lengths if one[:2] == (method, steps)), key=lambda one: one.epochs)
        if len(same) > 1 and any(one.own for one in same):
            yield from same


def _length(rows: pd.DataFrame) -> Length | None:
    """None for a variant with another change, and for what trains nothing."""
    first = rows.iloc[0]
    base, changed = variant(str(first["method"]))
    if changed.keys() - {LENGTH} or not first["epochs"] > 0:
        return None
    return Length(base, int(first["timesteps"]), int(first["epochs"]), not changed, rows)


def _table(where: str, scale: str, lengths: list[Length], kept: Kept) -> Table:
    own = {(one.method, one.timesteps): one.rows for one in lengths if one.own}
    steps = [None if one.own else between(one.rows, own[one.method, one.timesteps], kept) for one in lengths]
    columns: list[tuple[Column, list[Cell]]] = [
        (Column("method", numeric=False), [Cell(one.method) for one in lengths]),
        (Column("T"), [Cell(str(one.timesteps)) for one in lengths]),
        (Column("epochs"), [Cell(str(one.epochs)) for one in lengths]),
        (Column("test accuracy", "%, 95 %"), [accuracy(one.rows) for one in lengths]),
        (Column("n"), [Cell(str(len(one.rows))) for one in lengths]),
        (Column("difference", numeric=False), [Cell(DASH if step is None else described(step)) for step in steps]),
    ]
    headings, cells = laid_out(columns)
    heading = f"Accuracy against the number of epochs, {where}"
    return Table(heading, f"scale {scale}", f"{heading}, scale {scale}", headings, cells, (NOTE,))
