"""The paper's Tab. 1 measured: steps, accuracy with few steps, and event data, of the three families of methods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from reports.claims.accuracy import CONVERSIONS, LOW, NEURONS, SURROGATE
from reports.claims.evidence import network_of
from reports.paper_tables import EVIDENCE
from reports.table import DASH, Cell, Column, Table, laid_out

FAMILIES = {"conversion": CONVERSIONS, "surrogate gradient": SURROGATE, "DSR": tuple(NEURONS)}
PAPER = {
    "steps": ("high", "low", "low"),
    "low": ("low", "medium", "high"),
    "events": ("not applicable", "applicable", "applicable"),
}
NEAR = 1.0
"""Points below the ANN of the same layers that still count as its accuracy."""
EVENTS = {"nmnist": "N-MNIST", "cifar10dvs": "CIFAR10-DVS", "cifar10dvs-sim": "the simulated CIFAR10-DVS"}


class Best(NamedTuple):
    method: str
    top1: float
    seeds: int

    def __str__(self) -> str:
        return f"{self.top1:.1f} % ({self.method}, n = {self.seeds})"


def tables_of(frame: pd.DataFrame) -> list[Table]:
    """One table per scale at which CIFAR-10 has been run in its sweep's network; event data stand in it, too."""
    done = frame[frame["status"] == "done"]
    found = [_table(done[done["scale"] == scale], scale) for scale in EVIDENCE]
    return [table for table in found if table]


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
        columns.append((Column(family, "measured", numeric=False), [Cell(found[family]) for _, _, found in lines]))
    headings, cells = laid_out(columns)
    heading = "Tab. 1 of the paper: properties, measured"
    return Table(heading, f"scale {scale}", f"{heading}, scale {scale}", headings, cells, NOTES)


def _lines(static: pd.DataFrame, rows: pd.DataFrame, scale: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    yield (
        f"T within {NEAR:g} point of the ANN",
        "steps",
        {f: _steps(static, methods) for f, methods in FAMILIES.items()},
    )
    at_low = {family: best_of(static, methods, LOW) for family, methods in FAMILIES.items()}
    yield f"accuracy at T = {LOW}", "low", {family: str(best or DASH) for family, best in at_low.items()}
    for dataset, name in EVENTS.items():
        events = rows[(rows["dataset"] == dataset) & (rows["network"] == network_of(dataset, scale))]
        if len(events):
            found = {family: best_of(events, methods) for family, methods in FAMILIES.items()}
            yield f"accuracy on {name}", "events", {family: str(best or DASH) for family, best in found.items()}


def _steps(static: pd.DataFrame, methods: tuple[str, ...]) -> str:
    """The fewest steps with which a method of the family comes near its own parent, else `ann`."""
    means = static.groupby(["method", "timesteps"])["top1"].mean().reset_index().sort_values("timesteps")
    means = means[means["method"].isin(methods)]
    plain = static.loc[static["method"] == "ann", "top1"].mean()
    for line in means.to_dict("records"):
        parents = static.loc[static["method"] == line["method"], "parent_key"].dropna()
        own = static.loc[static["key"].isin(parents), "top1"].mean()
        if line["top1"] >= (plain if pd.isna(own) else own) - NEAR:
            return f"{line['timesteps']} ({line['method']})"
    return f"not reached, T <= {means['timesteps'].max()}" if len(means) else DASH


def best_of(rows: pd.DataFrame, methods: tuple[str, ...], steps: int | None = None) -> Best | None:
    """The method of a family with the best mean; None where it has no run."""
    rows = rows[rows["method"].isin(methods)]
    rows = rows if steps is None else rows[rows["timesteps"] == steps]
    if rows.empty:
        return None
    means = rows.groupby(["method", "timesteps"])["top1"].agg(["mean", "size"]).reset_index()
    best = means.sort_values("mean").iloc[-1]
    return Best(str(best["method"]), float(best["mean"]), int(best["size"]))


NOTES = (
    "Per family its best method by mean accuracy on the test split, variants of ours left out; conversion: "
    f"{', '.join(CONVERSIONS)}; surrogate gradient: {', '.join(SURROGATE)}; DSR: {', '.join(NEURONS)}.",
    "The ANN: of a conversion its own parent, else ann. A conversion of event data sees one frame, the mean over time.",
)
