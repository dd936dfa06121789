"""ANN-to-SNN conversions and the ANNs they convert, with the recipes they are published with.

[QCFS] Bu et al. 2022 and its two released repositories; [RUE] Rueckauer et al. 2017 as snn_toolbox does it; [RMP]
Han et al. 2020, who released no code; [DENG] Deng & Gu 2021 and [LI] Li et al. 2021 with their released code; [ours]
chosen by us. A conversion measures 512 images: that number is ours. None of the authors' codes has a warm-up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from benchmarks.catalogue.chosen import rate_of
from benchmarks.catalogue.facts import Facts
from benchmarks.spec import Augmentation, Recipe, Run

IMAGES = 512
RICH: Augmentation = "autoaugment-cutout"


def _balanced(run: Run, usual: Recipe, start: float = 0.0) -> Recipe:
    """[RUE] 99.9 over nonzero activations. Starting at theta / 2 is Bu et al.'s (AAAI 2022)."""
    conversion = {"images": IMAGES, "percentile": 99.9}
    return replace(usual, epochs=0, neuron={"start": start}, conversion=conversion, sources="Rueckauer 2017")


def _at_maximum(run: Run, usual: Recipe) -> Recipe:
    """[RMP] Soft reset from 0, and the largest activation: what is public of Han et al. 2020 without their code.

    Their factor on thresholds and their coding of images could not be read: the factor is 1 and images are currents.
    """
    return replace(usual, epochs=0, conversion={"images": IMAGES}, sources="Han et al. 2020, as far as public")


def _shifted(run: Run, usual: Recipe, sources: str = "Deng & Gu 2021") -> Recipe:
    """[DENG] The maximum, a shift of theta / 2T; over 512 images, not all (ours).

    They leave the shift out behind residual additions and put a neuron on the logits; here no neuron is an exception.
    """
    return replace(usual, epochs=0, neuron={"shift": 0.5}, conversion={"images": IMAGES}, sources=sources)


def _shifted_published(run: Run, usual: Recipe) -> Recipe:
    """[DENG] The shift is that of 32 steps, the released default, whatever T; thresholds over 512 images (ours).

    Its ANN is the suite's, with batch norm and DSR's schedule: the released script stops at iteration 100.
    """
    neuron = {"shift": 0.5, "shift_steps": 32}
    return replace(usual, epochs=0, neuron=neuron, conversion={"images": IMAGES}, sources="Deng & Gu 2021, released")


def _clipped_ann(run: Run, usual: Recipe) -> Recipe:
    """[DENG] ReLU clipped at a fixed value: 1, as the author says in their issue 2 (their code's default is no clip).

    All else is DSR's (matched), batch norm too, which their networks do not have.
    """
    return replace(usual, neuron={"clip": 1.0}, sources="Deng & Gu 2021 matched to DSR's recipe")


def _calibrated(run: Run, usual: Recipe) -> Recipe:
    """[LI] "light": least-error thresholds, shift theta / 2T, bias correction on one batch."""
    conversion = {"images": IMAGES, "correction_images": 128}
    return replace(usual, epochs=0, neuron={"shift": 0.5}, conversion=conversion, sources="Li et al. 2021")


def _calibrated_published(run: Run, usual: Recipe) -> Recipe:
    return _calibrated(run, _unwarmed(usual))


def _ann_published(run: Run, usual: Recipe) -> Recipe:
    """[LI] 300 epochs, no warm-up, AutoAugment and Cutout; what calibration starts from."""
    return replace(_unwarmed(usual), epochs=300, augmentation=RICH, sources="Li et al. 2021, their ANN")


def _qcfs_ann(run: Run, usual: Recipe, levels: int = 4) -> Recipe:
    """[QCFS] L = 4 on CIFAR, threshold 8 at the start; augmentation and epochs are DSR's (matched)."""
    return replace(usual, neuron={"levels": levels, "threshold": 8.0}, sources="QCFS matched to DSR's recipe")


def _qcfs_published_ann(run: Run, usual: Recipe) -> Recipe:
    """[QCFS] ANN_SNN_QCFS, the successor: 300 epochs, batch 300, no warm-up, AutoAugment and Cutout on both sets.

    L = 4 (README; default 8), learning rate 0.1 on CIFAR-10 and 0.05 on CIFAR-100.
    """
    rate = 0.05 if run.dataset == "cifar100" else 0.1
    neuron = {"levels": 4, "threshold": 8.0}
    recipe = replace(_unwarmed(usual), epochs=300, batch_size=300, learning_rate=rate, neuron=neuron)
    return replace(recipe, augmentation=RICH, sources="QCFS, ANN_SNN_QCFS as released")


def _qcfs_2022_published_ann(run: Run, usual: Recipe) -> Recipe:
    """[QCFS] SNN_conversion_QCFS, the first: 120 epochs (its default; a comment there calls 300 better), no warm-up.

    On CIFAR-100 Cutout without AutoAugment. L = 4 as its authors say of CIFAR; its default is 16.
    """
    augmentation: Augmentation = "crop-flip-cutout" if run.dataset == "cifar100" else RICH
    sources = "QCFS, SNN_conversion_QCFS as released"
    recipe = replace(_unwarmed(usual), epochs=120, augmentation=augmentation, sources=sources)
    return replace(recipe, neuron={"levels": 4, "threshold": 8.0, "order": "floor-clamp"})


def _qcfs(run: Run, usual: Recipe) -> Recipe:
    """[QCFS] No training of its own; membranes start at half the threshold."""
    return replace(usual, epochs=0, neuron={"start": 0.5}, sources="QCFS conversion, no calibration")


