"""Methods down, T across: the form of every table that is read first; what is behind a number stands behind it.

A method without a time axis has one number, in a column of its own. Many T are cut into several tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from reports.energy.models import FEW_BITS, ONCE, T_OF_BITS, EnergyModel, has_few_bits
from reports.rendering.table import DASH, Cell, Column, Table, numbers, warning_of
from reports.tables import comparison
from reports.tables.footnotes import CORE_SECONDS, ENERGY, INTERVALS, PARENT
from reports.tables.run_cards import anchor

MOST = 9
"""T in one table: of the paper's range all, of a conversion up to 2048 steps the first half."""
STILL = "no T"


@dataclass(frozen=True)
class Quantity:
    """What a matrix shows: its heading and unit, a cell per line, and what has to be said under it."""

    heading: str
    unit: str
    cells: Callable[[pd.DataFrame], Sequence[Cell]]
    notes: Callable[[pd.DataFrame], Iterable[str]]


def accuracy() -> Quantity:
    """Percent of the test split after the last epoch, with its 95 % interval."""
    return Quantity(
        "Accuracy",
        "%",
        lambda lines: [comparison.accuracy_cell(line)._replace(link=anchor(line)) for line in lines.to_dict("records")],
        lambda lines: [
            " ".join(
                [
                    "Accuracy: last epoch on the test split.",
                    *(text for kind, text in INTERVALS.items() if lines["interval"].eq(kind).any()),
                ]
            ),
            *_where_bits_are_few(lines, T_OF_BITS),
        ],
    )


def energy(model: EnergyModel) -> Quantity:
    """Microjoules of an image, by the headline's count."""
    return Quantity(
        f"Energy: {ONCE}",
        "µJ/image",
        lambda lines: numbers(lines["energy_events_microjoules"].tolist()),
        lambda lines: [ENERGY.format(model), *_where_bits_are_few(lines, FEW_BITS)],
    )


def memory() -> Quantity:
    """Peak of a training step."""
    return Quantity(
        "Peak memory of training",
        "MiB",
        lambda lines: numbers(
            (lines["peak_memory_bytes"] / 2**20).tolist(), comparison.marked(lines["memory_from_parent"], "†")
        ),
        lambda lines: [PARENT] if lines["memory_from_parent"].any() else [],
    )


def core_seconds() -> Quantity:
    """User and system time of training."""
    return Quantity(
        "Training",
        "core-seconds",
        lambda lines: comparison.core_seconds(lines)[1],
        lambda lines: [CORE_SECONDS, *([PARENT] if lines["cpu_seconds_with_parent"].any() else [])],
    )


def _where_bits_are_few(lines: pd.DataFrame, note: str) -> list[str]:
    return [note] if has_few_bits(lines) else []


def matrices(lines: pd.DataFrame, quantity: Quantity) -> list[Table]:
    """The tables of one quantity, from `comparison.aggregate`'s lines; none for rows that have nowhere a number."""
    return [
        table
        for _, found in lines.groupby(comparison.TABLE, sort=False)
        for table in _matrices_of_table(found.reset_index(drop=True), quantity)
    ]


def _matrices_of_table(lines: pd.DataFrame, quantity: Quantity) -> Iterator[Table]:
    cells = list(quantity.cells(lines))
    if all(cell.text == DASH for cell in cells):
        return
    still = timeless(lines)
    steps = sorted(set(lines["timesteps"][~still]))
    parts = [steps[start : start + MOST] for start in range(0, len(steps), MOST)] or [[]]
    for number, part in enumerate(parts):
        wanted = lines["timesteps"].isin(part) & ~still
        yield _part(lines, cells, wanted | still if number == 0 else wanted, still, part, len(parts) > 1, quantity)


def timeless(lines: pd.DataFrame) -> pd.Series:
    """Which lines are of methods that have no time axis: they do not spike, and have run at T = 1 alone."""
    moving = lines["spiking"] | (lines["timesteps"] != 1)
    return ~moving.groupby(lines["method"]).transform("any")


def _part(
    lines: pd.DataFrame,
    cells: Sequence[Cell],
    wanted: pd.Series,
    still: pd.Series,
    steps: Sequence[int],
    cut: bool,
    quantity: Quantity,
) -> Table:
    shown = lines[wanted]
    places: list[int | str] = [*([STILL] if still[shown.index].any() else []), *steps]
    found = {
        (method, STILL if alone else at): cells[index]
        for index, method, at, alone in zip(
            shown.index, shown["method"], shown["timesteps"], still[shown.index], strict=True
        )
    }
    level = dict(zip(shown["method"], still[shown.index], strict=True))
    rows = tuple(
        # empty where there can be nothing, a dash where nothing has been run
        (Cell(method), *(found.get((method, at), Cell(DASH if (at == STILL) == alone else "")) for at in places))
        for method, alone in level.items()
    )
    first, scale = shown.iloc[0], str(shown["scale"].iloc[0])
    heading = f"{quantity.heading}, {first['network']} on {first['dataset']}"
    if cut:
        heading += f", T = {steps[0]} to {steps[-1]}"
    columns = [Column(place if isinstance(place, str) else f"T={place}") for place in places]
    badge = f"scale {scale}"
    title = f"{heading} ({quantity.unit}), {badge}, {comparison.seeds(shown['seeds'])}"
    return Table(
        heading, badge, title, (Column("method", numeric=False), *columns), rows, tuple(quantity.notes(shown)),
        warning_of(scale),
    )  # fmt: skip
