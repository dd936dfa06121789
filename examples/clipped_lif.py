"""A method that trains in its own way: a loss at every step, votes of output neurons, and clipped gradients.

DSR_METHODS=examples/clipped_lif.py dsr-bench check clipped-lif
DSR_METHODS=examples/clipped_lif.py dsr-bench sweep quick --methods clipped-lif,stbp-tdbn
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.dropout import DropoutOverTime
from baselines.stbp import LIF, SpikeReadout
from benchmarks.method import Method
from benchmarks.spec import Recipe
from benchmarks.training.backward import Objective, at_once


class Votes(SpikeReadout):
    """Ten output neurons a class; training gets the rates of every step, `(T, B, classes)`."""

    every_step = True

    def __init__(self, features: int, classes: int, neuron, timesteps: int) -> None:  # type: ignore[no-untyped-def]
        super().__init__(features, classes, neuron, timesteps, votes=10)


def squared_error_of_every_step(outputs: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """Outputs `(T, B, classes)`, labels `(B,)` -> a mean over images."""
    wanted = F.one_hot(labels, outputs.shape[2]).to(outputs.dtype)
    return (outputs - wanted).square().sum(2).mean()


def clipped(network: nn.Module, images: Tensor, labels: Tensor, objective: Objective) -> tuple[Tensor, Tensor]:
    """One backward pass; then the gradient of all parameters together is at most 1 long."""
    found = at_once(network, images, labels, objective)
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    return found


METHOD = Method(
    "LIF, votes, clipped gradients",
    LIF,
    readout=lambda neuron, timesteps: (
        lambda features, classes, reencode=True: Votes(features, classes, neuron, timesteps)
    ),
    dropout=lambda timesteps: lambda p=0.5: DropoutOverTime(p, timesteps),
    pool=lambda neuron: torch.nn.MaxPool2d,
    loss=squared_error_of_every_step,
    gradients=clipped,
)
