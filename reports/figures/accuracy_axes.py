"""Axes on which accuracies stand: lines with whiskers, level lines, published points, and room for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.transforms import ScaledTranslation

from reports.figures.appearance import DASHES, Look, legend_beside, wrapped
from reports.figures.series import Part

FAR = 64
"""From twice this T on the axis of T is logarithmic."""
Looks = Mapping[str, Look]


def paint_against_t(part: Part, looks: Looks, published: pd.DataFrame) -> Callable[[Axes], None]:
    """A line per method, level where it has no time axis, and large hollow markers for what is published."""
    level = part.lines["kind"] == "still"
    heights = part.lines[level].set_index("method")["top1"]
    steps = sorted({*part.lines["timesteps"][~level], *map(int, published["timesteps"])})

    def paint(axes: Axes) -> None:
        entries = [_level(axes, str(method), top1, looks) for method, top1 in heights.items()]
        entries += _curves(axes, part.lines[~level], "timesteps", looks)
        entries += _points(axes, published, looks)
        _frame(axes, part.lines, [float(value) for value in published["accuracy"]])
        axes.set(xlabel="time steps T", ylabel="accuracy (% of the test images)")
        _axis_of_t(axes, steps)
        legend_beside(axes, entries)

    return paint


def _axis_of_t(axes: Axes, steps: list[int]) -> None:
    far = max(steps) >= 2 * FAR
    if far:
        axes.set_xscale("log", base=2)
        axes.set_xlim(min(steps) / 1.25, max(steps) * 1.25)
        shown = [step for step in steps if step & (step - 1) == 0] or steps
    else:
        axes.set_xlim(0, max(steps) * 1.04)
        shown = [step for step, before in zip(steps, [-9, *steps], strict=False) if step - before > max(steps) / 40]
    axes.xaxis.set_major_locator(FixedLocator(shown))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.tick_params(axis="x", labelsize=7 if len(shown) > 8 else 8)


def paint_against_depth(part: Part, looks: Looks) -> Callable[[Axes], None]:
    """A line per method, those without a time axis too; `part.lines` has `depth`."""
    depths = sorted(part.lines["depth"].unique())

    def paint(axes: Axes) -> None:
        entries = _curves(axes, part.lines, "depth", looks)
        _frame(axes, part.lines, [])
        axes.set_xlim(min(depths) - 6, max(depths) + 6)
        axes.set(xlabel="layers with weights", ylabel="accuracy (% of the test images)", xticks=depths)
        legend_beside(axes, entries)

    return paint


def _level(axes: Axes, method: str, height: float, looks: Looks) -> Line2D:
    look = looks[method]
    (drawn_line,) = axes.plot(
        [0, 1], [height, height], transform=axes.get_yaxis_transform(), color=look.colour, marker=look.marker, ms=4.5,
        lw=1.2, ls=DASHES["still"], clip_on=False, label=wrapped(method),
    )  # fmt: skip
    return drawn_line


def _curves(axes: Axes, lines: pd.DataFrame, x: str, looks: Looks) -> list[Line2D]:
    """A line with whiskers per method, each moved aside a little so that whiskers do not hide each other."""
    entries = []
    methods = [(str(method), found.sort_values(x)) for method, found in lines.groupby("method", sort=False)]
    for place, (method, found) in enumerate(methods):
        look, kind = looks[method], found["kind"].iloc[0]
        aside = (place - (len(methods) - 1) / 2) * 1.1 / 72
        moved = axes.transData + ScaledTranslation(aside, 0, axes.figure.dpi_scale_trans)  # type: ignore[union-attr]
        thin = {"lw": 1.5, "ms": 4.0} if kind == "trained" else {"lw": 1.0, "ms": 3.6}
        (line,) = axes.plot(
            found[x], found["top1"], color=look.colour, marker=look.marker, ls=DASHES[kind], label=wrapped(method),
            transform=moved, **thin,  # type: ignore[arg-type]
        )  # fmt: skip
        faint = {"lw": 0.8, "alpha": 0.55 if kind == "trained" else 0.35}
        axes.vlines(found[x], found["top1_low"], found["top1_high"], look.colour, transform=moved, **faint)  # type: ignore[arg-type]
        entries.append(line)
    return entries


def _points(axes: Axes, published: pd.DataFrame, looks: Looks) -> list[Line2D]:
    entries = []
    for method, found in published.groupby("method", sort=False):
        look = looks[str(method)]
        (line,) = axes.plot(
            found["timesteps"], found["accuracy"], color=look.colour, marker=look.marker, mfc="none", ms=9, lw=0,
            label=f"{wrapped(str(method))}\n(published)",
        )  # fmt: skip
        entries.append(line)
    return entries


def _frame(axes: Axes, lines: pd.DataFrame, more: list[float]) -> None:
    """Room for all means and for a third of that above and below, as far as whiskers need it."""
    low, high = min([lines["top1"].min(), *more]), max([lines["top1"].max(), *more])
    room = max((high - low) / 3, 1.0)
    bottom = max(min(lines["top1_low"].fillna(low).min(), low), low - room)
    top = min(max(lines["top1_high"].fillna(high).max(), high), high + room)
    margin = 0.04 * (top - bottom)
    axes.set_ylim(max(bottom - margin, 0), min(top + margin, 100.5))
