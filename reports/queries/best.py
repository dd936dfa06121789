"""Which committed lines keep to some bounds, best first: `dsr-bench best --max-energy 40uJ --min-accuracy 45`.

One table per dataset, network and scale. A line is on the front of accuracy and energy if no line beside it has at
least its accuracy for at most its energy, and more of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pandas as pd

from benchmarks.spec import BadInput, require
from reports.cost.costs import with_costs
from reports.energy import constants
from reports.energy.models import ONCE, EnergyModel
from reports.figures import pareto
from reports.queries.bounds import COLUMNS, Bounds
from reports.rendering.table import Cell, Column, Table, laid_out, numbers, warning_of
from reports.tables.comparison import (
    TABLE,
    accuracy_cell,
    aggregate,
    core_seconds,
    energy_column,
    marked,
    origin,
    read,
    training_time,
)
from reports.tables.footnotes import notes

FRONT = "§"
ORDERS = {**COLUMNS, "core-seconds": "true_train_cpu_seconds", "time": "quiet_train_seconds"}
ORDERS.pop("timesteps")


@dataclass(frozen=True)
class Question:
    """What is asked: bounds, which tables (None: all), what is best, and how many lines of each table are shown."""

    bounds: Bounds = field(default_factory=Bounds)
    dataset: str | None = None
    scale: str | None = None
    by: str = "accuracy"
    count: int = 10

    def __post_init__(self) -> None:
        """Raises BadInput for an order that there is none of, and for less than one line."""
        require(self.by, ORDERS, "order (--by)")
        if self.count < 1:
            raise BadInput(f"--count must be at least 1, not {self.count}")


@dataclass(frozen=True)
class Answer:
    """Tables of the lines that keep to the bounds; a sentence for each group of lines that has none."""

    tables: Sequence[Table]
    misses: Sequence[str]
    origin: dict[str, str]


def answer(paths: Iterable[Path], question: Question, energy_path: Path | None = None) -> Answer:
    """Answer from CSV files alone. Raises BadInput for files, constants, data sets and scales that are none."""
    model = constants.read(energy_path).headline
    rows = read(paths)
    lines = aggregate(with_costs(rows, model))
    lines = _chosen(lines[lines["seeds"] > 0], question)
    tables, misses, shown = [], [], rows["key"].isin([])
    for identity, group in lines.groupby(TABLE, sort=False):
        there = group.to_dict("records")
        kept = group[[not question.bounds.misses(line) for line in there]]
        if kept.empty:
            misses.append(_nearest(there, question.bounds))
        else:
            beside = (rows[TABLE] == list(cast("tuple[Any, ...]", identity))).all(axis=1)
            tables.append(_table(kept, group, rows[beside], question, model))
            shown |= beside
    return Answer(tables, misses, origin(rows[shown]))


def _chosen(lines: pd.DataFrame, question: Question) -> pd.DataFrame:
    for name in ("dataset", "scale"):
        wanted = getattr(question, name)
        if wanted is not None:
            require(wanted, lines[name].unique().tolist(), f"{name} in these rows")
            lines = lines[lines[name] == wanted]
    if lines.empty:
        raise BadInput("these files hold no finished run that fits")
    return lines


def front(lines: pd.DataFrame) -> pd.Series:
    """Which lines are on the front of accuracy (more is better) and energy (less is better); none lacks either."""
    known = lines[["energy_events_microjoules", "top1"]].dropna()
    energies, accuracies = known["energy_events_microjoules"].tolist(), known["top1"].tolist()
    best_points = {(energies[index], accuracies[index]) for index in pareto.front(energies, accuracies)}
    points = zip(lines["energy_events_microjoules"], lines["top1"], strict=True)
    return pd.Series([point in best_points for point in points], index=lines.index, dtype=bool)


def _nearest(lines: Sequence[dict[Any, Any]], bounds: Bounds) -> str:
    """The line whose largest miss, as a share of its bound, is smallest."""
    line = min(lines, key=lambda line: sorted(bounds.misses(line).values(), reverse=True))
    where = f"{line['network']} on {line['dataset']}, scale {line['scale']}"
    nearest = f"nearest is {line['method']} T={line['timesteps']}: {bounds.described(line)}"
    return f"{where}: none of {len(lines)} lines meets the bounds ({bounds}); {nearest}"


def _table(
    kept: pd.DataFrame, group: pd.DataFrame, rows: pd.DataFrame, question: Question, model: EnergyModel
) -> Table:
    """`kept` are those of `group` that meet the bounds; `rows` are what the group was made of."""
    accurate = question.by == "accuracy"
    lines = kept.sort_values(ORDERS[question.by], ascending=not accurate, kind="stable").head(question.count)
    first = lines.iloc[0]
    heading, badge = f"{first['network']} on {first['dataset']}", f"scale {first['scale']}"
    headings, cells = laid_out(_columns(lines, front(group)[lines.index]))
    shown = rows.merge(lines[["method", "timesteps"]])
    order = "highest accuracy" if accurate else f"least {question.by}"
    lines_there = f"{len(group)} line{'' if len(group) == 1 else 's'}"
    fit = lines_there if question.bounds == Bounds() else f"{len(kept)} of {lines_there} fit"
    some = f", {len(lines)} shown" if len(lines) < len(kept) else ""
    return Table(
        heading=heading,
        badge=badge,
        title=f"{heading}, {badge}: {fit}{some}, {order} first",
        columns=headings,
        rows=cells,
        notes=(*_notes(question.bounds, group, shown), *notes(lines, shown, model)),
        warning=warning_of(first["scale"]),
    )


def _notes(bounds: Bounds, group: pd.DataFrame, shown: pd.DataFrame) -> Iterator[str]:
    yield f"{FRONT} on the front of accuracy and energy of all {len(group)} lines, by their means."
    images = shown["test_images"].dropna()
    if images.nunique() > 1:
        yield f"Lines were tested on {images.min():,.0f} to {images.max():,.0f} images: see the intervals."
    if bounds != Bounds():
        yield f"Bounds, held against means: {bounds}."


def _columns(lines: pd.DataFrame, on_front: pd.Series) -> list[tuple[Column, list[Cell]]]:
    mebibytes = (lines["peak_memory_bytes"] / 2**20).tolist()
    return [
        (Column("method", numeric=False), [*map(Cell, lines["method"], marked(on_front, FRONT))]),
        (Column("T"), [Cell(str(steps)) for steps in lines["timesteps"]]),
        (Column("n"), [Cell(str(seeds)) for seeds in lines["seeds"]]),
        (Column("accuracy", "%, 95 %"), [accuracy_cell(line) for line in lines.to_dict("records")]),
        (energy_column(ONCE), numbers(lines["energy_events_microjoules"].tolist())),
        (Column("peak memory", "MiB"), numbers(mebibytes, marked(lines["memory_from_parent"], "†"))),
        core_seconds(lines),
        training_time(lines),
    ]
