"""Initial thresholds set from the first training batch, for recipes whose `start` is not "constant"."""

from __future__ import annotations

from torch import Tensor, nn

from benchmarks.data import Dataset, training_batches
from benchmarks.methods import named
from benchmarks.spec import BadInput, Recipe, Run


def set_start(run: Run, recipe: Recipe, network: nn.Module, data: Dataset) -> float | None:
    """Set the thresholds of a fresh network by the recipe's rule and return the first neuron's; None for a constant.

    The batch is the first of the run's training; each of several processes uses the whole batch. Raises BadInput for
    a method without such a rule.
    """
    if recipe.start == "constant":
        return None
    images, labels = next(training_batches(data, recipe, run.seed, 1))
    return start_by(run.method, network, images, labels)


def start_by(method: str, network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Set the thresholds of a fresh network from this batch and return the first neuron's. Raises BadInput as above."""
    rule = named(method).start
    if rule is None:
        raise BadInput(f"{method} has no rule that sets initial thresholds from the first gradient")
    return rule(network, images, labels)
