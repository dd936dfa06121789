"""The optimiser and its learning rate: SGD, Adam or AdamW; linear warm-up, then cosine decay to zero, or drops.

by epoch, e of E:            lr (1 + cos(pi e / E)) / 2,  times (i + 1) / W in the first W iterations i
by iteration, i of N >= W:   lr (i + 1) / W in the first W iterations, then lr (1 + cos(pi (i - W) / (N - W))) / 2

With drops at the shares p of a training, the cosine's factor is f^n instead, n the number of p <= e / E.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from benchmarks.spec import Recipe


def make_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Make SGD with momentum, or Adam or AdamW with torch's betas 0.9 and 0.999; all parameters decay."""
    adaptive = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}.get(recipe.optimizer)
    if adaptive:
        return adaptive(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(
        network.parameters(), recipe.learning_rate, recipe.momentum, weight_decay=recipe.weight_decay
    )


def learning_rate(recipe: Recipe, iteration: int, per_epoch: int) -> float:
    """Return the rate of an iteration (from 0); `per_epoch` iterations are one epoch."""
    if recipe.warmup_share is None:
        rising = min(1.0, (iteration + 1) / max(1, recipe.warmup_iterations))
        return rising * _fallen(recipe, iteration // per_epoch, recipe.epochs)
    total = recipe.epochs * per_epoch
    warmup = round(recipe.warmup_share * total)
    if iteration < warmup:
        return recipe.learning_rate * (iteration + 1) / warmup
    return _fallen(recipe, iteration - warmup, total - warmup)


def _fallen(recipe: Recipe, now: int, end: int) -> float:
    if recipe.drops is not None:
        return recipe.learning_rate * recipe.drop_factor ** sum(now >= share * end for share in recipe.drops)
    return recipe.learning_rate * (1 + math.cos(math.pi * now / end)) / 2


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
