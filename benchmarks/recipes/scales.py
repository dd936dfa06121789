"""Recipes cut down to a data set and a scale; `recipes.resolve` asks for them.

[DSR] the paper and its released code; [ours] chosen by us.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks import catalogue
from benchmarks.recipes import imagenet
from benchmarks.spec import Augmentation, Recipe, Run

EVENT_DATA = ("nmnist", "cifar10dvs", "cifar10dvs-sim")
"""Data sets of recordings, of which a run sees frames."""

DIGITS = 1_437
"""Training images of the digits."""


def on_data(recipe: Recipe, run: Run) -> Recipe:
    """A recipe made for CIFAR, fitted to the run's data set (but for ImageNet's, which has parts at every scale).

    [DSR] DVS-CIFAR10: SGD from 0.05, 300 epochs, crop and no flip. N-MNIST is ours: digits are not shifted.
    """
    if run.dataset not in EVENT_DATA:
        return recipe
    augmentation: Augmentation = "none" if run.dataset == "nmnist" else "crop"
    rate = 0.05 if recipe.optimizer == "sgd" else recipe.learning_rate
    whose = "" if run.dataset == "cifar10dvs" else ", taken over by us"
    sources = f"{recipe.sources}; schedule of DSR's DVS-CIFAR10{whose}"
    return replace(_epochs(recipe, 300), learning_rate=rate, augmentation=augmentation, sources=sources)


def scaled(recipe: Recipe, run: Run) -> Recipe:
    """A method's recipe at the run's scale."""
    if run.dataset == "digits":
        return _digits(recipe, run)
    if run.dataset == "imagenet":
        return imagenet.scaled(recipe, _short_schedule(recipe, run), run.scale)
    match run.scale:
        case "paper":
            return recipe
        case "short":  # [ours] the paper's network and batch; only the schedule is shorter
            return _ours(_epochs(recipe, 30), "short")
        case "laptop":
            return _laptop(recipe, run)
        case "smoke":
            return _smoke(recipe, run)


def _ours(recipe: Recipe, scale: str) -> Recipe:
    return replace(recipe, sources=f"{recipe.sources}; cut down to {scale} scale by us")


def _epochs(recipe: Recipe, epochs: int) -> Recipe:
    return recipe if recipe.epochs == 0 else replace(recipe, epochs=epochs)


def _laptop(recipe: Recipe, run: Run) -> Recipe:
    """[ours] 10,000 training images, 8 epochs of 156 iterations, half an epoch of warm-up, the whole test split."""
    recipe = _ours(_short_schedule(_epochs(recipe, 8), run), "laptop")
    if run.dataset in EVENT_DATA:  # recordings are dear, and of N-MNIST 1,100 are a usual part
        train, held_out = (800, 200) if run.dataset == "nmnist" else (2_000, 500)
        recipe = replace(_epochs(recipe, 20), batch_size=32, train_images=train, validation_images=held_out)
        return imagenet.warmed_up(recipe, train // 32)
    # beyond 64 steps a simulation of all 10,000 test images takes hours: the first 1,000 of the fixed order
    test_images = 1_000 if run.timesteps > 64 else None
    sizes = {"train_images": 10_000, "validation_images": 2_000, "test_images": test_images}
    recipe = imagenet.warmed_up(replace(recipe, batch_size=64, **sizes), 78)  # type: ignore[arg-type]
    if run.dataset == "cifar100":  # the first 100 images of a class are a usual part; ten times the classes take longer
        recipe = imagenet.warmed_up(replace(_epochs(recipe, 20), train_images=8_000), 62)
    return recipe


def _smoke(recipe: Recipe, run: Run) -> Recipe:
    """[ours] Does it run? Never evidence."""
    recipe = _ours(_short_schedule(_epochs(recipe, 2), run), "smoke")
    sizes = {"train_images": 320, "validation_images": 64, "test_images": 100 if run.dataset in EVENT_DATA else 320}
    return imagenet.warmed_up(replace(recipe, batch_size=32, **sizes), 4)  # type: ignore[arg-type]


def _digits(recipe: Recipe, run: Run) -> Recipe:
    """[ours] 8 x 8 digits, whole split of 1,437 and 360 images: 10 epochs reach the nineties at every T."""
    recipe = _short_schedule(_epochs(recipe, 10), run)
    recipe = replace(recipe, batch_size=64, augmentation="none", sources="ours: embedded digits")
    return imagenet.warmed_up(recipe, 22)


def _short_schedule(recipe: Recipe, run: Run) -> Recipe:
    """[ours] A thousand iterations cannot carry a threshold from where it is published to where it works."""
    about = catalogue.facts(run.method)
    return about.shortened(recipe) if about else recipe
