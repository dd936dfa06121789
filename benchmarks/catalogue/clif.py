"""CLIF: a surrogate gradient through a second state of each neuron.

[CLIF] Huang et al., ICML 2024, and their released code, Complementary-LIF at d76af59; [ours] chosen by us.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmarks.catalogue.facts import Facts
from benchmarks.spec import Recipe, Run


def _clif(run: Run, usual: Recipe) -> Recipe:
    """[CLIF] V = 1, tau = 2, rectangle, soft reset. [ours] All else is DSR's (matched).

    The norm is that of `plif`: currents of variance 1 before a threshold of 1, as in theirs. tdBN would come to the
    same in front of one branch, and halve the variance in front of a sum of two.
    """
    neuron = {"threshold": 1.0, "tau": 2.0}
    return replace(usual, neuron=neuron, sources="CLIF (Huang et al. 2024) matched to DSR's recipe")


def _published(run: Run, usual: Recipe) -> Recipe:
    """[CLIF] README: 200 epochs of batches of 128, weight decay 5e-5 on CIFAR-10 and 5e-4 on CIFAR-100, no warm-up.

    Its loss is that of TET with a share of 0.05, in one backward pass. Images are cropped, flipped and holed (Cutout).
    """
    decay = 5e-5 if run.dataset == "cifar10" else 5e-4
    recipe = replace(_clif(run, usual), weight_decay=decay, warmup_iterations=0, loss="tet")
    sources = "CLIF as released; here the last epoch and float32, there the best on the test split and float16"
    return replace(recipe, augmentation="crop-flip-cutout", sources=sources)


METHODS: Mapping[str, Facts] = {
    "clif": Facts(
        "CLIF: a second state remembers spikes, rectangular surrogate",
        family="surrogate gradient",
        temporal_gradient="all",
        recipe=_clif,
        watched=True,
        colour="#C51B7D",
        marker=(3, 1, 0),
    ),
    "clif-published": Facts(
        "CLIF, norm of each step, loss at every step, recipe of its authors' code",
        family="surrogate gradient",
        temporal_gradient="all",
        recipe=_published,
        watched=True,
    ),
}
