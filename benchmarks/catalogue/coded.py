"""Conversions whose images become spikes, too, and the ANNs they convert: CQ training and Spike-Norm.

[CQ] Yan et al. 2021 and its released code; [SEN] Sengupta et al. 2019, who released no code, as later code of the same
group has it (Rathi et al. 2020); [ours] chosen by us. Images are not normalised: a spike stands for a pixel in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmarks.catalogue.facts import Facts
from benchmarks.spec import Recipe, Run


def _of_pixels(run: Run, usual: Recipe) -> Recipe:
    """[ours] The ANN of DSR's recipe, on pixels as they are."""
    return replace(usual, pixels="raw", sources=f"{usual.sources}; pixels in [0, 1], ours")


def _clamped(run: Run, usual: Recipe) -> Recipe:
    """[CQ] The second of three stages: the ReLU clamped at 1. [ours] Each stage has the whole of DSR's recipe."""
    recipe = replace(usual, pixels="raw", neuron={"clip": 1.0})
    return replace(recipe, sources="CQ training (Yan et al. 2021), stage 2, each stage matched to DSR's recipe")


def _quantised(run: Run, usual: Recipe) -> Recipe:
    """[CQ] The third stage: L = T levels. [ours] L = 32, since one ANN serves every T."""
    recipe = replace(usual, pixels="raw", neuron={"levels": 32})
    return replace(recipe, sources="CQ training (Yan et al. 2021), stage 3, each stage matched to DSR's recipe; L = 32")


def _of_neurons(run: Run, usual: Recipe) -> Recipe:
    """[CQ] No training and no measuring: thresholds are 1, membranes start at 0."""
    return replace(usual, epochs=0, pixels="raw", sources="CQ training (Yan et al. 2021), conversion")


def _of_neurons_published(run: Run, usual: Recipe) -> Recipe:
    return _of_neurons(run, replace(usual, warmup_iterations=0))


def _clamped_published(run: Run, usual: Recipe) -> Recipe:
    """[CQ] The clamp from scratch, as the scripts train it; stage 3 is an edit by hand there.

    Adam from 0.001, times 0.7 after each of 10 passes (14 on CIFAR-100) over 101 copies of the images, batch 768.
    """
    passes = 14 if run.dataset == "cifar100" else 10
    drops = tuple(number / passes for number in range(1, passes))
    recipe = replace(usual, epochs=101 * passes, batch_size=768, optimizer="adam", learning_rate=1e-3, weight_decay=0.0)
    recipe = replace(recipe, warmup_iterations=0, drops=drops, drop=0.7, pixels="raw", neuron={"clip": 1.0})
    return replace(recipe, sources="CQ training as released (cifar10_o.py); crops and flips are DSR's")


def _largest_currents(run: Run, usual: Recipe) -> Recipe:
    """[SEN] Hard reset, Bernoulli spikes, the largest current under the spikes of earlier layers.

    [ours] 128 images and 64 steps to measure it; the later code of the group has 512 images and 1,000 steps or more.
    """
    recipe = replace(usual, epochs=0, pixels="raw", neuron={"hard_reset": True})
    conversion = {"images": 128, "steps": 64}
    return replace(
        recipe, conversion=conversion, sources="Sengupta et al. 2019, as far as public; 128 images, 64 steps"
    )


METHODS: Mapping[str, Facts] = {
    "ann-pixels": Facts(
        "ANN on pixels in [0, 1], parent of cq-clamp-ann and spike-norm",
        family="ANN",
        recipe=_of_pixels,
        timeless=True,
        watched=True,
    ),
    "cq-clamp-ann": Facts(
        "ANN of CQ training, stage 2: clamped at 1, parent of cq-ann",
        family="ANN",
        recipe=_clamped,
        parent="ann-pixels",
        timeless=True,
        watched=True,
    ),
    "cq-ann": Facts(
        "ANN of CQ training, stage 3: quantised, L = 32, parent of cq",
        family="ANN",
        recipe=_quantised,
        parent="cq-clamp-ann",
        timeless=True,
        watched=True,
        colour="#5D4E8C",
        marker=(4, 1, 45),
    ),
    "cq": Facts(
        "CQ training: converted from cq-ann, neurons behind pixels",
        family="conversion",
        recipe=_of_neurons,
        parent="cq-ann",
        anytime=True,
        colour="#5D4E8C",
        marker=(8, 1, 0),
    ),
    "cq-published-ann": Facts(
        "ANN of CQ training, clamped at 1, recipe of its authors' scripts, parent of cq-published",
        family="ANN",
        recipe=_clamped_published,
        timeless=True,
        watched=True,
    ),
    "cq-published": Facts(
        "CQ training: converted from cq-published-ann",
        family="conversion",
        recipe=_of_neurons_published,
        parent="cq-published-ann",
        anytime=True,
    ),
    "spike-norm": Facts(
        "Spike-Norm: converted from ann-pixels, random spikes for pixels, hard reset",
        family="conversion",
        recipe=_largest_currents,
        parent="ann-pixels",
        anytime=True,
        colour="#7A7A00",
        marker=(6, 2, 0),
    ),
}
