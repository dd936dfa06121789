"""All figures of runs, from their rows, layers and curves alone."""

from __future__ import annotations

import pandas as pd

from reports import (
    accuracy_figures,
    coverage,
    curve_figures,
    layer_figures,
    lines,
    tradeoff_figures,
    variant_figures,
)
from reports.energy import FP32_45NM, EnergyModel
from reports.figures import Figure
from reports.looks import looks


def figures_of(
    frame: pd.DataFrame,
    layers: pd.DataFrame,
    curves: pd.DataFrame,
    published: pd.DataFrame | None = None,
    model: EnergyModel = FP32_45NM,
) -> list[Figure]:
    """Accuracy against T, depth, energy and training time; firing rates, learning curves, and what has been run.

    `layers` and `curves` stand beside the rows (`reports.beside`) and may be empty. `published`: `dataset`, `network`,
    `method`, `timesteps`, `accuracy` (percent) of what is published, methods named as here; it stands beside runs of
    scale `paper` alone.
    """
    means, starts = lines.of_rows(frame, model), lines.parents(frame)
    stated: list[str] = [] if published is None else published["method"].dropna().tolist()
    look = looks([*frame["method"], *stated])
    drawn = [
        *accuracy_figures.against_t(means, starts, look, published),
        *accuracy_figures.against_depth(means, starts, look),
        *variant_figures.of_variants(means, look),
        *tradeoff_figures.against_energy(means, look, model),
        *tradeoff_figures.against_training(means, look),
        *layer_figures.of_layers(means, frame, layers, starts, look),
        *curve_figures.of_curves(means, frame, curves, look),
    ]
    return [*drawn, *coverage.of_sweeps(frame)]
