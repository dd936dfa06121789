"""Conversions that build on QCFS, and the ANNs they convert: SRP and SlipReLU.

[SRP] Hao et al. 2023 and their released code, ANN2SNN_SRP at c31b44c; [SLIP] Jiang et al. 2023 and their released code,
SNN_Conversion_unified at 9c07442; [ours] chosen by us.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmarks.catalogue.chosen import rate_of
from benchmarks.catalogue.conversions import RICH, from_four
from benchmarks.catalogue.facts import Facts
from benchmarks.spec import Parameter, Recipe, Run


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
    neuron: Mapping[str, Parameter] = {"levels": 4, "threshold": 8.0, "order": "floor-clamp"}
    recipe = replace(usual, epochs=300, learning_rate=0.02, warmup_iterations=0, neuron=neuron)
    return replace(recipe, augmentation=RICH, sources="SRP's ANN as released; Cutout of 16 pixels on both sets")


def _slip_relu_ann(run: Run, usual: Recipe) -> Recipe:
    """[SLIP] a = 0.5, its code's default. [ours] All else is that of `qcfs-ann`: L = 4 (there 16), threshold 8."""
    neuron = {"slope": 0.5, "levels": 4, "threshold": 8.0}
    return replace(usual, neuron=neuron, sources="SlipReLU (Jiang et al. 2023) matched to DSR's recipe")


def _slip_relu(run: Run, usual: Recipe) -> Recipe:
    """[SLIP] No training of its own; membranes start at half the threshold."""
    return replace(usual, epochs=0, neuron={"start": 0.5}, sources="SlipReLU conversion, no calibration")


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
    "slip-relu-ann": Facts(
        "ANN with half a clip and half a QCFS activation, parent of slip-relu",
        family="ANN",
        recipe=_slip_relu_ann,
        shortened=from_four,
        tuned=rate_of("qcfs-ann", from_four),
        timeless=True,
        watched=True,
    ),
    "slip-relu": Facts(
        "SlipReLU, converted from slip-relu-ann",
        family="conversion",
        recipe=_slip_relu,
        parent="slip-relu-ann",
        anytime=True,
        watched=True,
    ),
}
