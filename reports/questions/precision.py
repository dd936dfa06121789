"""Is training in bfloat16 the same training? Runs of equal seeds in both precisions, method by method and together."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from benchmarks.catalogue import timeless
from benchmarks.spec import spelled, variant
from reports.claims.statement import described
from reports.inputs.predictions import Kept
from reports.questions.cells import accuracy, at, between, by_seed, contrast, places
from reports.questions.trials import PRECISION
from reports.rendering.table import Cell, Column, Table
from reports.statistics.difference import Estimate

FLOAT32, BFLOAT16 = "float32", "bfloat16"
TOLERATED = 0.5
"""Points that training in bfloat16 may cost before no recipe should take it."""
COLUMNS = (
    Column("method", numeric=False),
    Column("T"),
    Column(FLOAT32, "%, 95 %"),
    Column(BFLOAT16, "%, 95 %"),
    Column("difference", numeric=False),
)
NOTE = (
    "Accuracy with bfloat16 operands minus that with float32, same seeds; all else is equal. Every accuracy is "
    "evaluated in float32. All: every pair of the lines above, taken as independent."
)


class Pair(NamedTuple):
    """The runs of one method at one T in both precisions."""

    method: str
    timesteps: int
    full: pd.DataFrame
    half: pd.DataFrame


def tables_of(frame: pd.DataFrame, kept: Kept) -> list[Table]:
    """One per data set, network and scale in which a method was run in both precisions by name."""
    found = []
    for (dataset, network, scale), rows in places(frame, ["dataset", "network", "scale"]):
        if pairs := list(pairs_of(rows)):
            found.append(_table(f"{network} on {dataset}", scale, pairs, kept))
    return found


def pairs_of(rows: pd.DataFrame) -> Iterator[Pair]:
    """The methods whose variants with both precisions have rows; `rows` are of one network and scale."""
    for (name, steps), full in rows.groupby(["method", "timesteps"], sort=False):
        method, changes = variant(str(name))
        if changes != {PRECISION: FLOAT32}:
            continue
        half = at(rows, spelled(method, {PRECISION: BFLOAT16}), int(str(steps)))
        if len(half):
            yield Pair(method, int(str(steps)), full, half)


def together(pairs: list[Pair]) -> Estimate | None:
    """The mean difference over the pairs of all methods; None where no two runs have one seed."""
    full, half = list[float](), list[float]()
    for pair in pairs:
        in_full, in_half = by_seed(pair.full), by_seed(pair.half)
        common = sorted(in_full.keys() & in_half.keys())
        full += [in_full[seed] for seed in common]
        half += [in_half[seed] for seed in common]
    return contrast(dict(enumerate(half)), dict(enumerate(full)))


def sentence(pairs: list[Pair]) -> str:
    """What the pairs say of bfloat16, all together; empty where no two runs have one seed."""
    every = together(pairs)
    if every is None:
        return ""
    low, high = every.interval() if every.known else (-math.inf, math.inf)
    match low > -TOLERATED, high < TOLERATED:
        case True, True:
            found = f"Training in bfloat16 is as accurate as in float32 within {TOLERATED} points"
        case True, False:
            found = f"Training in bfloat16 does not cost {TOLERATED} points of accuracy"
        case _ if high < -TOLERATED:
            found = f"Training in bfloat16 costs more than {TOLERATED} points of accuracy"
        case _:
            found = f"Whether training in bfloat16 costs {TOLERATED} points of accuracy is open"
    return f"{found}: {described(every)}."


def _table(where: str, scale: str, pairs: list[Pair], kept: Kept) -> Table:
    rows = [_line(pair, kept) for pair in pairs]
    if len(pairs) > 1 and (every := together(pairs)):
        rows.append((Cell("all"), *[Cell("")] * 3, Cell(described(every))))
    heading = f"Is training in bfloat16 the same training? {where}"
    notes = (NOTE, *filter(None, [sentence(pairs)]))
    return Table(heading, f"scale {scale}", f"{heading}, scale {scale}", COLUMNS, tuple(rows), notes)


def _line(pair: Pair, kept: Kept) -> tuple[Cell, ...]:
    steps = "" if timeless(pair.method) else str(pair.timesteps)
    difference = between(pair.half, pair.full, kept)
    said = described(difference) if difference else ""
    return Cell(pair.method), Cell(steps), accuracy(pair.full), accuracy(pair.half), Cell(said)
