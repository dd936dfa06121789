"""Thresholds that the first batch decides, for recipes that name no constant: `Recipe.start_like`."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from benchmarks.data import Dataset, training_batches
from benchmarks.methods import named
from benchmarks.networks import build
from benchmarks.recipes import resolve
from benchmarks.spec import BadInput, Recipe, Run


def set_start(run: Run, recipe: Recipe, network: nn.Module, data: Dataset) -> float | None:
    """Set the thresholds of a fresh network where its recipe leaves them open; returns the first neuron's.

    The batch is the first that the run trains on, whole in each of several processes. Raises BadInput for a method
    that has no such rule.
    """
    if recipe.start_like is None:
        return None
    rule = named(run.method).start
    if rule is None:
        raise BadInput(f"{run.method} has no thresholds that could start like {recipe.start_like}'s gradient")
    images, labels = next(training_batches(data, recipe, run.seed, 1))
    like = replace(run, method=recipe.start_like, timesteps=1)
    torch.manual_seed(run.seed)
    reference = build(run.network, like.method, 1, data.classes, data.channels, resolve(like)).to(data.train.device)
    return rule(network, reference, images, labels)
