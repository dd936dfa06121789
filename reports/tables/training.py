"""What training costs: core-seconds, step time and its spread, memory, seconds and joules, also to an accuracy."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from reports.cost import to_accuracy
from reports.rendering.table import DASH, Cell, Column, Table, laid_out, numbers, wall_times, warning_of
from reports.tables.comparison import core_seconds, training_time
from reports.tables.footnotes import BUSY, CORE_SECONDS

TABLE = ["dataset", "network", "scale"]
MEANS = [
    *("train_step_ms", "train_step_ms_iqr", "images_per_second", "peak_memory_bytes", "peak_reserved_bytes"),
    *("true_train_cpu_seconds", "true_train_seconds", "true_train_joules"),
]
FLAGS = ["memory_from_parent", "step_from_parent", "seconds_with_parent", "cpu_seconds_with_parent", "busy"]
REACHED = ("train_cpu_seconds", "train_seconds", "train_joules")


def compare_training(costed: pd.DataFrame, curves: pd.DataFrame, wanted: float | None = None) -> list[Table]:
    """One table for every dataset, network and scale with a finished run. `wanted`: percent to reach."""
    done = costed[costed["status"] == "done"]
    return [
        _table(str(dataset), str(network), str(scale), rows, curves, wanted)
        for (dataset, network, scale), rows in done.groupby(TABLE, sort=False)
    ]


def _table(
    dataset: str, network: str, scale: str, rows: pd.DataFrame, curves: pd.DataFrame, wanted: float | None
) -> Table:
    percent = to_accuracy.target(dataset, scale, wanted)
    for column in REACHED:
        rows = rows.assign(**{f"reach_{column}": _reached(rows, curves, percent, column)})
    lines = pd.DataFrame([_line(group) for group in _groups(rows)])
    joules = bool(lines["true_train_joules"].notna().any())
    headings, cells = laid_out(list(_columns(lines, percent, joules)))
    heading = f"Training cost, {network} on {dataset}"
    sources = sorted(set(rows["train_joules_source"].dropna()))
    notes = tuple(_notes(lines, percent, sources))
    badge, warning = f"scale {scale}", warning_of(scale)
    return Table(heading, badge, f"{heading}, {badge}", headings, cells, notes, warning, behind=True)


def _groups(rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for _, method in rows.groupby("method", sort=False):
        yield from (group for _, group in method.groupby("timesteps"))


def _reached(rows: pd.DataFrame, curves: pd.DataFrame, percent: float | None, column: str) -> pd.Series:
    return pd.Series(math.nan, rows.index) if percent is None else to_accuracy.spent(rows, curves, percent, column)


def _line(group: pd.DataFrame) -> dict[str, object]:
    first = group.iloc[0]
    return (
        {"method": first["method"], "timesteps": first["timesteps"], "seeds": len(group)}
        | {name: group[name].mean(skipna=False) for name in MEANS}
        | {name: bool(group[name].any()) for name in FLAGS}
        | {name: group[name].tolist() for name in (f"reach_{column}" for column in REACHED)}
    )


def _columns(lines: pd.DataFrame, percent: float | None, joules: bool) -> Iterator[tuple[Column, list[Cell]]]:
    busy, memory = lines["busy"], _marks(lines["memory_from_parent"], "†")
    step, seconds = _marks(lines["step_from_parent"], "†"), _marks(lines["seconds_with_parent"], "†")
    yield Column("method", numeric=False), [Cell(method) for method in lines["method"]]
    yield Column("T"), [Cell(str(steps)) for steps in lines["timesteps"]]
    yield Column("n"), [Cell(str(seeds)) for seeds in lines["seeds"]]
    yield core_seconds(lines)
    if percent is not None and _any_number(lines["reach_train_cpu_seconds"]):
        marks = _marks(lines["cpu_seconds_with_parent"], "†")
        yield Column(f"to {percent:g} %", "core-seconds"), _cells(lines["reach_train_cpu_seconds"].tolist(), marks)
    yield Column("train step", "ms, median"), wall_times(lines["train_step_ms"].tolist(), busy, step)
    yield Column("spread", "ms, IQR", detail=True), wall_times(lines["train_step_ms_iqr"].tolist(), busy)
    yield Column("images", "per second"), wall_times(lines["images_per_second"].tolist(), busy)
    yield Column("peak memory", "MiB"), numbers((lines["peak_memory_bytes"] / 2**20).tolist(), memory)
    if lines["peak_reserved_bytes"].notna().any():
        yield Column("reserved", "MiB"), numbers((lines["peak_reserved_bytes"] / 2**20).tolist())
    yield training_time(lines)
    if percent is not None:
        yield Column(f"time to {percent:g} %", "s"), _cells(lines["reach_train_seconds"].tolist(), seconds, busy)
    if joules:
        yield Column("energy", "J"), numbers(lines["true_train_joules"].tolist(), seconds)
    if joules and percent is not None:
        yield Column(f"energy to {percent:g} %", "J"), _cells(lines["reach_train_joules"].tolist(), seconds)


def _marks(flags: pd.Series, mark: str) -> list[str]:
    return [mark if flag else "" for flag in flags]


def _any_number(lines: pd.Series) -> bool:
    return any(not _no_number(value) for values in lines for value in values)


def _cells(lines: list[list[float]], marks: list[str], busy: pd.Series | None = None) -> list[Cell]:
    """Means where every seed got there; how many did where some did; never where none did; a dash where unknown."""
    means = [math.nan if any(map(_no_number, values)) else sum(values) / len(values) for values in lines]
    shown = numbers(means, marks) if busy is None else wall_times(means, busy, marks)
    return [
        cell if not math.isnan(mean) or any(map(math.isnan, values)) else Cell(_share(values))
        for cell, mean, values in zip(shown, means, lines, strict=True)
    ]


def _no_number(value: float) -> bool:
    return math.isnan(value) or value == to_accuracy.NEVER


def _share(values: list[float]) -> str:
    there = sum(value != to_accuracy.NEVER for value in values)
    return f"{there} of {len(values)}" if there else "never"


def _notes(lines: pd.DataFrame, percent: float | None, sources: list[str]) -> Iterator[str]:
    yield (
        "Train step: forward, backward and update of a batch, median and interquartile range over the last epoch. "
        "Images per second: whole epochs, loading included. Peak memory: of one whole step above the idle process, "
        "resident size on a CPU, allocated on a GPU; reserved: the GPU allocator's peak."
    )
    yield CORE_SECONDS
    if percent is not None:
        yield (
            f"To {percent:g} %: training until the test split is first classified so well, evaluation excluded; "
            f"k of n: so many seeds got there; {DASH} no curve was exported. "
            "dsr-bench report --reach takes another percentage."
        )
    yield (
        f"Energy: joules that the machine's own counters saw while training ({'; '.join(sources)})."
        if sources
        else "Joules of training: not available; no counter could be read where these runs were made."
    )
    if lines[[*FLAGS[:-1]]].any(axis=None):
        yield "† includes its parent ANN, or is the parent's where a run has none of its own."
    if lines["busy"].any():
        yield BUSY
