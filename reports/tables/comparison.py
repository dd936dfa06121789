"""From rows to lines: one table per dataset, network and scale, one line per method and T.

A line is the mean over the finished seeds. A mean exists only if every one of them has the value: a mean over some
would be another quantity than its neighbours. Numbers stay raw up to `compare`, which alone turns them into text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pandas as pd

from reports.cost.costs import ends_of_core_seconds
from reports.energy.models import DENSE, EVERY_STEP, FP32_45NM, ONCE, EnergyModel
from reports.inputs.rows import read
from reports.rendering.table import (
    Cell,
    Column,
    Table,
    interval_cell,
    laid_out,
    numbers,
    span_cell,
    wall_times,
    warning_of,
)
from reports.statistics.intervals import Interval, interval
from reports.tables.footnotes import notes
from reports.tables.run_cards import anchor

__all__ = ["TABLE", "accuracy_cell", "aggregate", "compare", "marked", "origin", "read"]

TABLE = ["dataset", "network", "scale"]
MEANS = [
    "top1_best",
    "top1_validation_selected",
    "validation_top1",
    "energy_events_microjoules",
    "energy_events_every_step_microjoules",
    "energy_dense_microjoules",
    "firing_rate",
    "activation_bits",
    "peak_memory_bytes",
    "peak_reserved_bytes",
    "train_step_ms",
    "train_step_ms_iqr",
    "images_per_second",
    "true_train_cpu_seconds",
    "true_train_seconds",
    "quiet_train_seconds",
    "true_train_joules",
]
FLAGS = ["memory_from_parent", "step_from_parent", "seconds_with_parent", "cpu_seconds_with_parent", "busy", "spiking"]


def aggregate(costed: pd.DataFrame) -> pd.DataFrame:
    """The raw numbers of every line of every table: methods as they first appear in a table, T ascending.

    `costed`: rows with their costs (`reports.cost.costs`), which are computed once per report.
    """
    lines = [
        _line(dict(zip([*TABLE, "method", "timesteps"], identity, strict=True)), group)
        for _, table in costed.groupby(TABLE, sort=False)
        for _, method in table.groupby("method", sort=False)
        for identity, group in method.groupby([*TABLE, "method", "timesteps"])
    ]
    return pd.DataFrame(lines)


def _line(identity: dict[str, Any], group: pd.DataFrame) -> dict[str, Any]:
    done = group[group["status"] == "done"]
    top1 = interval(done["top1"].tolist(), done["test_images"].tolist())
    return (
        identity
        | {"seeds": len(done), "failed": len(group) - len(done)}
        | {"out_of_memory": int((group["status"] == "out-of-memory").sum())}
        | {"top1": top1.mean, "top1_low": top1.low, "top1_high": top1.high, "interval": top1.kind}
        | {name: done[name].mean(skipna=False) for name in MEANS}
        | {name: bool(done[name].any()) for name in FLAGS}
        | ends_of_core_seconds(done)
    )


def compare(frame: pd.DataFrame, lines: pd.DataFrame, model: EnergyModel = FP32_45NM) -> list[Table]:
    """The tables of all rows, formatted; different datasets, networks or scales never share one.

    `lines`: the rows' lines, made by `aggregate`.
    """
    rows = dict(iter(frame.groupby(TABLE, sort=False)))
    return [_table(table, rows[identity], model) for identity, table in lines.groupby(TABLE, sort=False)]


def _table(lines: pd.DataFrame, rows: pd.DataFrame, model: EnergyModel) -> Table:
    first, columns = lines.iloc[0], _columns(lines)
    headings, cells = laid_out(columns)
    heading, scale = f"{first['network']} on {first['dataset']}", first["scale"]
    return Table(
        heading=heading,
        badge=f"scale {scale}",
        title=f"{heading}, scale {scale}, {seeds(lines['seeds'])}",
        columns=headings,
        rows=cells,
        notes=tuple(notes(lines, rows, model)),
        warning=warning_of(scale),
        behind=True,
    )


def _columns(lines: pd.DataFrame) -> list[tuple[Column, list[Cell]]]:
    mebibytes = lines["peak_memory_bytes"] / 2**20
    return [
        (
            Column("method", numeric=False),
            [Cell(line["method"], link=anchor(line)) for line in lines.to_dict("records")],
        ),
        (Column("T"), [Cell(str(steps)) for steps in lines["timesteps"]]),
        (Column("n"), [Cell(str(seeds)) for seeds in lines["seeds"]]),
        (Column("accuracy", "%, 95 %"), [accuracy_cell(line) for line in lines.to_dict("records")]),
        (Column("best on test", "%", detail=True), numbers(lines["top1_best"].tolist(), decimals=2)),
        (
            Column("selected on validation", "%", detail=True),
            numbers(lines["top1_validation_selected"].tolist(), decimals=2),
        ),
        *_held_out(lines),
        (energy_column(ONCE), numbers(lines["energy_events_microjoules"].tolist())),
        (energy_column(EVERY_STEP, True), numbers(lines["energy_events_every_step_microjoules"].tolist())),
        (energy_column(DENSE, True), numbers(lines["energy_dense_microjoules"].tolist())),
        (Column("firing rate", "per step", detail=True), numbers(lines["firing_rate"].tolist(), decimals=3)),
        (Column("peak memory", "MiB"), numbers(mebibytes.tolist(), marked(lines["memory_from_parent"], "†"))),
        core_seconds(lines),
        (
            Column("train step", "ms", detail=True),
            wall_times(lines["train_step_ms"].tolist(), lines["busy"], marked(lines["step_from_parent"], "†")),
        ),
        training_time(lines),
    ]


def _held_out(lines: pd.DataFrame) -> Iterable[tuple[Column, list[Cell]]]:
    """Accuracy on held-out training images after the last epoch, where any line has it."""
    if lines["validation_top1"].notna().any():
        yield Column("held out", "%", detail=True), numbers(lines["validation_top1"].tolist(), decimals=2)


def energy_column(count: str, detail: bool = False) -> Column:
    """The heading of one of `reports.energy.models`'s counts."""
    return Column(f"energy: {count}", "µJ/image", detail=detail)


