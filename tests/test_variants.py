"""Variants of a method: what of its recipe they change, and what they cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cli.arguments import named_method
from benchmarks.recipes import resolve
from benchmarks.spec import OF_RECIPE, BadInput, Recipe, Run


def recipe_of(method: str, timesteps: int = 5) -> Recipe:
    return resolve(Run("cifar10", "preact-resnet18-narrow", method, timesteps, 0, "workstation"))


def test_a_variant_changes_fields_of_the_recipe_and_nothing_else() -> None:
    plain = recipe_of("ann", 1)
    varied = recipe_of("ann@batch_size=256@epochs=4@label_smoothing=0.1@learning_rate=0.3", 1)
    assert (varied.batch_size, varied.epochs, varied.label_smoothing, varied.learning_rate) == (256, 4, 0.1, 0.3)
    changed = {name for name, value in vars(varied).items() if value != vars(plain)[name]}
    assert changed == {"batch_size", "epochs", "label_smoothing", "learning_rate", "sources"}


def test_a_named_threshold_replaces_the_rule_and_the_rule_a_threshold() -> None:
    by_rule = recipe_of("dsr-if@threshold=first-gradient")
    assert by_rule.start == "first-gradient"
    assert "threshold" not in by_rule.neuron
    named = recipe_of("dsr-if@threshold=2")
    assert (named.start, named.neuron["threshold"]) == ("constant", 2)
    published = resolve(Run("cifar10", "preact-resnet18", "dsr-if@threshold=first-gradient", 5, 0, "paper"))
    assert published.start == "first-gradient"
    assert "threshold" not in published.neuron


def test_every_variant_has_one_spelling() -> None:
    assert named_method("ann@learning_rate=0.10@epochs=4") == "ann@epochs=4@learning_rate=0.1"
    assert named_method("dsr-if@threshold=first-gradient") == "dsr-if@threshold=first-gradient"
    with pytest.raises(BadInput, match="'ann@epochs=4@epochs=5' changes epochs twice"):
        named_method("ann@epochs=4@epochs=5")


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("dsr-if@train_threshold=0", "train_threshold takes true or false, not 0"),
        ("dsr-if@alpha=true", "alpha takes a number, not true"),
        ("dsr-clamp@threshold=false", "threshold takes a number, not false"),
    ],
)
def test_a_truth_value_is_no_number_and_a_number_no_truth_value(method: str, said: str) -> None:
    """`train_threshold=0` and `train_threshold=false` would be one network under two names."""
    with pytest.raises(BadInput, match=said):
        named_method(method)


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("ann@epochs=0", "epochs is a whole number of at least 1, not 0"),
        ("ann@epochs=2.5", "epochs is a whole number of at least 1, not 2.5"),
        ("ann@epochs=true", "epochs is a whole number of at least 1, not True"),
        ("ann@batch_size=many", "batch_size is a whole number of at least 1, not 'many'"),
        ("ann@learning_rate=0", "learning_rate is a number above 0, not 0"),
        ("ann@label_smoothing=1", "label_smoothing is a number of at least 0 and below 1, not 1"),
        ("qcfs@epochs=4", "qcfs@epochs=4 is not trained, so its epochs cannot be varied"),
        ("qcfs@learning_rate=0.1", "is not trained, so its learning_rate cannot be varied"),
        ("calibration@precision=float32", "is not trained, so its precision cannot be varied"),
        ("calibration@precision=bfloat16", "is not trained, so its precision cannot be varied"),
    ],
)
def test_a_field_that_cannot_be_so_is_refused(method: str, said: str) -> None:
    with pytest.raises(BadInput, match="^" + method.split("@")[0]) as refused:
        recipe_of(method)
    assert said in str(refused.value)


def test_only_a_method_with_the_rule_can_start_from_it() -> None:
    with pytest.raises(BadInput, match="threshold takes a number, not 'first-gradient'"):
        named_method("stbp-tdbn@threshold=first-gradient")
    with pytest.raises(BadInput, match="come from its parent"):
        named_method("dsr-if-hybrid@threshold=first-gradient")


def test_a_scale_that_a_data_set_does_not_have_is_refused() -> None:
    with pytest.raises(BadInput, match="unknown scale of ImageNet 'workstation'; allowed: paper, short, laptop, smoke"):
        resolve(Run("imagenet", "preact-resnet18-imagenet", "ann", 1, 0, "workstation"))


def test_the_page_on_scales_names_every_field_of_a_recipe_that_a_variant_can_change() -> None:
    page = (Path(__file__).parents[1] / "docs" / "scales.md").read_text()
    said = page.split("What can be changed are")[1].split(".")[0]
    assert [name for name in OF_RECIPE if f"`{name}`" not in said] == []
