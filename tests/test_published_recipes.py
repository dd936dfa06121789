"""The recipes named `*-published` against what their authors' code does, read there: no more and no less."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from benchmarks.catalogue.datasets import ENTRIES
from benchmarks.data import DATASETS
from benchmarks.methods import BUILT_IN
from benchmarks.recipes import resolve, timeless
from benchmarks.spec import Augmentation, Recipe, Run
from benchmarks.training.schedule import learning_rate

PUBLISHED = [method for method in BUILT_IN if "published" in method]


def recipe_of(method: str, dataset: str = "cifar10", scale: str = "paper") -> Recipe:
    return resolve(Run(dataset, "resnet18", method, 1 if timeless(method) else 8, 0, scale))  # type: ignore[arg-type]


@pytest.mark.parametrize("method", [m for m in PUBLISHED if BUILT_IN[m].family in ("ANN", "conversion")])
def test_no_recipe_as_published_of_a_conversion_has_a_warm_up_which_no_author_has(method: str) -> None:
    recipes = [recipe_of(method, name, scale) for name, entry in ENTRIES.items() for scale in entry.scales]
    assert {recipe.warmup_iterations for recipe in recipes} == {0}
    assert {recipe.warmup_share for recipe in recipes} <= {None, 0.0}
    if not timeless(method):
        assert "published" in (BUILT_IN[method].parent or "")


def test_dsrs_own_recipes_are_warmed_up_as_their_authors_say() -> None:
    assert recipe_of("dsr-if").warmup_iterations == 400
    assert recipe_of("dsr-if-hybrid-published", "imagenet").warmup_iterations == 5000


def settings(recipe: Recipe) -> tuple[object, ...]:
    return (
        *(recipe.epochs, recipe.batch_size, recipe.learning_rate, recipe.momentum, recipe.weight_decay),
        *(recipe.augmentation, dict(recipe.neuron)),
    )


@pytest.mark.parametrize(
    ("method", "dataset", "expected"),
    [
        ("qcfs-published-ann", "cifar10", (300, 300, 0.1, "autoaugment-cutout", {})),
        ("qcfs-published-ann", "cifar100", (300, 300, 0.05, "autoaugment-cutout", {})),
        ("qcfs-2022-published-ann", "cifar10", (120, 128, 0.1, "autoaugment-cutout", {"order": "floor-clamp"})),
        ("qcfs-2022-published-ann", "cifar100", (120, 128, 0.1, "crop-flip-cutout", {"order": "floor-clamp"})),
    ],
)
def test_qcfs_two_repositories_have_a_recipe_each(
    method: str, dataset: str, expected: tuple[int, int, float, str, dict[str, str]]
) -> None:
    epochs, batch, rate, augmentation, order = expected
    neuron = {"levels": 4, "threshold": 8.0, **order}
    recipe = recipe_of(method, dataset)
    assert settings(recipe) == (epochs, batch, rate, 0.9, 5e-4, augmentation, neuron)
    assert ("SNN_conversion_QCFS" if "2022" in method else "ANN_SNN_QCFS") in recipe.sources


def test_calibrations_ann_is_its_authors() -> None:
    assert settings(recipe_of("ann-published")) == (300, 128, 0.1, 0.9, 5e-4, "autoaugment-cutout", {})


def test_tssl_bps_recipe_is_that_of_its_released_file() -> None:
    recipe = recipe_of("tssl-bp-published")
    taus = {"threshold": 1.0, "tau_membrane": 5.0, "tau_synapse": 3.0}
    assert settings(recipe) == (150, 50, 2e-4, 0.9, 1e-2, "crop-flip", taus)
    assert (recipe.optimizer, recipe.drops, recipe.warmup_iterations) == ("adamw", (), 0)


def test_ides_recipe_is_that_of_its_released_script() -> None:
    recipe = recipe_of("ide-published")
    assert settings(recipe) == (100, 128, 0.05, 0.9, 5e-4, "crop-flip", {"threshold": 2.0, "leak": 0.99})
    assert (recipe.optimizer, recipe.warmup_iterations) == ("sgd", 400)
    rates = [learning_rate(recipe, 390 * epoch + 389, 390) for epoch in (1, 49, 50, 74, 75, 99)]
    assert rates == pytest.approx([0.05, 0.05, 0.005, 0.005, 0.0005, 0.0005])
    assert recipe_of("ide-published", "cifar100").neuron["leak"] == 1.0, "their number there is the IF neuron's"


def test_deng_and_gus_ann_is_clipped_at_a_fixed_value_and_is_the_parent_of_their_conversion_alone() -> None:
    assert recipe_of("deng-gu-ann").neuron == {"clip": 1.0}
    assert replace(recipe_of("deng-gu-ann"), neuron={}, sources="") == replace(recipe_of("ann"), sources="")
    assert (recipe_of("deng-gu").parent, recipe_of("maximum-shift").parent) == ("deng-gu-ann", "ann")
    ours, theirs = (replace(recipe_of(m), parent=None, sources="") for m in ("maximum-shift", "deng-gu"))
    assert ours == theirs


def test_every_augmentation_that_a_recipe_names_exists() -> None:
    named = {recipe_of(method, dataset).augmentation for method in BUILT_IN for dataset in DATASETS}
    assert named <= set(get_args(Augmentation))
