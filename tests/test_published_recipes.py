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


@pytest.mark.parametrize("method", [method for method in PUBLISHED if not method.startswith("dsr")])
def test_no_recipe_as_published_has_a_warm_up_which_no_author_of_a_baseline_has(method: str) -> None:
    recipes = [recipe_of(method, name, scale) for name, entry in ENTRIES.items() for scale in entry.scales]
    assert {recipe.warmup_iterations for recipe in recipes} == {0}
    assert {recipe.warmup_share for recipe in recipes} <= {None, 0.0}
    if BUILT_IN[method].parent:
        assert "published" in BUILT_IN[method].parent  # type: ignore[operator]


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


def test_deng_and_gus_ann_is_clipped_at_a_fixed_value_and_is_the_parent_of_their_conversion_alone() -> None:
    assert recipe_of("deng-gu-ann").neuron == {"clip": 1.0}
    assert replace(recipe_of("deng-gu-ann"), neuron={}, sources="") == replace(recipe_of("ann"), sources="")
    assert (recipe_of("deng-gu").parent, recipe_of("maximum-shift").parent) == ("deng-gu-ann", "ann")
    ours, theirs = (replace(recipe_of(m), parent=None, sources="") for m in ("maximum-shift", "deng-gu"))
    assert ours == theirs


def test_tandem_learnings_recipe_is_its_authors() -> None:
    recipe = recipe_of("tandem-published")
    assert settings(recipe) == (150, 256, 1e-3, 0.9, 0.0, "crop-flip", {"threshold": 1.0})
    assert (recipe.optimizer, recipe.train_images, recipe.validation_images) == ("adam", 45_000, 5_000)
    rates = [learning_rate(recipe, epoch * 176, 176) for epoch in (0, 49, 50, 99, 100, 149)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5])
    assert dict(recipe.norm) == {"folded_eps": 0.0}
    assert recipe_of("tandem-published", "cifar100").train_images is None


def test_asf_bps_recipe_is_its_authors_and_its_threshold_ours_at_few_steps() -> None:
    many = resolve(Run("cifar10", "vgg7", "asf-bp-published", 400, 0, "paper"))
    neuron = {"threshold": 2.0, "measured": 500, "period": 2500}
    assert settings(many) == (100, 100, 5e-4, 0.9, 5e-4, "crop-flip", neuron)
    assert many.optimizer == "adam"
    rates = [learning_rate(many, epoch * 500, 500) for epoch in (0, 49, 50, 74, 75, 99)]
    assert rates == pytest.approx([5e-4, 5e-4, 1e-4, 1e-4, 2e-5, 2e-5])
    assert many.neuron["measured"] == 50_000 / many.batch_size, "an epoch"
    assert recipe_of("asf-bp-published").neuron["threshold"] == 0.5


def test_what_is_matched_of_them_differs_from_dsrs_recipe_where_it_says_so() -> None:
    usual = replace(recipe_of("ann"), sources="")
    assert replace(recipe_of("tandem"), neuron={}, sources="") == usual
    assert replace(recipe_of("asf-bp"), neuron={}, sources="") == replace(usual, optimizer="adam", learning_rate=5e-4)


def test_every_augmentation_that_a_recipe_names_exists() -> None:
    named = {recipe_of(method, dataset).augmentation for method in BUILT_IN for dataset in DATASETS}
    assert named <= set(get_args(Augmentation))
