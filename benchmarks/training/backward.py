"""How a batch becomes gradients: one backward pass through the whole network, unless a method does it in its own way.

Online methods go backward at every step, others solve an equation or follow spike times. The rest of training, which is
batches, optimiser, learning rate, meters and checkpoints, is the same for all (`benchmarks.training.loop`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from benchmarks.spec import Recipe
from benchmarks.training.losses import LOSSES, LossFunction, mean_over_time

Objective = Callable[[Tensor, Tensor], Tensor]
"""`(outputs, labels)` -> the loss that is lowered, a mean over images; `outputs` as in `losses.LossFunction`."""
Gradients = Callable[[nn.Module, Tensor, Tensor, Objective], tuple[Tensor, Tensor]]
"""`(network, images, labels, objective)` -> logits `(B, classes)` and the loss, both without a graph.

Adds the gradients of the loss to those of the network's parameters, which are None before. The network is in training
mode; images are `(B, C, H, W)`, or event frames `(T, B, C, H, W)`.
"""


def at_once(network: nn.Module, images: Tensor, labels: Tensor, objective: Objective) -> tuple[Tensor, Tensor]:
    """Differentiate the loss of a whole batch, all its steps included, in one backward pass."""
    outputs = network(images)
    loss = objective(outputs, labels)
    loss.backward()
    return mean_over_time(outputs.detach()), loss.detach()


@runtime_checkable
class StepByStep(Protocol):
    """A network that can be differentiated step by step.

    `by_step`: whether its head gives the loss the output of every step; `divisor`: of how many steps a loss is a mean.
    """

    divisor: int

    @property
    def by_step(self) -> bool: ...

    def outputs(self, x: Tensor) -> Iterator[Tensor]:
        """Yield the output of every step, `(1, B, classes)` by step; without a graph where a step is not trained."""


def at_every_step(network: nn.Module, images: Tensor, labels: Tensor, objective: Objective) -> tuple[Tensor, Tensor]:
    """Differentiate the loss of each step behind that step, whose graph is then freed.

    A loss of the mean output is known behind the last step: then the graphs of all steps are kept until there.
    """
    assert isinstance(network, StepByStep)
    if not network.by_step:
        return at_once(network, images, labels, objective)
    outputs, losses = list[Tensor](), list[Tensor]()
    for output in network.outputs(images):
        outputs.append(output.detach())
        if output.requires_grad:
            loss = objective(output, labels) / network.divisor
            loss.backward()
            losses.append(loss.detach())
    return mean_over_time(torch.cat(outputs)), torch.stack(losses).sum()


@dataclass(frozen=True)
class Backward:
    """What a method lowers, and how it finds the gradients."""

    objective: Objective
    gradients: Gradients = at_once

    def __call__(self, network: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """As `Gradients`."""
        return self.gradients(network, images, labels, self.objective)


def lowering(recipe: Recipe, loss: LossFunction | None = None, gradients: Gradients = at_once) -> Backward:
    """Lower a loss of a method's own; without one, that which the recipe names."""
    function = loss or LOSSES[recipe.loss]
    return Backward(lambda outputs, labels: function(outputs, labels, recipe), gradients)
