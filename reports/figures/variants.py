"""Variants of a method at one T, one under the other, the method itself among them (the paper's Tab. 3 as a figure)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pandas as pd
from matplotlib.axes import Axes

from reports.figures.accuracy import WHISKERS
from reports.figures.appearance import Look, drawn, wrapped
from reports.figures.drawing import Figure
from reports.figures.series import TABLE, slug


def of_variants(lines: pd.DataFrame, looks: Mapping[str, Look]) -> Iterator[Figure]:
    """One figure per dataset, network, scale, T and method that has variants there."""
    lines = lines.assign(base=lines["method"].str.split("@").str[0])
    on = [*TABLE, "base", "timesteps"]
    wanted = lines[lines["variant"]][on].drop_duplicates()
    for (dataset, network, scale, base, steps), found in lines.merge(wanted, on=on).groupby(on, sort=False):
        name = slug("accuracy-of-variants", str(base), f"T{steps}", str(dataset), str(network), str(scale))
        what = f"{network} on {dataset}, T = {steps}, scale {scale}"
        caption = f"Accuracy of {base} with parameters of its neuron changed: {what}. {WHISKERS}"
        yield drawn(name, caption, str(scale), _dots(found.sort_values("top1"), str(base), looks))


def _dots(found: pd.DataFrame, base: str, looks: Mapping[str, Look]) -> Callable[[Axes], None]:
    names = [wrapped(method.removeprefix(base)) or base for method in found["method"]]

    def paint(axes: Axes) -> None:
        for place, line in enumerate(found.to_dict("records")):
            look = looks[line["method"]]
            axes.hlines(place, line["top1_low"], line["top1_high"], look.colour, lw=1)
            axes.plot(line["top1"], place, color=look.colour, marker=look.marker, ms=6)
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
