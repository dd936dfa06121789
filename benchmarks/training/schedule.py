"""The optimiser and its learning rate: SGD, Adam, AMSGrad or AdamW, linear warm-up, then a cosine or drops.

by epoch, e of E:            lr (1 + cos(pi e / P)) / 2,  times (i + 1) / W in the first W iterations i
                             P = E: it ends at zero; P < E (`half_period`): it falls and rises in turn
by drops, after s_n E:       lr d^n  from the n-th share s_n on, with the same warm-up
by iteration, i of N >= W:   lr (i + 1) / W in the first W iterations, then lr (1 + cos(pi (i - W) / (N - W))) / 2
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from benchmarks.spec import Optimizer, Recipe

ADAPTIVE: Mapping[Optimizer, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "amsgrad": partial(torch.optim.Adam, amsgrad=True),
    "adamw": torch.optim.AdamW,
}
"""Those that divide a gradient by its own size."""


def make_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Make SGD with momentum, or a kind of Adam with torch's betas 0.9 and 0.999."""
    groups = _groups(network, recipe)
    if adaptive := ADAPTIVE.get(recipe.optimizer):
        return adaptive(groups, recipe.learning_rate, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(groups, recipe.learning_rate, recipe.momentum, weight_decay=recipe.weight_decay)


def _groups(network: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """All parameters, in groups of one rate and one weight decay; `factor` is what a group's rate is multiplied by."""
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
    linear = [p for layer in layers if isinstance(layer, nn.Linear) for p in layer.parameters()]
    apart = {id(p) for p in linear} if recipe.linear_rate != 1.0 else set()
    decayed = {id(layer.weight) for layer in layers}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for p in network.parameters():
        groups.setdefault((id(p) in apart, recipe.decayed == "all" or id(p) in decayed), []).append(p)
    return [_group(recipe, *of, parameters) for of, parameters in sorted(groups.items(), key=lambda one: one[0][0])]


def _group(recipe: Recipe, apart: bool, decays: bool, parameters: list[nn.Parameter]) -> dict[str, Any]:
    found: dict[str, Any] = {"params": parameters}
    if apart:
        found |= {"lr": recipe.learning_rate * recipe.linear_rate, "factor": recipe.linear_rate}
    return found if decays else found | {"weight_decay": 0.0}


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
