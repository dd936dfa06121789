"""Recipes cut down to a data set and a scale; `recipes.resolve` asks for them.

Sizes are in the data set's entry in `benchmarks.catalogue.datasets`. [DSR] the paper and its released code; [ours]
chosen by us.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks import catalogue
from benchmarks.catalogue.datasets import ENTRIES, DataSet
from benchmarks.catalogue.facts import Adjust, unchanged
from benchmarks.recipes import imagenet
from benchmarks.spec import Recipe, Run, require

LONG = 64
"""Time steps beyond which a simulation of all test images takes hours on two cores."""


def dataset_of(run: Run) -> DataSet:
    """The entry of a run's data set. Raises BadInput for an unknown one."""
    return ENTRIES[require(run.dataset, ENTRIES, "dataset")]


def on_data(recipe: Recipe, run: Run) -> Recipe:
    """A recipe made for CIFAR, fitted to the run's data set (except image files, which are fitted at every scale).

    [DSR] DVS-CIFAR10: SGD from 0.05, 300 epochs, crop and no flip.
    """
    data = dataset_of(run)
    if data.kind == "files" or data.whole_at_every_scale:
        return recipe
    if data.augmentation:
        recipe = replace(recipe, augmentation=data.augmentation)
    if data.kind != "events":
        return _as_there(run)(recipe)
    rate = 0.05 if recipe.optimizer == "sgd" else recipe.learning_rate
    whose = "" if data.paper else ", taken over by us"
    sources = f"{recipe.sources}; schedule of DSR's DVS-CIFAR10{whose}"
    return _as_there(run)(replace(_epochs(recipe, 300), learning_rate=rate, sources=sources))


def _as_there(run: Run) -> Adjust:
    """What a method's authors do otherwise on the run's data set, or on the one that it simulates."""
    about, name = catalogue.facts(run.method), dataset_of(run).stands_for or run.dataset
    return about.published_on.get(name, unchanged) if about else unchanged


def scaled(recipe: Recipe, run: Run) -> Recipe:
    """A method's recipe at the run's scale. Raises BadInput for a scale that the data set does not have."""
    data = dataset_of(run)
    require(run.scale, data.scales, f"scale of {data.name}")
    if data.whole_at_every_scale:
        return _whole(recipe, run, data)
    if data.kind == "files":
        return imagenet.scaled(recipe, _short_schedule(recipe, run), data, run.scale, _as_there(run))
    match run.scale:
        case "paper":
            return recipe
        case "short":  # [ours] the paper's network and batch; only the schedule is shorter
            return _ours(_epochs(recipe, 30), "short")
        case "workstation":
            return _workstation(recipe, run, data)
        case "laptop":
            return _laptop(recipe, run, data)
        case "smoke":
            return _smoke(recipe, run, data)


def _ours(recipe: Recipe, scale: str) -> Recipe:
    return replace(recipe, sources=f"{recipe.sources}; cut down to {scale} scale by us")


def _epochs(recipe: Recipe, epochs: int) -> Recipe:
    """[ours] A cosine that falls and rises for hundreds of epochs falls once where there are few."""
    return recipe if recipe.epochs == 0 else replace(recipe, epochs=epochs, half_period=None)


WARMUP_SHARE = 0.12


def _workstation(recipe: Recipe, run: Run, data: DataSet) -> Recipe:
    """[ours] A night on two cores: about a million image visits, the test split read once, at the end.

    The learning rate changes every iteration, and no method's depends on T. What was chosen for a method on
    held-out images, with one budget for all, is its `Facts.tuned`.
    """
    part = data.workstation
    assert part, f"{data.name} is not cut down to a part"
    about = catalogue.facts(run.method)
    recipe = _ours(about.tuned(_epochs(recipe, part.epochs)) if about else recipe, "workstation")
    recipe = replace(recipe, batch_size=part.batch, train_images=part.train, validation_images=part.validation)
    if recipe.warmup_iterations:
        recipe = replace(recipe, warmup_iterations=0, warmup_share=WARMUP_SHARE)
    elif recipe.epochs:
        recipe = replace(recipe, warmup_share=0.0)
    if data.kind == "images" and run.timesteps > LONG:
        recipe = replace(recipe, test_images=1_000)
    return replace(recipe, test_every_epoch=False, drops=())


def _laptop(recipe: Recipe, run: Run, data: DataSet) -> Recipe:
    """[ours] A part of the training images; the whole test split, or its first 1,000 images at many steps."""
    part = data.laptop
    assert part, f"{data.name} is not cut down to a part"
    recipe = _ours(_short_schedule(_epochs(recipe, part.epochs), run), "laptop")
    recipe = replace(recipe, batch_size=part.batch, train_images=part.train, validation_images=part.validation)
    if data.kind == "images":
        recipe = replace(recipe, test_images=1_000 if run.timesteps > LONG else None)
    return imagenet.warmed_up(recipe, part.warmup_iterations)


def _smoke(recipe: Recipe, run: Run, data: DataSet) -> Recipe:
    """[ours] Does it run? Never evidence."""
    recipe = _ours(_short_schedule(_epochs(recipe, 2), run), "smoke")
    test = 100 if data.kind == "events" else 320
    recipe = replace(recipe, batch_size=32, train_images=320, validation_images=64, test_images=test)
    return imagenet.warmed_up(recipe, 4)


def _whole(recipe: Recipe, run: Run, data: DataSet) -> Recipe:
    """[ours] A set so small that every scale trains on the whole split."""
    part = data.laptop
    assert part, f"{data.name} has no schedule"
    recipe = _short_schedule(_epochs(recipe, part.epochs), run)
    augmentation = data.augmentation or recipe.augmentation
    recipe = replace(recipe, batch_size=part.batch, augmentation=augmentation, sources=f"ours: {data.name}")
    return imagenet.warmed_up(recipe, part.warmup_iterations)


def _short_schedule(recipe: Recipe, run: Run) -> Recipe:
    """[ours] A thousand iterations cannot carry a threshold from where it is published to where it works."""
    about = catalogue.facts(run.method)
    return about.shortened(recipe) if about else recipe
