"""Conversions that build on QCFS, and the ANNs they convert: SRP and SlipReLU.

[SRP] Hao et al. 2023 and their released code, ANN2SNN_SRP at c31b44c; [ours] chosen by us.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmarks.catalogue.conversions import RICH, from_four
from benchmarks.catalogue.facts import Facts
from benchmarks.spec import Recipe, Run


def _srp(run: Run, usual: Recipe) -> Recipe:
    """[SRP] Four steps from half the threshold; then neurons whose membrane is not positive are silent. No training."""
    neuron = {"start": 0.5, "presimulation": 4, "margin": 0.0}
    return replace(usual, epochs=0, neuron=neuron, sources="SRP (Hao et al. 2023), no calibration")


def _srp_published(run: Run, usual: Recipe) -> Recipe:
    """[SRP] The released code silences neurons at up to 0.001 thresholds."""
    recipe = _srp(run, replace(usual, warmup_iterations=0))
    return replace(recipe, neuron={**recipe.neuron, "margin": 1e-3}, sources="SRP as released")


def _srp_published_ann(run: Run, usual: Recipe) -> Recipe:
    """[SRP] QCFS, floor then clamp, L = 4, from a learning rate of 0.02; README: batches of 128. No warm-up."""
    neuron = {"levels": 4, "threshold": 8.0, "order": "floor-clamp"}
    recipe = replace(usual, epochs=300, learning_rate=0.02, warmup_iterations=0, neuron=neuron)
    return replace(recipe, augmentation=RICH, sources="SRP's ANN as released; Cutout of 16 pixels on both sets")


METHODS: Mapping[str, Facts] = {
    "qcfs-srp": Facts(
        "SRP: qcfs-ann converted, with neurons that fall silent after 4 steps",
        family="conversion",
        recipe=_srp,
        parent="qcfs-ann",
        anytime=True,
        watched=True,
        colour="#7B3294",
        marker=(5, 1, 0),
    ),
    "qcfs-srp-published-ann": Facts(
        "ANN with QCFS activation, recipe of SRP's code, parent of qcfs-srp-published",
        family="ANN",
        recipe=_srp_published_ann,
        shortened=from_four,
        tuned=from_four,
        timeless=True,
        watched=True,
    ),
    "qcfs-srp-published": Facts(
        "SRP, recipe of its authors' code",
        family="conversion",
        recipe=_srp_published,
        parent="qcfs-srp-published-ann",
        anytime=True,
    ),
}
