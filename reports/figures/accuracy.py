"""Accuracy against T (the paper's Fig. 3a), against depth (Fig. 3b), and of variants of a neuron (Tab. 3).

Methods with a time axis are lines with whiskers. Those without one are level in a figure against T. Published points
are large and hollow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.transforms import ScaledTranslation

from benchmarks.catalogue.networks import LAYERS
from reports.figures.appearance import DASHES, Style, draw_at_scale, legend_beside, wrapped
from reports.figures.drawing import Figure
from reports.figures.series import TABLE, Part, parted, slug

FAR = 64
"""From twice this T on the axis of T is logarithmic."""
NOT_DRAWN = "The paper's points are of scale paper and not drawn here."
WHISKERS = "Whiskers: 95 % intervals, Student t over seeds, Wilson for one seed, of two seeds both, cut off where long."
Styles = Mapping[str, Style]


def against_t(
    lines: pd.DataFrame, parents: dict[str, set[str]], styles: Styles, published: pd.DataFrame | None = None
) -> Iterator[Figure]:
    """Accuracy against T per dataset, network and scale with two different T; `published` only at scale `paper`."""
    for (dataset, network, scale), rows in lines[~lines["variant"]].groupby(TABLE, sort=False):
        what, known = (
            f"{network} on {dataset}, scale {scale}",
            printed_at_paper_scale(published, dataset, network, scale),
        )
        for part in parted(rows, parents):
            moving = part.lines[part.lines["kind"] != "still"]
            others = known[~known["method"].isin(rows["method"][~rows["method"].isin(part.lines["method"])])]
            others = others if part.suffix == "" else others[others["method"].isin(part.lines["method"])]
            if len({*moving["timesteps"], *others["timesteps"]}) < 2:
                continue
            name = slug("accuracy-against-t", part.suffix, str(dataset), str(network), str(scale))
            notes = [WHISKERS, _images(moving), _published_note(str(scale), others)]
            caption = " ".join([f"Accuracy against T{part.title}: {what}. Level: no time axis.", *filter(None, notes)])
            yield draw_at_scale(name, caption, str(scale), paint_against_t(part, styles, others))


def printed_at_paper_scale(
    published: pd.DataFrame | None, dataset: object, network: object, scale: object
) -> pd.DataFrame:
    """Published points that may stand beside these runs: those of scale `paper` on the same data set and network."""
    if published is None or scale != "paper":
        return pd.DataFrame(columns=["method", "timesteps", "accuracy"])
    same = (published["dataset"] == dataset) & (published["network"] == network)
    return published[
        same & published["timesteps"].notna() & published["accuracy"].notna() & published["method"].notna()
    ]


def _published_note(scale: str, points: pd.DataFrame) -> str:
    if scale != "paper":
        return NOT_DRAWN
    return "Large and hollow: published." if len(points) else ""


def _images(moving: pd.DataFrame) -> str:
    least, most = moving["least_images"].min(), moving["most_images"].max()
    return f"Between {least:,.0f} and {most:,.0f} test images." if least < most else ""


def against_depth(lines: pd.DataFrame, parents: dict[str, set[str]], styles: Styles) -> Iterator[Figure]:
    """Accuracy against depth per dataset, scale and T where networks of two depths have run."""
    deep = lines[lines["network"].isin(LAYERS) & ~lines["variant"]]
    deep = deep.assign(depth=[LAYERS[network] for network in deep["network"]])
    for (dataset, scale), rows in deep.groupby(["dataset", "scale"], sort=False):
        still = rows["kind"] == "still"
        for steps in sorted(rows["timesteps"][~still].unique()):
            at_t = rows[still | (rows["timesteps"] == steps)]
            if at_t["depth"][at_t["kind"] != "still"].nunique() < 2:
                continue
            for part in parted(at_t, parents):
                name = slug("accuracy-against-depth", part.suffix, str(dataset), f"T{steps}", str(scale))
                what = f"PreAct-ResNet of 16, 32 and 64 channels on {dataset}, T = {steps}, scale {scale}"
                note = NOT_DRAWN if scale != "paper" else ""
                caption = f"Accuracy against depth{part.title}: {what}. {WHISKERS} {note}".strip()
                yield draw_at_scale(name, caption, str(scale), paint_against_depth(part, styles))


def paint_against_t(part: Part, styles: Styles, published: pd.DataFrame) -> Callable[[Axes], None]:
    """A line per method, level where it has no time axis, and large hollow markers for what is published."""
    level = part.lines["kind"] == "still"
    heights = part.lines[level].set_index("method")["top1"]
    steps = sorted({*part.lines["timesteps"][~level], *map(int, published["timesteps"])})

    def paint(axes: Axes) -> None:
        entries = [_level(axes, str(method), top1, styles) for method, top1 in heights.items()]
        entries += _curves(axes, part.lines[~level], "timesteps", styles)
        entries += _points(axes, published, styles)
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


def paint_against_depth(part: Part, styles: Styles) -> Callable[[Axes], None]:
    """A line per method, those without a time axis too; `part.lines` has `depth`."""
    depths = sorted(part.lines["depth"].unique())

    def paint(axes: Axes) -> None:
        entries = _curves(axes, part.lines, "depth", styles)
        _frame(axes, part.lines, [])
        axes.set_xlim(min(depths) - 6, max(depths) + 6)
        axes.set(xlabel="layers with weights", ylabel="accuracy (% of the test images)", xticks=depths)
        legend_beside(axes, entries)

    return paint


def _level(axes: Axes, method: str, height: float, styles: Styles) -> Line2D:
    style = styles[method]
    (drawn_line,) = axes.plot(
        [0, 1], [height, height], transform=axes.get_yaxis_transform(), color=style.colour, marker=style.marker, ms=4.5,
        lw=1.2, ls=DASHES["still"], clip_on=False, label=wrapped(method),
    )  # fmt: skip
    return drawn_line


def _curves(axes: Axes, lines: pd.DataFrame, x: str, styles: Styles) -> list[Line2D]:
    """A line with whiskers per method, each moved aside a little so that whiskers do not hide each other."""
    entries = []
    methods = [(str(method), points.sort_values(x)) for method, points in lines.groupby("method", sort=False)]
    for place, (method, points) in enumerate(methods):
        style, kind = styles[method], points["kind"].iloc[0]
        aside = (place - (len(methods) - 1) / 2) * 1.1 / 72
        moved = axes.transData + ScaledTranslation(aside, 0, axes.figure.dpi_scale_trans)  # type: ignore[union-attr]
        thin = {"lw": 1.5, "ms": 4.0} if kind == "trained" else {"lw": 1.0, "ms": 3.6}
        (line,) = axes.plot(
            points[x], points["top1"], color=style.colour, marker=style.marker, ls=DASHES[kind], label=wrapped(method),
            transform=moved, **thin,  # type: ignore[arg-type]
        )  # fmt: skip
        faint = {"lw": 0.8, "alpha": 0.55 if kind == "trained" else 0.35}
        axes.vlines(points[x], points["top1_low"], points["top1_high"], style.colour, transform=moved, **faint)  # type: ignore[arg-type]
        entries.append(line)
    return entries


def _points(axes: Axes, published: pd.DataFrame, styles: Styles) -> list[Line2D]:
    entries = []
    for method, points in published.groupby("method", sort=False):
        style = styles[str(method)]
        (line,) = axes.plot(
            points["timesteps"], points["accuracy"], color=style.colour, marker=style.marker, mfc="none", ms=9, lw=0,
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


def variants(lines: pd.DataFrame, styles: Mapping[str, Style]) -> Iterator[Figure]:
    """One figure per dataset, network, scale, T and method that has variants there."""
    lines = lines.assign(base=lines["method"].str.split("@").str[0])
    on = [*TABLE, "base", "timesteps"]
    wanted = lines[lines["variant"]][on].drop_duplicates()
    for (dataset, network, scale, base, steps), rows in lines.merge(wanted, on=on).groupby(on, sort=False):
        name = slug("accuracy-of-variants", str(base), f"T{steps}", str(dataset), str(network), str(scale))
        what = f"{network} on {dataset}, T = {steps}, scale {scale}"
        caption = f"Accuracy of {base} with parameters of its neuron changed: {what}. {WHISKERS}"
        yield draw_at_scale(name, caption, str(scale), _dots(rows.sort_values("top1"), str(base), styles))


def _dots(rows: pd.DataFrame, base: str, styles: Mapping[str, Style]) -> Callable[[Axes], None]:
    names = [wrapped(method.removeprefix(base)) or base for method in rows["method"]]

    def paint(axes: Axes) -> None:
        for place, line in enumerate(rows.to_dict("records")):
            style = styles[line["method"]]
            axes.hlines(place, line["top1_low"], line["top1_high"], style.colour, lw=1)
            axes.plot(line["top1"], place, color=style.colour, marker=style.marker, ms=6)
            axes.annotate(
                f"{line['top1']:.1f}",
                (line["top1"], place),
                (0, 5),
                textcoords="offset points",
                ha="center",
                fontsize=7,
            )
        axes.set_yticks(range(len(names)), names, fontsize=6.5)
        axes.set(xlabel="accuracy (% of the test images)", ylim=(-0.6, len(names) - 0.4))
        axes.grid(axis="y", visible=False)

    return paint
