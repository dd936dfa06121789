"""All figures of runs, from their rows, layers and curves alone."""

from __future__ import annotations

import pandas as pd

from reports.energy.models import FP32_45NM, EnergyModel
from reports.figures import accuracy, coverage, series, tradeoffs
from reports.figures.appearance import styles_of
from reports.figures.curves import learning_curves
from reports.figures.drawing import Figure
from reports.figures.layers import rates_by_layer


def figures_of(
    frame: pd.DataFrame,
    lines: pd.DataFrame,
    layers: pd.DataFrame,
    curves: pd.DataFrame,
    published: pd.DataFrame | None = None,
    model: EnergyModel = FP32_45NM,
) -> list[Figure]:
    """Accuracy against T, depth, energy and training time; firing rates, learning curves, and what has been run.

    `lines`: the rows' lines (`reports.tables.comparison.aggregate`). `layers` and `curves` belong to the rows
    (`reports.inputs.layers_and_curves`) and may be empty. `published` holds published accuracies (`dataset`, `network`,
    `method`, `timesteps`, `accuracy` in percent), with methods named as here; they are drawn only together with runs of
    scale `paper`.
    """
    means, parents = series.drawable(frame, lines), series.parents(frame)
    stated: list[str] = [] if published is None else published["method"].dropna().tolist()
    styles = styles_of([*frame["method"], *stated])
    return [
        *accuracy.against_t(means, parents, styles, published),
        *accuracy.against_depth(means, parents, styles),
        *accuracy.variants(means, styles),
        *tradeoffs.against_energy(means, styles, model),
        *tradeoffs.against_training(means, styles),
        *rates_by_layer(means, frame, layers, parents, styles),
        *learning_curves(means, frame, curves, styles),
        *coverage.matrices(frame),
    ]
