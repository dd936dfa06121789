"""Is training in bfloat16 the same training? Runs of equal seeds in both precisions, method by method and together."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from benchmarks.catalogue import timeless
from benchmarks.spec import spelled
from reports.claims.statement import described
from reports.inputs.predictions import Kept
from reports.questions.cells import accuracy, between, by_seed, contrast, places
from reports.questions.trials import PRECISION, changes
from reports.rendering.table import Cell, Column, Table, laid_out
from reports.statistics.difference import Estimate

FLOAT32, BFLOAT16 = "float32", "bfloat16"
TOLERATED = 0.5
"""Points that training in bfloat16 may cost before no recipe should take it."""
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
        method = str(name).partition("@")[0]
        if changes(str(name)) != {PRECISION: FLOAT32}:
            continue
        half = rows[(rows["method"] == spelled(method, {PRECISION: BFLOAT16})) & (rows["timesteps"] == steps)]
        if len(half):
            yield Pair(method, int(str(steps)), full, half)


def together(pairs: list[Pair]) -> Estimate | None:
    """The mean difference over the pairs of all methods; None where no two runs have one seed."""
    full, half = dict[int, float](), dict[int, float]()
    for pair in pairs:
        both = by_seed(pair.full), by_seed(pair.half)
        for seed in sorted(both[0].keys() & both[1].keys()):
            full[len(full)], half[len(half)] = both[0][seed], both[1][seed]
    return contrast(half, full)


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
    differences = [between(pair.half, pair.full, kept) for pair in pairs]
    every = together(pairs) if len(pairs) > 1 else None
    said = [described(one) if one else "" for one in [*differences, *([every] if every else [])]]
    last = [Cell("")] if every else []
    columns: list[tuple[Column, list[Cell]]] = [
        (Column("method", numeric=False), [Cell(p.method) for p in pairs] + ([Cell("all")] if every else [])),
        (Column("T"), [Cell("" if timeless(p.method) else str(p.timesteps)) for p in pairs] + last),
        (Column(FLOAT32, "%, 95 %"), [accuracy(pair.full) for pair in pairs] + last),
        (Column(BFLOAT16, "%, 95 %"), [accuracy(pair.half) for pair in pairs] + last),
        (Column("difference", numeric=False), [Cell(text) for text in said]),
    ]
    headings, cells = laid_out(columns)
    heading = f"Is training in bfloat16 the same training? {where}"
    notes = (NOTE, *filter(None, [sentence(pairs)]))
    return Table(heading, f"scale {scale}", f"{heading}, scale {scale}", headings, cells, notes)
