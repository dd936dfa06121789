"""STBP-tdBN: training with a surrogate gradient.

[STBP] Zheng et al. 2021 and the public code it is usually run with; [ours] chosen by us.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmarks.catalogue.facts import Facts
from benchmarks.spec import Parameter, Recipe, Run


def _tdbn(run: Run, usual: Recipe) -> Recipe:
    """[STBP] Decay 0.25, rectangle of width 1. The optimiser is DSR's: the paper's own is not published.

    [ours] V = 0.5: only width / V matters, the norm scales to V.
    """
    neuron = {"threshold": 0.5, "decay": 0.25, "surrogate_width": 1.0}
    return replace(usual, neuron=neuron, norm={"threshold": 0.5}, sources="STBP-tdBN matched to DSR's recipe")


def _tuned(run: Run, usual: Recipe) -> Recipe:
    """[ours] Usual today. Width: sweep stbp-variants, T = 2, seed 0; width / V = 1, 2, 5: 52.5, 42.0, 27.0 %."""
    changes: dict[str, Parameter] = {"surrogate": "triangle", "reset": "soft", "detach_reset": True}
    changes["surrogate_width"] = 0.5
    recipe = _tdbn(run, usual)
    return replace(recipe, neuron={**recipe.neuron, **changes}, sources="STBP-tdBN, today's surrogate")


METHODS: Mapping[str, Facts] = {
    "stbp-tdbn": Facts(
        "STBP-tdBN, surrogate gradient",
        family="surrogate gradient",
        recipe=_tdbn,
        compared=True,
        watched=True,
        role="representative",
        colour="#009E73",
        marker="D",
    ),
    "stbp-tdbn-spikes": Facts(
        "STBP-tdBN, logits are rates of output spikes",
        family="surrogate gradient",
        recipe=_tdbn,
        watched=True,
    ),
    "stbp-tdbn-tuned": Facts(
        "STBP-tdBN, triangular surrogate, soft reset without gradient",
        family="surrogate gradient",
        recipe=_tuned,
        compared=True,
        watched=True,
        role="control",
        colour="#66A61E",
        marker="d",
    ),
}
