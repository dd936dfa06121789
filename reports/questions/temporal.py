"""What is kept of the gradient through time, and what does it buy? Methods by what they keep, at one T of one network.

Nothing (DSR: rates or representations are differentiated), the gradient within a step (SLTT, OTTT), or all of it
(backpropagation through time). What a method keeps is stated in the catalogue (`Facts.temporal_gradient`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, get_args

import pandas as pd

from benchmarks.catalogue import BUILT_IN, facts, runs_on
from benchmarks.catalogue.facts import TemporalGradient
from reports.rendering.table import Cell, Column, Table, laid_out, numbers
from reports.tables import comparison
from reports.tables.footnotes import CORE_SECONDS, INTERVALS, PARENT
from reports.tables.paper import EVIDENCE
from reports.tables.run_cards import anchor

KINDS: tuple[str, ...] = get_args(TemporalGradient)
NOTE = (
    "Kept: how far the loss of a step is differentiated into the past. All: through the membranes to the currents of "
    "all steps before; within a step: not beyond the step; none: neurons are differentiated through their rates or "
    "representations. Methods differ in neuron, norm and loss too: sltt and sltt-bptt alone differ in nothing else."
)


class Kept(NamedTuple):
    """Lines of methods that keep different parts of the gradient, at one T of one network, and who has no line."""

    dataset: str
    network: str
    scale: str
    timesteps: int
    lines: pd.DataFrame
    missing: tuple[str, ...]


def kept_by(method: str) -> str:
    """What a method keeps of the gradient through time; empty for one that states nothing."""
    about = facts(method)
    return (about.temporal_gradient if about else None) or ""


def groups(lines: pd.DataFrame) -> Iterator[Kept]:
    """One per data set, network and scale where two kinds were run at one T: that at which most methods were.

    `lines`: aggregated ones (`reports.tables.comparison`). Variants are left out.
    """
    plain = lines[(lines["seeds"] > 0) & lines["scale"].isin(EVIDENCE) & ~lines["method"].str.contains("@")]
    stated = plain[plain["method"].map(kept_by).isin(KINDS)]
    for (dataset, network, scale), rows in stated.groupby(comparison.TABLE, sort=False):
        by_steps = {int(steps): rows[rows["timesteps"] == steps] for steps in rows["timesteps"].unique()}
        compared = {steps: part for steps, part in by_steps.items() if part["method"].map(kept_by).nunique() > 1}
        if compared:
            steps = max(compared, key=lambda at: (len(compared[at]), at))
            missing = _missing(str(network), set(compared[steps]["method"]))
            yield Kept(str(dataset), str(network), str(scale), steps, _in_order(compared[steps]), missing)


def _missing(network: str, there: set[str]) -> tuple[str, ...]:
    """Methods that state what they keep, could run on the network, are matched to DSR's recipe and have no line."""
    stated = [name for name in BUILT_IN if kept_by(name) and runs_on(name, network) and "published" not in name]
    return tuple(name for name in stated if name not in there)


def _in_order(lines: pd.DataFrame) -> pd.DataFrame:
    """By what is kept, from nothing to all; within that as they came."""
    return lines.sort_values("method", key=lambda names: names.map(kept_by).map(KINDS.index), kind="stable")


def tables_of(lines: pd.DataFrame) -> list[Table]:
    """A table per group."""
    return [_table(group) for group in groups(lines)]


def _table(group: Kept) -> Table:
    lines = group.lines
    of_parent = comparison.marked(lines["memory_from_parent"], "†")
    columns: list[tuple[Column, list[Cell]]] = [
        (Column("kept", numeric=False), [Cell(kept_by(method)) for method in lines["method"]]),
        (
            Column("method", numeric=False),
            [Cell(line["method"], link=anchor(line)) for line in lines.to_dict("records")],
        ),
        (Column("n"), [Cell(str(seeds)) for seeds in lines["seeds"]]),
        (Column("accuracy", "%, 95 %"), [comparison.accuracy_cell(line) for line in lines.to_dict("records")]),
        comparison.core_seconds(lines),
        (Column("peak memory", "MiB"), numbers((lines["peak_memory_bytes"] / 2**20).tolist(), of_parent)),
    ]
    headings, cells = laid_out(columns)
    heading = f"What is kept of the temporal gradient? T = {group.timesteps}, {group.network} on {group.dataset}"
    badge = f"scale {group.scale}"
    return Table(heading, badge, f"{heading}, {badge}", headings, cells, tuple(_notes(group)))


def _notes(group: Kept) -> Iterator[str]:
    lines = group.lines
    yield NOTE
    kinds = [text for kind, text in INTERVALS.items() if lines["interval"].eq(kind).any()]
    yield " ".join(["Accuracy: last epoch on the test split.", *kinds])
    yield CORE_SECONDS
    if lines[["memory_from_parent", "cpu_seconds_with_parent"]].any(axis=None):
        yield PARENT
    absent = [kind for kind in KINDS if not (lines["method"].map(kept_by) == kind).any()]
    if absent:
        yield f"No run of a method that keeps: {', '.join(absent)}."
    if group.missing:
        yield f"Without a run here: {', '.join(group.missing)}."
