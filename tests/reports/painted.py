"""Figures painted and kept as matplotlib's axes, so that a test can read what is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from invented import write_rows
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from reports.cost import to_accuracy
from reports.cost.costs import with_costs
from reports.energy import lemaire
from reports.figures import appearance, runs
from reports.figures.drawing import STYLE, Figure
from reports.inputs import layers_and_curves, rows
from reports.tables.comparison import aggregate

Painted = dict[str, tuple[str, Axes]]
"""Caption and axes by the figure's name."""


@contextmanager
def painted(
    tmp_path: Path, *made: dict[str, Any], published: pd.DataFrame | None = None, **tables: pd.DataFrame
) -> Iterator[Painted]:
    """The figures of some rows; `layers`, `curves`: what stands beside them."""
    frame = rows.read([write_rows(tmp_path / "rows.csv", *made)])
    layers, curves = (
        tables.get(ending, layers_and_curves.read([], ending, columns, ()))
        for ending, columns in (("layers", lemaire.COLUMNS), ("curves", to_accuracy.COLUMNS))
    )
    found: Painted = {}

    def keep(name: str, caption: str, paint: Callable[[Axes], None]) -> Figure:
        assert name not in found
        with plt.rc_context(STYLE):
            _, axes = plt.subplots(layout="constrained")
            paint(axes)
        found[name] = caption, axes
        return Figure(name, caption, "", bytes)

    draw, appearance.draw = appearance.draw, keep
    try:
        figures = runs.figures_of(frame, aggregate(with_costs(frame)), layers, curves, published)
        assert [figure.name for figure in figures] == list(found)
        yield found
    finally:
        appearance.draw = draw
        plt.close("all")


def legend(axes: Axes) -> list[str]:
    box = axes.get_legend()
    return [text.get_text() for text in box.get_texts()] if box else []


def line(axes: Axes, label: str) -> Line2D:
    (found,) = [line for line in axes.lines if line.get_label() == label]
    return found


def points(axes: Axes, label: str) -> list[tuple[float, float]]:
    found = line(axes, label)
    return [(float(x), float(y)) for x, y in zip(found.get_xdata(), found.get_ydata(), strict=True)]
