"""ANNs with quantised activations that are no steps to a conversion: what a spiking network of T steps competes with.

[LSQ] Esser et al. 2020; [ours] chosen by us.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmarks.catalogue.chosen import rate_of
from benchmarks.catalogue.facts import Facts
from benchmarks.spec import BadInput, Recipe, Run

MOST_STEPS = 2**16 - 1
"""T whose rates 16 bits tell apart, the most that the activation has (`baselines.lsq.MOST_BITS`)."""


def _lsq(run: Run, usual: Recipe) -> Recipe:
    """[LSQ] The activation, its gradients, and where step sizes start. [ours] All else is DSR's (matched).

    ceil(log2(T + 1)) bits in every layer, float32 weights, trained from scratch. Theirs has weights of as few bits,
    8 bits in the first and the last layer, and starts from a trained ANN. Raises BadInput for T above `MOST_STEPS`.
    """
    if run.timesteps > MOST_STEPS:
        raise BadInput(f"{run.method}: T must be at most {MOST_STEPS} (16 bits), not {run.timesteps}")
    return replace(usual, sources="LSQ (Esser et al. 2020), activations alone, matched to DSR's recipe")


METHODS: Mapping[str, Facts] = {
    "lsq-ann": Facts(
        "ANN with activations of ceil(log2(T + 1)) bits, LSQ",
        family="ANN",
        recipe=_lsq,
        tuned=rate_of("lsq-ann"),
        levels=True,
        watched=True,
        colour="#5B5B00",
        marker=(4, 0, 0),
    ),
}
