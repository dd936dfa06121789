"""Recipes cut down to ImageNet and a scale; `recipes.scales` asks for them.

[DSR] the released code's ImageNet part; [ours] chosen by us.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.catalogue.datasets import DataSet
from benchmarks.catalogue.facts import Adjust, unchanged
from benchmarks.spec import Recipe, Scale


def scaled(recipe: Recipe, for_few_steps: Recipe, data: DataSet, scale: Scale, as_there: Adjust = unchanged) -> Recipe:
    """A method's recipe for ImageNet at a scale; `for_few_steps` is the one for a short training.

    `as_there`: what the method's authors do otherwise on ImageNet.
    """
    match scale:
        case "paper":
            return as_there(_published(recipe, data))
        case "short":
            return _cut(as_there(_published(recipe, data)), "short", epochs=30)
        case "laptop":
            return _cut(as_there(_published(for_few_steps, data)), "laptop", 20, 64, 1_000, 400)
        case "smoke":
            return _cut(as_there(_published(for_few_steps, data)), "smoke", 2, 32, 100, 50)
    raise ValueError(f"no recipe for image files at scale {scale}")


def warmed_up(recipe: Recipe, iterations: int) -> Recipe:
    """Another length of warm-up; a recipe that has none, as its authors have none, gets none."""
    return replace(recipe, warmup_iterations=iterations) if recipe.warmup_iterations else recipe


def _published(recipe: Recipe, data: DataSet) -> Recipe:
    """[DSR] 90 epochs, warm-up of 5000 iterations. ANN: batch 256, weight decay 1e-4; hybrid: batch 144, c = 0.001
    (which Adam undoes).

    [ours] Methods that the authors have not run there take the ANN's.
    """
    augmentation = data.augmentation or recipe.augmentation
    recipe = warmed_up(replace(recipe, augmentation=augmentation, classes=data.classes), 5_000)
    recipe = recipe if recipe.epochs == 0 else replace(recipe, epochs=90, half_period=None)
    if "quantile" in recipe.conversion:  # DSR's hybrid training
        return replace(recipe, batch_size=144, neuron={**recipe.neuron, "threshold_gain": 0.001})
    sources = f"{recipe.sources}; schedule of DSR's ImageNet ANN"
    return replace(recipe, batch_size=256, weight_decay=min(recipe.weight_decay, 1e-4), sources=sources)


def _cut(
    recipe: Recipe, scale: str, epochs: int, size: int | None = None, train: int | None = None, test: int | None = None
) -> Recipe:
    """[ours] With a `size`: ten classes, squares of so many pixels, batches of 50, an epoch of warm-up."""
    recipe = replace(recipe, epochs=min(epochs, recipe.epochs), sources=f"{recipe.sources}; cut down to {scale} by us")
    if size is None:
        return recipe
    recipe = replace(recipe, classes=10, image_size=size, train_images=train, test_images=test)
    return warmed_up(replace(recipe, batch_size=50), (train or 0) // 50)
