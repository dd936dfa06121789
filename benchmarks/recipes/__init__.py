"""Every hyper-parameter of every run: the published recipe, cut down to a data set and a scale.

The recipe that a method was published with, and its source, is in the method's entry in `benchmarks.catalogue`. [DSR]
the paper and its released code's defaults and README; [ours] chosen by us, with the reason.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from benchmarks import catalogue
from benchmarks.catalogue import anytime, passes, timeless
from benchmarks.plugins import PlugIn
from benchmarks.recipes.scales import dataset_of, on_data, scaled
from benchmarks.recipes.variants import varied
from benchmarks.spec import BadInput, Recipe, Run, one_line, variant

__all__ = ["CIFAR", "GRID", "anytime", "frames", "passes", "resolve", "timeless"]


def frames(run: Run, recipe: Recipe) -> int:
    """Frames per recording that a run on event data sees: T, or one, their mean, if it has no time or is converted."""
    return 1 if recipe.epochs == 0 else passes(run.method, run.timesteps)


GRID = (1, 2, 3, 4, 5, 8, 10, 15, 16, 20, 32, 64, 128, 256, 512, 1024, 2048)
"""Numbers of steps at which a conversion is read."""

# [DSR] SGD 0.9, weight decay 5e-4 on every parameter (which is the thresholds' L2 term), batch 128, 200 epochs,
# cosine per epoch, 400 warm-up iterations, crop + flip.
CIFAR = Recipe(epochs=200, batch_size=128, learning_rate=0.1, sources="DSR released code, CIFAR defaults")


def resolve(run: Run) -> Recipe:
    """The recipe of a run: the published one, cut down to the run's scale, with a variant's changes.

    A variant changes parameters of the method's neurons, or fields of the recipe (`ann@epochs=4`). Raises BadInput for
    an unknown method, and for a field of the recipe that cannot have the variant's value.
    """
    base, changes = variant(run.method)
    if changes:
        return varied(resolve(replace(run, method=base)), run.method, changes)
    if base in catalogue.BUILT_IN:
        return _of_built_in(replace(run, seed=0))  # no published recipe depends on the seed
    return _from_outside(run)


@cache
def _of_built_in(run: Run) -> Recipe:
    """The recipe of a run of a built-in method; all its seeds share it."""
    about = catalogue.BUILT_IN[run.method]
    stated = replace(about.recipe(run, CIFAR), parent=about.parent)
    return scaled(stated if about.fits_data else on_data(stated, run), run)


def _from_outside(run: Run) -> Recipe:
    """The recipe of a run of a method from outside. Raises BadInput for a method that no plug-in has."""
    outside = catalogue.from_outside().get(run.method)
    if outside is None:
        raise BadInput(f"no recipe of {run.method}: no such method, or its plug-in is not loaded")
    stated = _its_own(run, outside)
    return _with_its_batch(scaled(stated, run), stated, run)


def _its_own(run: Run, outside: PlugIn) -> Recipe:
    """The recipe that a method from outside states. Raises BadInput if that is not a recipe."""
    sources = f"{CIFAR.sources}, taken by {outside.name}"
    usual = on_data(replace(CIFAR, parent=outside.method.parent, sources=sources), run)
    try:
        recipe = outside.method.recipe(run, usual)
    except Exception as error:
        said = f"{type(error).__name__}: {one_line(error)}"
        raise BadInput(f"{outside}: its recipe for {run} cannot be made: {said}") from error
    if not isinstance(recipe, Recipe):
        raise BadInput(f"{outside}: its recipe for {run} is not a benchmarks.spec.Recipe")
    return replace(recipe, code=outside.code)


def _with_its_batch(recipe: Recipe, stated: Recipe, run: Run) -> Recipe:
    """A batch size that a method from outside states applies at every scale, up to the number of training images."""
    if stated.batch_size == CIFAR.batch_size:
        return recipe
    data = dataset_of(run)
    images = recipe.train_images or (data.train if data.whole_at_every_scale else stated.batch_size)
    size = min(stated.batch_size, images)
    cut = "" if size == stated.batch_size else f"; batch of {stated.batch_size} cut down to all {size} training images"
    return replace(recipe, batch_size=size, sources=recipe.sources + cut)
