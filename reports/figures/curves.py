"""Learning curves, epoch by epoch: training loss, and accuracy on the test split or, where that is read once, after
training, on held-out training images (`reports.cost.progress`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from reports.cost.progress import followed
from reports.figures.appearance import DASHES, Style, draw_at_scale, legend_beside, wrapped
from reports.figures.drawing import Figure
from reports.figures.series import TABLE, slug

SHOWN = {
    "test_top1": ("learning-curve", "Accuracy on the test split, epoch by epoch", "accuracy (% of the test images)"),
    "held_out_top1": (
        "held-out-curve",
        "Accuracy on held-out training images, epoch by epoch (the test split is read once, after training)",
        "accuracy (% of the held-out images)",
    ),
    "train_loss": ("training-loss", "Training loss, epoch by epoch", "mean cross-entropy over the epoch"),
}


def learning_curves(
    lines: pd.DataFrame, frame: pd.DataFrame, curves: pd.DataFrame, styles: Mapping[str, Style]
) -> Iterator[Figure]:
    """One figure per dataset, network, scale and T, with what has no time axis in each; two where losses are known.

    Curves of the test split and of held-out images never share a figure.
    """
    done = frame[frame["status"] == "done"][[*TABLE, "method", "timesteps", "seed", "key"]]
    curves = followed(curves)
    curves = curves.assign(held_out_top1=curves["top1"].where(curves["held_out"]))
    known = curves.merge(done, on="key").merge(lines[["method", "kind"]].drop_duplicates(), on="method")
    for identity, rows in known.groupby(TABLE, sort=False):
        dataset, network, scale = map(str, identity)
        still = rows["kind"] == "still"
        for steps in sorted(rows["timesteps"][~still].unique()) or [None]:
            shown = rows[still | (rows["timesteps"] == steps)]
            at_t = f", T = {steps}" if steps else ""
            for column, (stem, what, label) in SHOWN.items():
                if column not in shown or shown[column].notna().sum() < 2:
                    continue
                name = slug(stem, dataset, network, f"T{steps}" if steps else "", scale)
                caption = (
                    f"{what}: {network} on {dataset}{at_t}, scale {scale}. Thick: mean over the seeds whose curves "
                    "were exported; thin: each of them."
                )
                yield draw_at_scale(name, caption, scale, _paint(shown, column, label, styles))


def _paint(shown: pd.DataFrame, column: str, label: str, styles: Mapping[str, Style]) -> Callable[[Axes], None]:
    shown = shown[shown[column].notna()]
    epochs = shown["epoch"].max()

    def paint(axes: Axes) -> None:
        entries = []
        for method, curves in shown.groupby("method", sort=False):
            style, seeds = styles[str(method)], [one for _, one in curves.groupby("key", sort=False)]
            for one in seeds if len(seeds) > 1 else ():
                axes.plot(one["epoch"], one[column], color=style.colour, lw=0.6, alpha=0.6)
            mean = _mean(curves, column, len(seeds))
            count = f"{len(seeds)} seed{'s' if len(seeds) > 1 else ''}"
            (line,) = axes.plot(
                mean.index, mean, color=style.colour, marker=style.marker, ms=4, lw=1.6,
                ls=DASHES[curves["kind"].iloc[0]], markevery=max(1, int(epochs) // 12),
                label=f"{wrapped(str(method))}, {count}",
            )  # fmt: skip
            entries.append(line)
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        legend_beside(axes, entries)

    return paint


def _mean(curves: pd.DataFrame, column: str, seeds: int) -> pd.Series:
    """The mean over all seeds, at the epochs that every one of them has."""
    by_epoch = curves.groupby("epoch")[column]
    return by_epoch.mean()[by_epoch.count() == seeds]
