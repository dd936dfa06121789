"""The optimiser and its learning rate: SGD or Adam, linear warm-up, then a cosine or drops.

by epoch, e of E:            lr (1 + cos(pi e / P)) / 2,  times (i + 1) / W in the first W iterations i
                             P = E: it ends at zero; P < E (`half_period`): it falls and rises in turn
by drops, after s_n E:       lr d^n  from the n-th share s_n on, with the same warm-up
by iteration, i of N >= W:   lr (i + 1) / W in the first W iterations, then lr (1 + cos(pi (i - W) / (N - W))) / 2
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from benchmarks.spec import Recipe


def make_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Make SGD with momentum, or Adam with torch's betas 0.9 and 0.999; weight decay applies to all parameters."""
    groups = _groups(network, recipe)
    if recipe.optimizer == "adam":
        return torch.optim.Adam(groups, recipe.learning_rate, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(groups, recipe.learning_rate, recipe.momentum, weight_decay=recipe.weight_decay)


def _groups(network: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """All parameters; with a rate of their own, those of fully connected layers apart, whose `factor` it is."""
    parameters = list(network.parameters())
    if recipe.linear_rate == 1.0:
        return [{"params": parameters}]
    linear = [p for module in network.modules() if isinstance(module, nn.Linear) for p in module.parameters()]
    apart = {id(p) for p in linear}
    others = [p for p in parameters if id(p) not in apart]
    rate = recipe.learning_rate * recipe.linear_rate
    return [{"params": others}, {"params": linear, "lr": rate, "factor": recipe.linear_rate}]


def learning_rate(recipe: Recipe, iteration: int, per_epoch: int) -> float:
    """Return the rate of an iteration (from 0); `per_epoch` iterations are one epoch."""
    if recipe.warmup_share is None:
        rising = min(1.0, (iteration + 1) / max(1, recipe.warmup_iterations))
        return rising * _by_epoch(recipe, iteration // per_epoch)
    total = recipe.epochs * per_epoch
    warmup = round(recipe.warmup_share * total)
    if iteration < warmup:
        return recipe.learning_rate * (iteration + 1) / warmup
    return _cosine(recipe.learning_rate, iteration - warmup, total - warmup)


def _by_epoch(recipe: Recipe, epoch: int) -> float:
    if recipe.drops:
        dropped = sum(epoch >= round(share * recipe.epochs) for share in recipe.drops)
        return recipe.learning_rate * recipe.drop**dropped
    return _cosine(recipe.learning_rate, epoch, recipe.half_period or recipe.epochs)


def _cosine(start: float, now: int, end: int) -> float:
    return start * (1 + math.cos(math.pi * now / end)) / 2


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("factor", 1.0)
