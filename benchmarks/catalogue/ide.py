"""IDE: implicit differentiation at the equilibrium of a network with feedback.

[IDE] Xiao et al. 2021 and their released code at commit 7da5907, cifar_cifarnetf.py; [ours] chosen by us.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmarks.catalogue.facts import Facts
from benchmarks.spec import Recipe, Run


def _neuron(run: Run) -> dict[str, float]:
    """[IDE] V 2, leak 0.99 (LIF). Their number on CIFAR-100 in the DSR paper, 73.07 %, is the IF neuron's."""
    return {"threshold": 2.0, "leak": 1.0 if run.dataset == "cifar100" else 0.99}


def _matched(run: Run, usual: Recipe) -> Recipe:
    """[ours] Optimiser and schedule are DSR's. J is the derivative of what is differentiated, at the simulated rate."""
    return replace(usual, neuron=_neuron(run), sources="IDE matched to DSR's recipe")


def _published(run: Run, usual: Recipe) -> Recipe:
    """[IDE] SGD from 0.05, 100 epochs, a tenth from epoch 50 and again from 75, batch 128, 400 iterations of warm-up.

    J at f of the simulated rate; running statistics of the first norm move twice a batch. Best test epoch there.
    """
    recipe = replace(usual, epochs=100, learning_rate=0.05, drops=(0.5, 0.75), neuron=_neuron(run))
    return replace(recipe, sources="IDE as released (cifar_cifarnetf.py); GMRES in place of 30 steps of Broyden")


METHODS: Mapping[str, Facts] = {
    "ide": Facts(
        "IDE, feedback, implicit differentiation",
        family="surrogate gradient",
        temporal_gradient="none",
        recipe=_matched,
        feedback=True,
        watched=True,
        colour="#4D4D4D",
        marker=(4, 2, 0),
    ),
    "ide-published": Facts(
        "IDE, its authors' recipe and their code's Jacobian",
        family="surrogate gradient",
        temporal_gradient="none",
        recipe=_published,
        feedback=True,
        watched=True,
    ),
}
