"""Accuracy against T (the paper's Fig. 3a), against depth (Fig. 3b), and of variants that exist at one T."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.transforms import ScaledTranslation

from benchmarks.sweeps import DEEP
from reports.figures import Figure
from reports.lines import TABLE, Part, parted, slug
from reports.looks import DASHES, Look, drawn, legend_beside, wrapped

FAR = 64
"""From twice this T on the axis of T is logarithmic."""
Looks = Mapping[str, Look]
NOT_DRAWN = "The paper's points are of scale paper and not drawn here."
WHISKERS = "Whiskers: 95 % intervals, Student t over seeds, Wilson for one seed, cut off where they are long."


def against_t(
    lines: pd.DataFrame, starts: dict[str, set[str]], looks: Looks, published: pd.DataFrame | None = None
) -> Iterator[Figure]:
    """Accuracy against T per dataset, network and scale with two different T; `published` only at scale `paper`."""
    for (dataset, network, scale), found in lines[~lines["variant"]].groupby(TABLE, sort=False):
        what, known = f"{network} on {dataset}, scale {scale}", of_paper(published, dataset, network, scale)
        for part in parted(found, starts):
            moving = part.lines[part.lines["kind"] != "still"]
            others = known[~known["method"].isin(found["method"][~found["method"].isin(part.lines["method"])])]
            others = others if part.suffix == "" else others[others["method"].isin(part.lines["method"])]
            if len({*moving["timesteps"], *others["timesteps"]}) < 2:
                continue
            name = slug("accuracy-against-t", part.suffix, str(dataset), str(network), str(scale))
            notes = [WHISKERS, _images(moving), _published_note(str(scale), others)]
            caption = " ".join([f"Accuracy against T{part.title}: {what}. Level: no time axis.", *filter(None, notes)])
            yield drawn(name, caption, str(scale), _against_t(part, looks, others))


def of_paper(published: pd.DataFrame | None, dataset: object, network: object, scale: object) -> pd.DataFrame:
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


def against_depth(lines: pd.DataFrame, starts: dict[str, set[str]], looks: Looks) -> Iterator[Figure]:
    """Accuracy against depth per dataset, scale and T where networks of two depths have run."""
    deep = lines[lines["network"].isin(DEEP) & ~lines["variant"]]
    deep = deep.assign(depth=[int(re.sub(r"\D", "", network)) for network in deep["network"]])
    for (dataset, scale), found in deep.groupby(["dataset", "scale"], sort=False):
        still = found["kind"] == "still"
        for steps in sorted(found["timesteps"][~still].unique()):
            at_t = found[still | (found["timesteps"] == steps)]
            if at_t["depth"][at_t["kind"] != "still"].nunique() < 2:
                continue
            for part in parted(at_t, starts):
                name = slug("accuracy-against-depth", part.suffix, str(dataset), f"T{steps}", str(scale))
                what = f"PreAct-ResNet of 16, 32 and 64 channels on {dataset}, T = {steps}, scale {scale}"
                note = NOT_DRAWN if scale != "paper" else ""
                caption = f"Accuracy against depth{part.title}: {what}. {WHISKERS} {note}".strip()
                yield drawn(name, caption, str(scale), _against_depth(part, looks))


def _against_t(part: Part, looks: Looks, published: pd.DataFrame) -> Callable[[Axes], None]:
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
        shown = [step for step in steps if step & (step - 1) == 0]
    else:
        axes.set_xlim(0, max(steps) * 1.04)
        shown = [step for step, before in zip(steps, [-9, *steps], strict=False) if step - before > max(steps) / 40]
    axes.xaxis.set_major_locator(FixedLocator(shown))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.tick_params(axis="x", labelsize=7 if len(shown) > 8 else 8)


def _against_depth(part: Part, looks: Looks) -> Callable[[Axes], None]:
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
    bottom = max(min(lines["top1_low"].min(), low), low - room)
    top = min(max(lines["top1_high"].max(), high), high + room)
    margin = 0.04 * (top - bottom)
    axes.set_ylim(max(bottom - margin, 0), min(top + margin, 100.5))
