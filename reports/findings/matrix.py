"""Accuracy as a matrix, methods down and T across; methods without a time axis have one number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from benchmarks.recipes import timeless
from reports.comparison import TABLE, accuracy_cell, aggregate
from reports.lines import kinds
from reports.paper_tables import EVIDENCE
from reports.table import DASH, Cell, Column, Table, laid_out, numbers

Identity = tuple[str, str, str]
"""Data set, network and scale."""
SEEDS = (
    "Percent of the test images, last epoch. ± half the 95 % Student t interval of n seeds; (a, b): the values of "
    "two seeds; (low–high): one seed, Wilson's interval over its test images."
)
MEANS = "Percent of the test images; ′: one seed, else the mean of all. Parents are in the table of accuracies."


def accuracies(frame: pd.DataFrame) -> list[Table]:
    """One per data set, network and scale: every method at the T that a trained spiking method was run at."""
    found = []
    for identity, lines, kind in _tables(frame):
        trained = lines[(lines["method"].map(kind) == "trained") & ~lines["method"].str.contains("@")]
        steps = sorted(set(trained["timesteps"]))
        shown = lines[lines["timesteps"].isin(steps) | lines["method"].map(_still(kind))]
        shown = shown[~shown["method"].str.contains("@") | (shown["method"].map(kind) != "trained")]
        found.append(_table("Accuracy", identity, shown, kind, steps, SEEDS))
    return found


def variants(frame: pd.DataFrame) -> list[Table]:
    """Trained methods with parameters of their neuron changed, `method@...`, beside the method itself."""
    found = []
    for identity, lines, kind in _tables(frame):
        changed = lines[lines["method"].str.contains("@", regex=False) & (lines["method"].map(kind) == "trained")]
        bases = set(changed["method"].str.split("@").str[0])
        steps = sorted(set(changed["timesteps"]))
        shown = lines[lines["method"].isin({*changed["method"], *bases}) & lines["timesteps"].isin(steps)]
        if steps:
            found.append(_table("Variants", identity, shown, kind, steps, SEEDS))
    return found


def conversions(frame: pd.DataFrame) -> list[Table]:
    """Conversions at every T they were run at, means alone: of data sets, networks and scales with four T or more."""
    found = []
    for identity, lines, kind in _tables(frame):
        converted = lines[lines["method"].map(kind) == "converted"]
        steps = sorted(set(converted["timesteps"]))
        if len(steps) > 3:
            found.append(
                _table("Conversions against T", identity, converted, kind, steps, MEANS + _images(frame, identity))
            )
    return found


def _images(frame: pd.DataFrame, identity: Identity) -> str:
    """On how many images, where runs were not all tested on as many."""
    here = (frame[TABLE] == list(identity)).all(axis=1) & (frame["epochs"] == 0) & (frame["status"] == "done")
    least, most = frame.loc[here, "test_images"].min(), frame.loc[here, "test_images"].max()
    return f" Tested on {least:,.0f} to {most:,.0f} images." if least < most else ""


def _tables(frame: pd.DataFrame) -> Iterator[tuple[Identity, pd.DataFrame, dict[str, str]]]:
    done = frame[(frame["status"] == "done") & frame["scale"].isin(EVIDENCE)]
    lines = aggregate(frame[frame["scale"].isin(EVIDENCE)])
    for (dataset, network, scale), found in lines[lines["top1"].notna()].groupby(TABLE, sort=False):
        here = done[(done["dataset"] == dataset) & (done["network"] == network) & (done["scale"] == scale)]
        yield (str(dataset), str(network), str(scale)), found, kinds(here)


def _still(kind: dict[str, str]) -> dict[str, bool]:
    return {method: timeless(method) or what == "still" for method, what in kind.items()}


def _table(
    what: str,
    identity: Identity,
    lines: pd.DataFrame,
    kind: dict[str, str],
    steps: Sequence[int],
    note: str,
) -> Table:
    dataset, network, scale = identity
    cells = {(line["method"], line["timesteps"]): line for line in lines.to_dict("records")}
    methods, still = list(dict.fromkeys(lines["method"])), _still(kind)
    columns: list[tuple[Column, list[Cell]]] = [(Column("method", numeric=False), [Cell(one) for one in methods])]
    whole = note is SEEDS
    if whole and any(still[method] for method in methods):
        columns.append((Column("no T"), [_cell(cells.get((m, 1)) if still[m] else None, whole) for m in methods]))
    for at in steps:
        column = [_cell(None if still[m] else cells.get((m, at)), whole) for m in methods]
        columns.append((Column(f"T = {at}"), column))
    headings, rows = laid_out(columns)
    heading = f"{what}, {network} on {dataset}"
    return Table(heading, f"scale {scale}", f"{heading}, scale {scale}", headings, rows, (note,))


def _cell(line: dict | None, whole: bool) -> Cell:
    """With its interval, or the mean alone with a mark for one seed."""
    if line is None:
        return Cell(DASH)
    if not whole:
        return Cell(numbers([line["top1"]], decimals=1)[0].text, "′" if line["seeds"] == 1 else "")
    found = accuracy_cell(line)
    return Cell(f"{found.text} (n = {line['seeds']})") if line["interval"] == "student-t" else found
