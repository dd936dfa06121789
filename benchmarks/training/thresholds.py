"""Thresholds that the first batch decides, for recipes that name no constant: `Recipe.start`."""

from __future__ import annotations

from torch import Tensor, nn

from benchmarks.data import Dataset, training_batches
from benchmarks.methods import named
from benchmarks.spec import BadInput, Recipe, Run


def set_start(run: Run, recipe: Recipe, network: nn.Module, data: Dataset) -> float | None:
    """Set the thresholds of a fresh network where its recipe leaves them open; returns the first neuron's.

    The batch is the first that the run trains on, whole in each of several processes. Raises BadInput for a method
    that has no such rule.
    """
    if recipe.start == "constant":
        return None
    images, labels = next(training_batches(data, recipe, run.seed, 1))
    return start_by(run.method, network, images, labels)


def start_by(method: str, network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Set the thresholds of a fresh network by this batch; returns the first neuron's. Raises BadInput as above."""
    rule = named(method).start
    if rule is None:
        raise BadInput(f"{method} has no rule for thresholds that start by the first gradient")
    return rule(network, images, labels)
