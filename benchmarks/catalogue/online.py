"""Training step by step, with no gradient from step to step: SLTT, SLTT-K and OTTT, with their published recipes.

[SLTT] Meng et al., ICCV 2023, code qymeng94/SLTT 0758ecd; [OTTT] Xiao et al., NeurIPS 2022, code pkuxmq/OTTT-SNN
c15d5da; [ours] chosen by us. Both codes keep the best epoch on the test split; here the last one is the headline. Their
Cutout erases, with probability 1/2, 2 to 40 % of an image before it is mirrored; here it is the suite's square of 16.

Matched methods have DSR's recipe and the loss that SLTT is published with, which needs the output of every step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmarks.catalogue.facts import Facts
from benchmarks.spec import Parameter, Recipe, Run

SLTTS: Mapping[str, Parameter] = {"threshold": 1.0, "tau": 1.1, "surrogate": "triangle"}
OTTTS: Mapping[str, Parameter] = {"threshold": 1.0, "tau": 2.0, "surrogate": "sigmoid"}
HEIGHT = 2.74
"""What spikes are multiplied with in the network of OTTT's authors."""
K = 2
"""[SLTT] Trained steps: the default of train_SLTTK.py."""


def _sltt(run: Run, usual: Recipe) -> Recipe:
    """[SLTT] tau = 1.1, V = 1, soft reset, triangle; at every step 0.95 CE + 0.05 of the squared distance from 1.

    Norms have the statistics of a step. [ours] All else is DSR's (matched).
    """
    return replace(usual, neuron=SLTTS, loss="tet", sources="SLTT matched to DSR's recipe, its own loss of every step")


def _sltt_k(run: Run, usual: Recipe) -> Recipe:
    """[SLTT] The loss of K steps, divided by K as in the paper, so that the expected gradient is SLTT's."""
    return replace(_sltt(run, usual), trained_steps=K, sources="SLTT-K matched to DSR's recipe, K = 2")


def _sltt_published(run: Run, usual: Recipe) -> Recipe:
    """[SLTT] train_SLTT.py and README: SGD 0.1, cosine over 200 epochs, batch 128, no warm-up, crop, flip, Cutout.

    Weight decay 5e-5 on CIFAR-10, 5e-4 on CIFAR-100, on everything. Theirs runs with float16 autocast.
    """
    decay = 5e-5 if run.dataset == "cifar10" else 5e-4
    recipe = replace(_sltt(run, usual), epochs=200, weight_decay=decay, warmup_iterations=0)
    return replace(recipe, augmentation="crop-flip-cutout", sources="SLTT as released (train_SLTT.py, README); float32")


def _sltt_k_published(run: Run, usual: Recipe) -> Recipe:
    """[SLTT] train_SLTTK.py: as SLTT. The loss of a trained step is divided by T, so gradients are K / T of SLTT's."""
    sources = "SLTT-K as released (train_SLTTK.py, README), K = 2, its default; float32"
    return replace(_sltt_published(run, usual), trained_steps=K, sources=sources)


def _ottt(run: Run, usual: Recipe) -> Recipe:
    """[OTTT] tau = 2, V = 1, soft reset, sigmoid of slope 4. [ours] Norms of each step, and the loss of `sltt`."""
    return replace(usual, neuron=OTTTS, loss="tet", sources="OTTT matched to DSR's recipe, with norms and SLTT's loss")


def _ottt_published(run: Run, usual: Recipe) -> Recipe:
    """[OTTT] train_cifar.py: SGD 0.1, cosine over 300 epochs, batch 128, no decay, no warm-up, crop, flip, Cutout.

    No norms: weights are standardised, spikes have the height 2.74. The loss is 0.95 CE + 0.05 of the squared distance
    from the one-hot label, at every step. Theirs normalises CIFAR-100 with the constants of CIFAR-10.
    """
    neuron = {**OTTTS, "height": HEIGHT}
    recipe = replace(usual, neuron=neuron, loss="tet-onehot", epochs=300, weight_decay=0.0, warmup_iterations=0)
    return replace(recipe, augmentation="crop-flip-cutout", sources="OTTT as released (train_cifar.py), variant A")


METHODS: Mapping[str, Facts] = {
    "sltt": Facts(
        "SLTT: backward at every step, no gradient from step to step",
        family="surrogate gradient",
        temporal_gradient="within a step",
        watched=True,
        recipe=_sltt,
        colour="#E7298A",
        marker="P",
    ),
    "sltt-k": Facts(
        "SLTT-K: the same at K = 2 random steps",
        family="surrogate gradient",
        temporal_gradient="within a step",
        watched=True,
        recipe=_sltt_k,
        colour="#F781BF",
        marker="p",
    ),
    "sltt-bptt": Facts(
        "SLTT's neuron, norm and loss with backpropagation through time",
        family="surrogate gradient",
        temporal_gradient="all",
        watched=True,
        recipe=_sltt,
        colour="#980043",
        marker="X",
    ),
    "sltt-published": Facts(
        "SLTT, recipe of its authors' code",
        family="surrogate gradient",
        temporal_gradient="within a step",
        watched=True,
        recipe=_sltt_published,
    ),
    "sltt-k-published": Facts(
        "SLTT-K, recipe of its authors' code",
        family="surrogate gradient",
        temporal_gradient="within a step",
        watched=True,
        recipe=_sltt_k_published,
    ),
    "ottt": Facts(
        "OTTT: as SLTT, weights learn from decaying traces of spikes",
        family="surrogate gradient",
        temporal_gradient="within a step",
        watched=True,
        recipe=_ottt,
        colour="#7570B3",
        marker="h",
    ),
    "ottt-published": Facts(
        "OTTT, standardised weights, recipe of its authors' code",
        family="surrogate gradient",
        temporal_gradient="within a step",
        watched=True,
        recipe=_ottt_published,
    ),
}
