"""Accuracy against what it costs: energy of an inference, with the Pareto front, and training."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from reports.energy.models import FEW_BITS, ONCE, EnergyModel, has_few_bits
from reports.figures.appearance import DASHES, Style, draw_at_scale, legend_beside, wrapped
from reports.figures.drawing import Figure
from reports.figures.label_placement import place_labels
from reports.figures.pareto import front
from reports.figures.series import TABLE, slug

FRONT = "#444444"
FEWEST = 3
"""Points in a figure; fewer say nothing."""
TRAINING = {
    "true_train_cpu_seconds": ("accuracy-against-core-seconds", "core-seconds"),
    "quiet_train_seconds": ("accuracy-against-training-time", "seconds"),
}
"""What training may have cost, the first that is on record, with the file's name and the words."""
LABELS = "Numbers: T of points on the front and of each method's last, where there is room."


def against_energy(lines: pd.DataFrame, styles: Mapping[str, Style], model: EnergyModel) -> Iterator[Figure]:
    """Accuracy against microjoules per image, one figure per dataset, network and scale."""
    for identity, points, unknown in _tables(lines, "energy_events_microjoules"):
        dataset, network, scale = identity
        caption = (
            f"Accuracy against energy of an inference ({ONCE}): {network} on {dataset}, scale {scale}. {model}. "
            f"Stepped line: Pareto front. {LABELS}{unknown}{_few_bits(points)}"
        )
        paint = _scatter(points, "energy_events_microjoules", f"energy: {ONCE} (µJ per image)", styles, with_front=True)
        yield draw_at_scale(slug("accuracy-against-energy", *identity), caption, scale, paint)


def _few_bits(points: pd.DataFrame) -> str:
    return f" {FEW_BITS}" if has_few_bits(points) else ""


def against_training(lines: pd.DataFrame, styles: Mapping[str, Style]) -> Iterator[Figure]:
    """Accuracy against training, parents' included: core-seconds, else seconds where no other work ran beside."""
    drawn_already: list[tuple[str, str, str]] = []
    for cost, (stem, label) in TRAINING.items():
        for identity, points, unknown in _tables(lines, cost):
            if identity in drawn_already:
                continue
            drawn_already.append(identity)
            dataset, network, scale = identity
            caption = (
                f"Accuracy against training in {label}, a conversion's parent included: {network} on {dataset}, scale "
                f"{scale}. Numbers: T of each method's first and last point, where there is room.{unknown}"
            )
            paint = _scatter(points, cost, f"training ({label})", styles, with_front=False)
            yield draw_at_scale(slug(stem, *identity), caption, scale, paint)


def _tables(lines: pd.DataFrame, cost: str) -> Iterator[tuple[tuple[str, str, str], pd.DataFrame, str]]:
    """What stands in one figure, its points, and what has to be said of those that cannot stand there."""
    for (dataset, network, scale), rows in lines[~lines["variant"]].groupby(TABLE, sort=False):
        known = rows[rows[cost] > 0].reset_index(drop=True)
        if len(known) >= FEWEST:
            left_out = len(rows) - len(known)
            why = "timed beside other work, or not at all" if cost == "quiet_train_seconds" else "cost not on record"
            unknown = f" Left out, {why}: {left_out} of {len(rows)}." if left_out else ""
            yield (str(dataset), str(network), str(scale)), known, unknown


def _scatter(
    points: pd.DataFrame, cost: str, label: str, styles: Mapping[str, Style], with_front: bool
) -> Callable[[Axes], None]:
    def paint(axes: Axes) -> None:
        axes.set(xscale="log", xlabel=label, ylabel="accuracy (% of the test images)")
        entries = [
            _method(axes, str(method), one.sort_values("timesteps"), cost, styles[str(method)])
            for method, one in points.groupby("method", sort=False)
        ]
        best = front(points[cost].tolist(), points["top1"].tolist()) if with_front else []
        if best:
            entries.append(_stepped(axes, points.loc[best], cost))
        _plain_logarithms(axes, points[cost].tolist())
        axes.margins(0.06)
        legend_beside(axes, entries)
        wanted = [*best, *_ends(points, first=not with_front)]
        place_labels(
            axes,
            _labels(points.loc[list(dict.fromkeys(wanted))], cost, styles),
            list(zip(points[cost], points["top1"], strict=True)),
        )

    return paint


def _method(axes: Axes, method: str, one: pd.DataFrame, cost: str, style: Style) -> Line2D:
    kind = one["kind"].iloc[0]
    axes.plot(one[cost], one["top1"], color=style.colour, lw=0.8, ls=DASHES[kind], alpha=0.6, zorder=2)
    axes.plot(one[cost], one["top1"], color=style.colour, marker=style.marker, ms=5, lw=0, zorder=3)
    size, lw = 5, 0 if kind == "still" else 0.8
    return Line2D(
        [], [], color=style.colour, marker=style.marker, ms=size, lw=lw, ls=DASHES[kind], label=wrapped(method)
    )


def _stepped(axes: Axes, best: pd.DataFrame, cost: str) -> Line2D:
    """Level from each point to the next dearer one, and on to the right end."""
    right = axes.get_xlim()[1]
    x, y = [*best[cost], right], [*best["top1"], best["top1"].iloc[-1]]
    (line,) = axes.plot(x, y, color=FRONT, lw=1.1, drawstyle="steps-post", zorder=1, label="Pareto front")
    axes.set_xlim(right=right)
    return line


def _ends(points: pd.DataFrame, first: bool) -> list[int]:
    """Each moving method's point of the largest T, and of the smallest."""
    steps = points["timesteps"][points["kind"] != "still"]
    by_method = steps.groupby(points["method"], sort=False)
    last = by_method.idxmax().tolist()
    return [*last, *by_method.idxmin().tolist()] if first else last


def _labels(points: pd.DataFrame, cost: str, styles: Mapping[str, Style]) -> list[tuple[float, float, str, str]]:
    moving = points[points["kind"] != "still"]
    columns = moving[cost], moving["top1"], moving["timesteps"], moving["method"]
    return [(x, y, str(steps), styles[method].colour) for x, y, steps, method in zip(*columns, strict=True)]


def _plain_logarithms(axes: Axes, values: Sequence[float]) -> None:
    decades = math.log10(max(values) / min(values))
    subs = (1, 2, 5) if decades < 3 else (1, 3) if decades < 4.5 else (1,)
    axes.xaxis.set_major_locator(LogLocator(subs=subs))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
