"""TSSL-BP: gradients of spike times behind a synaptic filter.

[TSSL] Zhang & Li 2020, their released code at commit ffaac71 and its file for a smaller network, Networks/CIFAR10.yaml;
the file of the paper's network is not released. [ours] chosen by us.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmarks.catalogue.facts import Facts
from benchmarks.spec import Recipe, Run

NEURON = {"threshold": 1.0, "tau_membrane": 5.0, "tau_synapse": 3.0}


def _matched(run: Run, usual: Recipe) -> Recipe:
    """[TSSL] V 1, taus of 5 and 3 steps; the target filtered once, as outputs are. [ours] All else is DSR's."""
    return replace(usual, neuron=NEURON, sources="TSSL-BP matched to DSR's recipe")


def _published(run: Run, usual: Recipe) -> Recipe:
    """[TSSL] AdamW at 2e-4 with its default decay, no schedule, 150 epochs, batch 50. Target filtered twice.

    Their code reports the best epoch on the test split; the paper's network has one run, 91.41 %.
    """
    recipe = replace(usual, epochs=150, batch_size=50, warmup_iterations=0, drops=(1.0,), neuron=NEURON)
    recipe = replace(recipe, optimizer="adamw", learning_rate=2e-4, weight_decay=1e-2)
    return replace(recipe, sources="TSSL-BP as released (Networks/CIFAR10.yaml, main.py); dropout is the smaller net's")


def _faster(recipe: Recipe) -> Recipe:
    """[ours] A thousand iterations at the published rate leave output neurons as silent as they start."""
    return replace(recipe, learning_rate=1e-3)


METHODS: Mapping[str, Facts] = {
    "tssl-bp": Facts(
        "TSSL-BP, gradients of spike times",
        family="surrogate gradient",
        temporal_gradient="all",
        recipe=_matched,
        watched=True,
        colour="#1F78B4",
        marker=(3, 2, 180),
    ),
    "tssl-bp-published": Facts(
        "TSSL-BP, its authors' recipe: no norm, no bias, AdamW, target filtered twice",
        family="surrogate gradient",
        temporal_gradient="all",
        recipe=_published,
        shortened=_faster,
        watched=True,
        small="cifarnet-tssl-tiny",
    ),
}