def core_seconds(lines: pd.DataFrame) -> tuple[Column, list[Cell]]:
    """Core-seconds of training, parents' among them: the mean of seeds, their ends where cores were not alike."""
    marks = marked(lines["cpu_seconds_with_parent"], "†")
    cells = numbers(lines["true_train_cpu_seconds"].tolist(), marks)
    return Column("training", "core-seconds"), [
        cell if math.isnan(low) else span_cell(low, high, cell.marks)
        for cell, low, high in zip(cells, lines["core_seconds_low"], lines["core_seconds_high"], strict=True)
    ]


def training_time(lines: pd.DataFrame) -> tuple[Column, list[Cell]]:
    """Seconds of training by the clock, parents' among them, where no other work ran beside."""
    marks = marked(lines["seconds_with_parent"], "†")
    return Column("training time", "s"), wall_times(lines["true_train_seconds"].tolist(), lines["busy"], marks)


def accuracy_cell(line: dict[Any, Any]) -> Cell:
    """A line's mean with its interval."""
    if line["out_of_memory"] and not line["seeds"]:
        return Cell("out of memory")
    return interval_cell(Interval(line["top1"], line["top1_low"], line["top1_high"], line["interval"]))


def marked(flags: Iterable[bool], mark: str) -> list[str]:
    """The mark where a flag is set."""
    return [mark if flag else "" for flag in flags]


def seeds(counts: pd.Series) -> str:
    """How many seeds the lines have, in words."""
    least, most = counts.min(), counts.max()
    return f"n = {most} {'seed' if most == 1 else 'seeds'}" if least == most else f"n = {least} to {most} seeds"


def origin(frame: pd.DataFrame) -> dict[str, str]:
    """Where the rows come from: data, commits, machines and dates, for the foot of a page."""
    commits = frame["commit"].str[:12] + frame["dirty"].eq("True").map({True: " (dirty)", False: ""})
    machines = frame["machine"].str.cat(frame["device"], sep=", ")
    dates = sorted(set(frame["started"].dropna().str[:10]))
    data = frame["dataset"].str.cat(frame["data_source"], sep=": ")
    stale = frame.attrs.get("stale", [])
    left_out = {"left out, for their parent has been trained again and they have not": "; ".join(stale)}
    return (left_out if stale else {}) | {
        "data": "; ".join(sorted(set(data.dropna()))),
        "commits": "; ".join(sorted(set(commits.dropna()))),
        "machines": "; ".join(sorted(set(machines.dropna()))),
        "dates": " to ".join(dict.fromkeys([dates[0], dates[-1]])) if dates else "",
    }
