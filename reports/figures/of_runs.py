"""All figures of runs, from their rows, layers and curves alone."""

from __future__ import annotations

import pandas as pd

from reports.energy.models import FP32_45NM, EnergyModel
from reports.figures import accuracy, coverage, series, tradeoffs, variants
from reports.figures import curves as curve_figures
from reports.figures import layers as layer_figures
from reports.figures.appearance import looks
from reports.figures.drawing import Figure


def figures_of(
    frame: pd.DataFrame,
    layers: pd.DataFrame,
    curves: pd.DataFrame,
    published: pd.DataFrame | None = None,
    model: EnergyModel = FP32_45NM,
) -> list[Figure]:
    """Accuracy against T, depth, energy and training time; firing rates, learning curves, and what has been run.

    `layers` and `curves` belong to the rows (`reports.inputs.layers_and_curves`) and may be empty. `published` holds
    published accuracies (`dataset`, `network`, `method`, `timesteps`, `accuracy` in percent), with methods named as
    here; they are drawn beside runs of scale `paper` alone.
    """
    means, starts = series.of_rows(frame, model), series.parents(frame)
    stated: list[str] = [] if published is None else published["method"].dropna().tolist()
    look = looks([*frame["method"], *stated])
    drawn = [
        *accuracy.against_t(means, starts, look, published),
        *accuracy.against_depth(means, starts, look),
        *variants.of_variants(means, look),
        *tradeoffs.against_energy(means, look, model),
        *tradeoffs.against_training(means, look),
        *layer_figures.of_layers(means, frame, layers, starts, look),
        *curve_figures.of_curves(means, frame, curves, look),
    ]
    return [*drawn, *coverage.of_sweeps(frame)]
