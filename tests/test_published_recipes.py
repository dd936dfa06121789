"""The recipes named `*-published` against what their authors' code does, read there: no more and no less."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from benchmarks.catalogue.chosen import RATES
from benchmarks.catalogue.datasets import ENTRIES
from benchmarks.data import DATASETS
from benchmarks.methods import BUILT_IN
from benchmarks.recipes import resolve, timeless
from benchmarks.spec import Augmentation, Recipe, Run
from benchmarks.training.schedule import learning_rate

PUBLISHED = [method for method in BUILT_IN if "published" in method]


def recipe_of(method: str, dataset: str = "cifar10", scale: str = "paper") -> Recipe:
    return resolve(Run(dataset, "resnet18", method, 1 if timeless(method) else 8, 0, scale))  # type: ignore[arg-type]


@pytest.mark.parametrize("method", [method for method in PUBLISHED if not method.startswith(("dsr", "ide"))])
def test_no_recipe_as_published_has_a_warm_up_but_those_whose_authors_have_one(method: str) -> None:
    recipes = [recipe_of(method, name, scale) for name, entry in ENTRIES.items() for scale in entry.scales]
    assert {recipe.warmup_iterations for recipe in recipes} == {0}
    assert {recipe.warmup_share for recipe in recipes} <= {None, 0.0}
    if BUILT_IN[method].parent and recipe_of(method).epochs == 0:
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


def test_tssl_bps_recipe_is_that_of_its_released_file() -> None:
    recipe = recipe_of("tssl-bp-published")
    taus = {"threshold": 1.0, "tau_membrane": 5.0, "tau_synapse": 3.0}
    assert settings(recipe) == (150, 50, 2e-4, 0.9, 1e-2, "crop-flip", taus)
    assert (recipe.optimizer, recipe.warmup_iterations) == ("adamw", 0)
    assert {learning_rate(recipe, 1000 * epoch, 1000) for epoch in range(150)} == {2e-4}


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


def test_sew_resnets_have_their_authors_recipes_on_imagenet_and_on_cifar10dvs() -> None:
    neuron = {"threshold": 1.0, "alpha": 2.0}
    imagenet, dvs = (recipe_of("sew-published", dataset) for dataset in ("imagenet", "cifar10dvs"))
    assert settings(imagenet) == (320, 256, 0.1, 0.9, 0.0, "resized-crop-flip", neuron)
    assert settings(dvs) == (64, 16, 0.01, 0.9, 0.0, "none", {**neuron, "tau": 2.0, "train_tau": True})
    assert settings(recipe_of("sew-published", "cifar10dvs-sim")) == settings(dvs)
    assert settings(recipe_of("sew-published")) == (200, 128, 0.1, 0.9, 0.0, "crop-flip", neuron)
    short = recipe_of("sew-published", "imagenet", "laptop")
    assert (short.epochs, short.learning_rate, short.weight_decay) == (20, 0.1, 0.0)
    assert replace(recipe_of("sew"), neuron={}, sources="") == replace(recipe_of("ann"), neuron={}, sources="")
    assert recipe_of("sew").neuron == neuron


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


def test_rate_based_backpropagations_recipe_is_its_authors() -> None:
    neuron = {"threshold": 1.0, "decay": 0.2, "surrogate_slope": 4.0}
    for dataset in ("cifar10", "cifar100"):
        recipe = recipe_of("rate-bp-published", dataset)
        assert settings(recipe) == (300, 128, 0.1, 0.9, 5e-4, "autoaugment-cutout", neuron)
        assert (recipe.decayed, recipe.optimizer, recipe.drops, recipe.half_period) == ("weights", "sgd", (), None)
    assert recipe_of("rate-bp").neuron == recipe_of("rate-bp-bptt").neuron == neuron


def test_what_is_matched_of_them_differs_from_dsrs_recipe_where_it_says_so() -> None:
    usual = replace(recipe_of("ann"), sources="")
    assert replace(recipe_of("tandem"), neuron={}, norm={}, sources="") == usual
    assert recipe_of("tandem").norm == {"folded_eps": 1e-4}, "the eps of the norm itself"
    assert replace(recipe_of("asf-bp"), neuron={}, sources="") == replace(usual, optimizer="adam", learning_rate=5e-4)


def test_every_augmentation_that_a_recipe_names_exists() -> None:
    named = {recipe_of(method, dataset).augmentation for method in BUILT_IN for dataset in DATASETS}
    assert named <= set(get_args(Augmentation))


def test_plifs_recipe_is_its_authors_on_images_and_on_events() -> None:
    """No weight decay, so none on w, wherever it is run."""
    neuron = {"threshold": 1.0, "tau": 2.0, "surrogate_slope": 2.0}
    for dataset, augmentation in (("cifar10", "crop-flip"), ("cifar10dvs", "none"), ("nmnist", "none")):
        recipe = recipe_of("plif-published", dataset)
        assert settings(recipe) == (1024, 16, 1e-3, 0.9, 0.0, augmentation, neuron)
        assert (recipe.optimizer, recipe.half_period, recipe.loss) == ("adam", 64, "squared-error")
    for dataset, entry in ENTRIES.items():
        recipes = [recipe_of("plif-published", dataset, scale) for scale in entry.scales]
        assert {recipe.weight_decay for recipe in recipes} == {0.0}
        assert {recipe.optimizer for recipe in recipes} == {"adam"}
        assert {tuple(recipe.neuron) for recipe in recipes} == {tuple(neuron)}


def test_stbps_recipe_is_its_authors_but_for_the_threshold() -> None:
    recipe = recipe_of("stbp-published")
    neuron = {"threshold": 0.25, "decay": 0.25, "surrogate_width": 1.0}
    assert settings(recipe) == (120, 10, 0.1, 0.9, 0.0, "crop-flip", neuron)
    assert (recipe.optimizer, recipe.linear_rate, recipe.loss) == ("sgd", 0.1, "squared-error")
    assert [round(120 * share) for share in recipe.drops] == [35, 70, 105]
    assert "0.75" in recipe.sources


def test_rathis_recipes_are_their_authors_released_commands() -> None:
    neuron = {"leak": 1.0, "surrogate_height": 0.3}
    ann, diet = (recipe_of(name, "cifar100") for name in ("diet-snn-published-ann", "diet-snn-published"))
    assert settings(ann) == (299, 128, 1e-3, 0.9, 5e-4, "crop-flip", {})
    assert settings(diet) == (299, 64, 1e-4, 0.9, 0.0, "crop-flip", neuron)
    assert (ann.optimizer, ann.half_period, diet.optimizer, diet.half_period) == ("amsgrad", 64, "amsgrad", 128)
    assert diet.conversion == {"images": 512, "steps": 100, "percentile": 99.7, "factor": 0.2}
    assert diet.parent == "diet-snn-published-ann"

    ann, hybrid = (
        recipe_of(name, "cifar100") for name in ("hybrid-training-published-ann", "hybrid-training-published")
    )
    fixed = {**neuron, "delayed": True, "train_threshold": False, "train_leak": False}
    assert settings(ann) == (300, 64, 0.01, 0.9, 5e-4, "crop-flip", {})
    assert settings(hybrid) == (50, 64, 1e-4, 0.9, 5e-4, "crop-flip", fixed)
    assert (ann.optimizer, ann.drop, hybrid.optimizer, hybrid.drop) == ("sgd", 0.1, "amsgrad", 0.2)
    assert [round(50 * share) for share in hybrid.drops] == [30, 40, 45]
    assert ann.drops == hybrid.drops
    assert hybrid.conversion == {"images": 512, "steps": 1000, "percentile": 100, "factor": 0.7}
    assert hybrid.parent == "hybrid-training-published-ann"
    short = recipe_of("hybrid-training-published", "cifar100", "laptop")
    assert (short.conversion["images"], short.conversion["steps"], short.conversion["factor"]) == (16, 100, 0.7)


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100", "cifar10dvs", "imagenet", "digits"])
@pytest.mark.parametrize("method", ["diet-snn", "hybrid-training"])
def test_what_is_matched_to_dsrs_hybrid_training_differs_in_neuron_start_and_parent_only(method, dataset) -> None:
    for scale in ENTRIES[dataset].scales:
        ours, dsrs = (
            replace(recipe_of(name, dataset, scale), neuron={}, conversion={}, parent=None, sources="")
            for name in (method, "dsr-if-hybrid")
        )
        if scale == "workstation" and ENTRIES[dataset].workstation:  # where each has the rate that was chosen for it
            untuned = recipe_of("dsr-if-hybrid", dataset).learning_rate
            assert dsrs.learning_rate == RATES["dsr-if-hybrid-rep"]
            dsrs = replace(dsrs, learning_rate=RATES.get(method, untuned))
        assert ours == dsrs, scale
    assert recipe_of(method, dataset).parent == "ann"
    assert recipe_of(method, dataset).optimizer == "adam"


@pytest.mark.parametrize("method", ["plif", "plif-stepwise", "stbp", "stbp-neunorm", "rate-bp", "rate-bp-bptt", "psn"])
def test_what_is_matched_has_dsrs_recipe_but_for_its_neuron(method: str) -> None:
    usual = recipe_of("ann")
    assert replace(recipe_of(method), neuron={}, norm={}, sources="") == replace(usual, sources="")


def test_sltts_recipes_are_its_authors() -> None:
    neuron = {"threshold": 1.0, "tau": 1.1, "surrogate": "triangle"}
    recipe, hundred = recipe_of("sltt-published"), recipe_of("sltt-published", "cifar100")
    assert settings(recipe) == (200, 128, 0.1, 0.9, 5e-5, "crop-flip-cutout", neuron)
    assert settings(hundred) == (200, 128, 0.1, 0.9, 5e-4, "crop-flip-cutout", neuron)
    assert (recipe.loss, recipe.loss_share, recipe.trained_steps, recipe.warmup_iterations) == ("tet", 0.05, None, 0)
    assert replace(recipe_of("sltt-k-published"), sources="") == replace(recipe, trained_steps=2, sources="")


def test_ottts_recipe_is_its_authors() -> None:
    recipe = recipe_of("ottt-published")
    neuron = {"threshold": 1.0, "tau": 2.0, "surrogate": "sigmoid", "height": 2.74}
    assert settings(recipe) == (300, 128, 0.1, 0.9, 0.0, "crop-flip-cutout", neuron)
    assert (recipe.loss, recipe.loss_share, recipe.warmup_iterations) == ("tet-onehot", 0.05, 0)


def test_tets_recipe_is_its_authors() -> None:
    recipe = recipe_of("tet-published")
    neuron = {"threshold": 1.0, "decay": 0.5, "surrogate_width": 1.0, "surrogate": "triangle"}
    assert settings(recipe) == (100, 512, 1e-3, 0.9, 0.0, "crop-flip", neuron)
    assert (recipe.optimizer, recipe.loss, recipe.loss_share, recipe.warmup_iterations) == ("adam", "tet", 0.0, 0)


def test_what_is_matched_of_sltt_and_ottt_has_dsrs_recipe_and_the_loss_of_every_step() -> None:
    usual = replace(recipe_of("ann"), loss="tet", sources="")
    for method, steps in (("sltt", None), ("sltt-bptt", None), ("ottt", None), ("sltt-k", 2)):
        assert replace(recipe_of(method), neuron={}, sources="") == replace(usual, trained_steps=steps)
    assert recipe_of("sltt").neuron == recipe_of("sltt-bptt").neuron == recipe_of("sltt-published").neuron
    assert recipe_of("ottt").neuron == {"threshold": 1.0, "tau": 2.0, "surrogate": "sigmoid"}
