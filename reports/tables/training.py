"""What training costs: core-seconds, step time and its spread, memory, seconds and joules, also to an accuracy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pandas as pd

from reports.cost import budget, to_accuracy
from reports.cost.costs import ends_of_core_seconds, equally_fast
from reports.cost.progress import followed, on_held_out
from reports.rendering.table import DASH, Cell, Column, Table, laid_out, numbers, span_cell, wall_times, warning_of
from reports.tables.comparison import core_seconds, training_time
from reports.tables.footnotes import BUSY, CORE_SECONDS, CORE_SPEED
from reports.tables.paper import EVIDENCE

TABLE = ["dataset", "network", "scale"]
MEANS = [
    *("train_step_ms", "train_step_ms_iqr", "images_per_second", "peak_memory_bytes", "peak_reserved_bytes"),
    *("true_train_cpu_seconds", "true_train_seconds", "true_train_joules", "core_gflops"),
]
FLAGS = ["memory_from_parent", "step_from_parent", "seconds_with_parent", "cpu_seconds_with_parent", "busy"]
PARENTS = "† includes its parent ANN, or is the parent's where a run has none of its own."
HELD_OUT = (
    "Held-out images: training images that no run trains on, evaluated after every epoch; the test split is read once, "
    "after training. A conversion trains nothing: its accuracy is that on the test split."
)
MEMORY = (
    "Peak memory: resident size of one step above the idle process; it varies widely between runs of one method, so "
    "compare it by tox -e perf."
)
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
    percents = to_accuracy.targets(dataset, scale, wanted)
    rows = measured(rows, curves, percents)
    lines = pd.DataFrame([_line(group) for group in _groups(rows)])
    joules = bool(lines["true_train_joules"].notna().any())
    headings, cells = laid_out(list(_columns(lines, percents, joules)))
    heading = f"Training cost, {network} on {dataset}"
    sources = sorted(set(rows["train_joules_source"].dropna()))
    notes = (*_notes(lines, sources), *followed_notes(rows, lines, percents))
    badge, warning = f"scale {scale}", warning_of(scale)
    return Table(heading, badge, f"{heading}, {badge}", headings, cells, notes, warning, behind=True)


def measured(rows: pd.DataFrame, curves: pd.DataFrame, percents: Sequence[float]) -> pd.DataFrame:
    """Rows of one scale with what they needed to each percentage, and how accurate they were after each budget."""
    of = curves[curves["key"].isin(set(rows["key"]))]
    found = {
        reach(column, percent): to_accuracy.spent(rows, of, percent, column)
        for percent in percents
        for column in REACHED
    }
    if rows["scale"].isin(EVIDENCE).all():
        found |= {within(name): budget.accuracy_within(rows, of, limit) for name, limit in budget.BUDGETS.items()}
    return rows.assign(**found, held_out=on_held_out(rows, followed(of)))


def reach(column: str, percent: float) -> str:
    """The name of the column of what was spent up to a percentage."""
    return f"reach_{column}_{percent:g}"


def within(name: str) -> str:
    """The name of the column of accuracies after a budget."""
    return f"within_{name}"


def compact(
    rows: pd.DataFrame, lines: pd.DataFrame, percents: Sequence[float]
) -> tuple[tuple[Column, ...], tuple[tuple[Cell, ...], ...], tuple[str, ...]]:
    """Columns, rows and notes of a short table; `rows` have been `measured`, `lines` are the ones to show."""
    by_cell = {(method, steps): group for (method, steps), group in rows.groupby(["method", "timesteps"], sort=False)}
    shown = pd.DataFrame(
        [_line(by_cell[cell]) for cell in zip(lines["method"], lines["timesteps"], strict=True)]
    ).reset_index(drop=True)
    memory = numbers((shown["peak_memory_bytes"] / 2**20).tolist(), _marks(shown["memory_from_parent"], "†"), 0)
    tops = numbers(lines["top1"].tolist(), decimals=1)
    headings, cells = laid_out(
        [
            (Column("method", numeric=False), [Cell(method) for method in shown["method"]]),
            (Column("T"), [Cell(str(steps)) for steps in shown["timesteps"]]),
            (Column("n"), [Cell(str(seeds)) for seeds in shown["seeds"]]),
            (Column("accuracy", "%"), tops),
            core_seconds(shown),
            *core_seconds_to(shown, percents),
            *accuracies_after(shown),
            (Column("peak memory", "MiB"), memory),
            *core_speed(shown),
        ]
    )
    parents = [PARENTS] if shown[["memory_from_parent", "cpu_seconds_with_parent"]].any(axis=None) else []
    return headings, cells, (*_core_notes(shown), MEMORY, *followed_notes(rows, shown, percents), *parents)


def _groups(rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for _, method in rows.groupby("method", sort=False):
        yield from (group for _, group in method.groupby("timesteps"))


def _line(group: pd.DataFrame) -> dict[str, object]:
    first = group.iloc[0]
    return (
        {"method": first["method"], "timesteps": first["timesteps"], "seeds": len(group)}
        | {name: group[name].mean(skipna=False) for name in MEANS}
        | {name: bool(group[name].any()) for name in FLAGS}
        | {"alike": equally_fast(group), **ends_of_core_seconds(group)}
        | {str(name): group[name].tolist() for name in group if str(name).startswith(("reach_", "within_"))}
    )


def _columns(lines: pd.DataFrame, percents: Sequence[float], joules: bool) -> Iterator[tuple[Column, list[Cell]]]:
    busy, memory = lines["busy"], _marks(lines["memory_from_parent"], "†")
    step, seconds = _marks(lines["step_from_parent"], "†"), _marks(lines["seconds_with_parent"], "†")
    yield Column("method", numeric=False), [Cell(method) for method in lines["method"]]
    yield Column("T"), [Cell(str(steps)) for steps in lines["timesteps"]]
    yield Column("n"), [Cell(str(seeds)) for seeds in lines["seeds"]]
    yield core_seconds(lines)
    yield from core_seconds_to(lines, percents)
    yield from core_speed(lines)
    yield from accuracies_after(lines)
    yield Column("train step", "ms, median"), wall_times(lines["train_step_ms"].tolist(), busy, step)
    yield Column("spread", "ms, IQR", detail=True), wall_times(lines["train_step_ms_iqr"].tolist(), busy)
    yield Column("images", "per second"), wall_times(lines["images_per_second"].tolist(), busy)
    yield Column("peak memory", "MiB"), numbers((lines["peak_memory_bytes"] / 2**20).tolist(), memory)
    if lines["peak_reserved_bytes"].notna().any():
        yield Column("reserved", "MiB"), numbers((lines["peak_reserved_bytes"] / 2**20).tolist())
    yield training_time(lines)
    for percent in percents:
        needed = lines[reach("train_seconds", percent)].tolist()
        yield Column(f"time to {percent:g} %", "s"), _cells(needed, seconds, busy)
    if joules:
        yield Column("energy", "J"), numbers(lines["true_train_joules"].tolist(), seconds)
        for percent in percents:
            needed = lines[reach("train_joules", percent)].tolist()
            yield Column(f"energy to {percent:g} %", "J"), _cells(needed, seconds)


def core_seconds_to(lines: pd.DataFrame, percents: Sequence[float]) -> Iterator[tuple[Column, list[Cell]]]:
    """Core-seconds to each percentage, of those that any line is known to have needed."""
    marks = _marks(lines["cpu_seconds_with_parent"], "†")
    for percent in percents:
        needed = lines[reach("train_cpu_seconds", percent)]
        if _any_number(needed):
            cells = _cells(needed.tolist(), marks)
            yield Column(f"to {percent:g} %", "core-seconds"), _spans(cells, needed.tolist(), lines)


def core_speed(lines: pd.DataFrame) -> Iterator[tuple[Column, list[Cell]]]:
    """How fast a core was, where that is known of any line."""
    if lines["core_gflops"].notna().any():
        yield Column("core speed", "GFLOP/s"), numbers(lines["core_gflops"].tolist(), decimals=0)


def _core_notes(lines: pd.DataFrame) -> Iterator[str]:
    yield CORE_SECONDS
    if any(True for _ in core_speed(lines)):
        yield CORE_SPEED


def accuracies_after(lines: pd.DataFrame) -> Iterator[tuple[Column, list[Cell]]]:
    """Mean accuracy after each budget, and of how many seeds where not of all; only budgets that any line can tell."""
    for name in budget.BUDGETS:
        if within(name) in lines and any(not math.isnan(value) for values in lines[within(name)] for value in values):
            cells = [_mean_of_known(values) for values in lines[within(name)]]
            yield Column(f"after {name}", "%"), _spans(cells, lines[within(name)].tolist(), lines, 1)


def _mean_of_known(values: list[float]) -> Cell:
    known = [value for value in values if not math.isnan(value)]
    some = f" ({len(known)} of {len(values)})" if known and len(known) < len(values) else ""
    return Cell(f"{sum(known) / len(known):.1f}{some}") if known else Cell(DASH)


def _spans(
    cells: list[Cell], values: list[list[float]], lines: pd.DataFrame, decimals: int | None = None
) -> list[Cell]:
    """The cells, and in place of a mean over unlike cores the least and the most of its seeds."""
    return [
        cell
        if alike or any(map(_no_number, seeds)) or len({*seeds}) == 1
        else span_cell(min(seeds), max(seeds), cell.marks, decimals)
        for cell, seeds, alike in zip(cells, values, lines["alike"], strict=True)
    ]


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


def _notes(lines: pd.DataFrame, sources: list[str]) -> Iterator[str]:
    yield (
        "Train step: forward, backward and update of a batch, median and interquartile range over the last epoch. "
        "Images per second: whole epochs, loading included. Peak memory: of one whole step above the idle process, "
        "resident size on a CPU, allocated on a GPU; reserved: the GPU allocator's peak."
    )
    yield from _core_notes(lines)
    yield (
        f"Energy: joules that the machine's own counters saw while training ({'; '.join(sources)})."
        if sources
        else "Joules of training: not available; no counter could be read where these runs were made."
    )
    if lines[[*FLAGS[:-1]]].any(axis=None):
        yield PARENTS
    if lines["busy"].any():
        yield BUSY


def followed_notes(rows: pd.DataFrame, lines: pd.DataFrame, percents: Sequence[float]) -> Iterator[str]:
    """What columns of accuracies during training are measured on; `rows` have been `measured`."""
    trained = rows[rows["epochs"] > 0]
    held_out = bool(trained["held_out"].any())
    images = "held-out images are" if held_out else "test split is"
    if percents:
        yield (
            f"To {' and '.join(f'{percent:g}' for percent in percents)} %: training until the {images} first "
            f"classified so well, evaluation excluded; k of n: so many seeds got there; {DASH} no curve was exported. "
            "dsr-bench report --reach takes another percentage."
        )
    budgets = any(True for _ in accuracies_after(lines))
    if budgets:
        limits = " and ".join(f"{limit:,}" for limit in budget.BUDGETS.values())
        yield (
            f"After {' and '.join(budget.BUDGETS)}: percent of the {images.rsplit(' ', 1)[0]} after the last epoch "
            f"that ends within that time of {budget.CORES} cores ({limits} core-seconds), mean over n seeds, or over k "
            f"of n; {DASH} no epoch ends so early, or no curve says when. A schedule made for that budget would end "
            "higher: here the learning rate has not fallen yet."
        )
    if held_out and (percents or budgets):
        yield HELD_OUT
