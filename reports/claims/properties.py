"""The paper's Tab. 1 measured: steps, accuracy with few steps, and event data, of the three families of methods."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from benchmarks.catalogue.datasets import ENTRIES, EVENTS
from reports.claims.accuracy import LOW
from reports.claims.evidence import network_of
from reports.claims.families import FAMILIES
from reports.rendering.table import DASH, Cell, Column, Table, laid_out
from reports.tables.paper import EVIDENCE

PAPER = {
    "steps": ("high", "low", "low"),
    "low": ("low", "medium", "high"),
    "events": ("not applicable", "applicable", "applicable"),
}
NEAR = 1.0
"""Points below the ANN of the same layers that still count as its accuracy."""


def tables_of(frame: pd.DataFrame) -> list[Table]:
    """One table per scale at which CIFAR-10 has been run in its sweep's network; event data stand in it, too."""
    done = frame[frame["status"] == "done"]
    tables = [_table(done[done["scale"] == scale], scale) for scale in EVIDENCE]
    return [table for table in tables if table]


def _table(rows: pd.DataFrame, scale: str) -> Table | None:
    static = rows[(rows["dataset"] == "cifar10") & (rows["network"] == network_of("cifar10", scale))]
    if static.empty:
        return None
    lines = list(_lines(static, rows, scale))
    columns: list[tuple[Column, list[Cell]]] = [
        (Column("property", numeric=False), [Cell(name) for name, _, _ in lines])
    ]
    for index, family in enumerate(FAMILIES):
        columns.append((Column(family, "paper", numeric=False), [Cell(PAPER[key][index]) for _, key, _ in lines]))
        columns.append((Column(family, "measured", numeric=False), [Cell(texts[family]) for _, _, texts in lines]))
    headings, cells = laid_out(columns)
    heading = "Tab. 1 of the paper: properties, measured"
    return Table(heading, f"scale {scale}", f"{heading}, scale {scale}", headings, cells, NOTES)


def _lines(static: pd.DataFrame, rows: pd.DataFrame, scale: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    yield (
        f"T within {NEAR:g} point of the ANN",
        "steps",
        {f: _steps(static, methods) for f, methods in FAMILIES.items()},
    )
    at_low = static[static["timesteps"] == LOW]
    yield f"accuracy at T = {LOW}", "low", {f: _accuracies(at_low, methods) for f, methods in FAMILIES.items()}
    for dataset in EVENTS:
        events = rows[(rows["dataset"] == dataset) & (rows["network"] == network_of(dataset, scale))]
        if len(events):
            measured = {family: _accuracies(events, methods) for family, methods in FAMILIES.items()}
            yield f"accuracy on {ENTRIES[dataset].name}", "events", measured


def _steps(static: pd.DataFrame, methods: tuple[str, ...]) -> str:
    """Of each method that stands for a family, the fewest steps with which it comes near its own parent, else `ann`."""
    parts = [f"{method}: {_fewest(static, method)}" for method in methods if (static["method"] == method).any()]
    return "; ".join(parts) or DASH


def _fewest(static: pd.DataFrame, method: str) -> str:
    rows = static[static["method"] == method]
    means = rows.groupby("timesteps")["top1"].mean()
    own = static.loc[static["key"].isin(rows["parent_key"].dropna()), "top1"].mean()
    wanted = (static.loc[static["method"] == "ann", "top1"].mean() if pd.isna(own) else own) - NEAR
    near = means.index[means >= wanted]
    return str(min(near)) if len(near) else f"not reached, T <= {max(means.index)}"


def _accuracies(rows: pd.DataFrame, methods: tuple[str, ...]) -> str:
    """Mean and seeds of each method that stands for a family, at every T that `rows` has."""
    parts = []
    for method in methods:
        for steps, group in rows[rows["method"] == method].groupby("timesteps"):
            parts.append(f"{method} {group['top1'].mean():.1f} % (T = {steps}, n = {len(group)})")
    return "; ".join(parts) or DASH


NOTES = (
    "Per family the methods that stand for it, fixed in reports/claims/families.py; nothing is chosen by its accuracy. "
    "Controls are in the ledger. "
    + "; ".join(f"{family}: {', '.join(methods)}" for family, methods in FAMILIES.items())
    + ".",
    "The ANN: of a conversion its own parent, else ann. A conversion of event data sees one frame, the mean over time.",
)
