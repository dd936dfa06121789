"""STBP-tdBN and SEW ResNets: training with a surrogate gradient.

[STBP] Zheng et al. 2021 and the public code it is usually run with; [SEW] Fang et al., NeurIPS 2021, and its released
code; [ours] chosen by us.
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


def _sew(run: Run, usual: Recipe) -> Recipe:
    """[SEW] Integrate-and-fire, V = 1, alpha = 2, as in their networks for ImageNet. The optimiser is DSR's."""
    return replace(usual, neuron={"threshold": 1.0, "alpha": 2.0}, sources="SEW ResNet matched to DSR's recipe")


def _sew_published(run: Run, usual: Recipe) -> Recipe:
    """[SEW] No weight decay, no warm-up, cosine epoch by epoch. Off ImageNet and CIFAR10-DVS the schedule is DSR's."""
    recipe = replace(_sew(run, usual), weight_decay=0.0, warmup_iterations=0)
    return replace(recipe, sources="SEW ResNet as released for ImageNet, taken over by us; schedule of DSR's recipe")


def _sew_on_imagenet(recipe: Recipe) -> Recipe:
    """[SEW] SGD from 0.1, 320 epochs, batch 8 x 32, no weight decay, at T = 4.

    Theirs has float16 autocast, norms over the 32 images of a GPU, and reports the best epoch on the test split; their
    classifier's bias starts from torch's default.
    """
    recipe = replace(recipe, epochs=320, batch_size=256, learning_rate=0.1, weight_decay=0.0)
    return replace(recipe, sources="SEW ResNet as released for ImageNet; float32, norms over the whole batch")


def _sew_on_cifar10dvs(recipe: Recipe) -> Recipe:
    """[SEW] SGD from 0.01, 64 epochs, batch 16, no augmentation, trained time constants from 2, at T = 16.

    Theirs has frames of 128 x 128 pixels, not DSR's 48 x 48, float16 autocast, and 900 to 100 recordings of a class in
    the order of file names (tested on 909 to 999 and 91 to 99, where DSR tests on 900 to 999).
    """
    neuron = {**recipe.neuron, "tau": 2.0, "train_tau": True}
    recipe = replace(recipe, epochs=64, batch_size=16, learning_rate=0.01, augmentation="none", neuron=neuron)
    return replace(recipe, sources="SEW ResNet as released for CIFAR10-DVS; frames and split are DSR's, float32")


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
    "sew": Facts(
        "SEW ResNet's neuron: integrate-and-fire, arctangent surrogate",
        family="surrogate gradient",
        recipe=_sew,
    ),
    "sew-published": Facts(
        "SEW ResNet as its authors train it, with maxima as pools",
        family="surrogate gradient",
        recipe=_sew_published,
        published_on={"imagenet": _sew_on_imagenet, "cifar10dvs": _sew_on_cifar10dvs},
    ),
}
