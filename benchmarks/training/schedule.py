"""The optimiser and its learning rate: SGD or Adam, linear warm-up, cosine decay to zero over the epochs.

lr in epoch e of E:  lr (1 + cos(pi e / E)) / 2,  times (i + 1) / W in the first W iterations i
"""

from __future__ import annotations

import math

import torch
from torch import nn

from benchmarks.spec import Recipe


def make_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Make SGD with momentum, or Adam with torch's betas 0.9 and 0.999; weight decay applies to all parameters."""
    if recipe.optimizer == "adam":
        return torch.optim.Adam(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(
        network.parameters(), recipe.learning_rate, recipe.momentum, weight_decay=recipe.weight_decay
    )


def learning_rate(recipe: Recipe, epoch: int) -> float:
    """Return the rate of an epoch (from 0) after warm-up: half a cosine."""
    return recipe.learning_rate * (1 + math.cos(math.pi * epoch / recipe.epochs)) / 2


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