def _qcfs_published(run: Run, usual: Recipe) -> Recipe:
    return _qcfs(run, _unwarmed(usual))


def _unwarmed(usual: Recipe) -> Recipe:
    return replace(usual, warmup_iterations=0)


def from_four(recipe: Recipe) -> Recipe:
    """[ours] A thousand iterations cannot carry a threshold from 8 to where it works."""
    return replace(recipe, neuron={**recipe.neuron, "threshold": 4.0})


METHODS: Mapping[str, Facts] = {
    "threshold-balancing": Facts(
        "Conversion of ann, 99.9th percentile, v0 = 0",
        family="conversion",
        recipe=_balanced,
        parent="ann",
        anytime=True,
        compared=True,
        role="representative",
        colour="#332288",
        marker="<",
    ),
    "threshold-balancing-half": Facts(
        "Conversion of ann, 99.9th percentile, v0 = theta / 2",
        family="conversion",
        recipe=partial(_balanced, start=0.5),
        parent="ann",
        anytime=True,
        compared=True,
        watched=True,
        role="control",
        colour="#44AA99",
        marker=">",
    ),
    "maximum-shift": Facts(
        "Conversion of ann, largest activation, shift theta / 2T",
        family="conversion",
        recipe=partial(_shifted, sources="Deng & Gu 2021 on an ANN without their clip"),
        parent="ann",
        compared=True,
        colour="#999933",
        marker="p",
    ),
    "rmp": Facts(
        "RMP: conversion of ann, largest activation, v0 = 0",
        family="conversion",
        recipe=_at_maximum,
        parent="ann",
        anytime=True,
        colour="#661100",
        marker=(8, 2, 0),
    ),
    "deng-gu-ann": Facts(
        "ANN with a ReLU clipped at 1, parent of deng-gu",
        family="ANN",
        recipe=_clipped_ann,
        timeless=True,
        watched=True,
        colour="#8B5A2B",
        marker=(7, 1, 0),
    ),
    "deng-gu": Facts(
        "Deng & Gu: largest activation, shift theta / 2T, converted from deng-gu-ann",
        family="conversion",
        recipe=_shifted,
        parent="deng-gu-ann",
        compared=True,
        role="representative",
        colour="#8B5A2B",
        marker=(6, 1, 0),
    ),
    "deng-gu-released": Facts(
        "Deng & Gu as released: a neuron on the logits, no shift behind additions, a shift of theta / 64",
        family="conversion",
        recipe=_shifted_published,
        parent="deng-gu-ann",
        anytime=True,
        colour="#B8860B",
        marker=(6, 2, 30),
    ),
    "calibration": Facts(
        "Conversion of ann, least error, shift and bias correction",
        family="conversion",
        recipe=_calibrated,
        parent="ann",
        compared=True,
        role="control",
        colour="#882255",
        marker="h",
    ),
    "qcfs-ann": Facts(
        "ANN with QCFS activation, L = 4, parent of qcfs",
        family="ANN",
        recipe=_qcfs_ann,
        shortened=from_four,
        tuned=rate_of("qcfs-ann", from_four),
        timeless=True,
        watched=True,
        colour="#CC79A7",
        marker=(5, 1, 36),
    ),
    "qcfs": Facts(
        "QCFS, L = 4, converted from qcfs-ann",
        family="conversion",
        recipe=_qcfs,
        parent="qcfs-ann",
        anytime=True,
        compared=True,
        watched=True,
        role="control",
        colour="#CC79A7",
        marker="X",
    ),
    "ann-published": Facts(
        "ANN, ReLU, trained as calibration's authors do, parent of calibration-published",
        family="ANN",
        recipe=_ann_published,
        timeless=True,
        watched=True,
    ),
    "calibration-published": Facts(
        "Calibration of ann-published, its authors' recipe",
        family="conversion",
        recipe=_calibrated_published,
        parent="ann-published",
    ),
    "qcfs-published-ann": Facts(
        "ANN with QCFS activation, recipe of ANN_SNN_QCFS, parent of qcfs-published",
        family="ANN",
        recipe=_qcfs_published_ann,
        shortened=from_four,
        tuned=from_four,
        timeless=True,
        watched=True,
    ),
    "qcfs-published": Facts(
        "QCFS, recipe of its authors' later repository, ANN_SNN_QCFS",
        family="conversion",
        recipe=_qcfs_published,
        parent="qcfs-published-ann",
        anytime=True,
    ),
    "qcfs-2022-published-ann": Facts(
        "ANN with QCFS activation, floor then clamp, recipe of SNN_conversion_QCFS, parent of qcfs-2022-published",
        family="ANN",
        recipe=_qcfs_2022_published_ann,
        shortened=from_four,
        tuned=from_four,
        timeless=True,
        watched=True,
    ),
    "qcfs-2022-published": Facts(
        "QCFS, recipe of its authors' first repository, SNN_conversion_QCFS",
        family="conversion",
        recipe=_qcfs_published,
        parent="qcfs-2022-published-ann",
        anytime=True,
    ),
    "qcfs-l8-ann": Facts(
        "ANN with QCFS activation, L = 8, parent of qcfs-l8",
        family="ANN",
        recipe=partial(_qcfs_ann, levels=8),
        shortened=from_four,
        tuned=rate_of("qcfs-ann", from_four),
        timeless=True,
        watched=True,
        colour="#AA4499",
        marker=(4, 1, 0),
    ),
    "qcfs-l8": Facts(
        "QCFS, L = 8, converted from qcfs-l8-ann",
        family="conversion",
        recipe=_qcfs,
        parent="qcfs-l8-ann",
        anytime=True,
        compared=True,
        role="control",
        colour="#AA4499",
        marker="P",
    ),
}
