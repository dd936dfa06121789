"""What a key sees: every field of a run and of its recipe, its parent's key, and the code of a plug-in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, fields, make_dataclass, replace
from typing import Any, get_args

import pytest

from benchmarks.recipes import resolve
from benchmarks.runs import identity
from benchmarks.runs.identity import key, key_of, parent
from benchmarks.runs.record import Provenance
from benchmarks.spec import SCALES, Augmentation, Recipe, Run

RUN = Run("cifar10", "preact-resnet18-narrow", "dsr-if", 5, 0, "laptop")
CHILD = replace(RUN, method="qcfs")
PLAIN = Recipe(epochs=8, batch_size=64, learning_rate=0.1)
"""Every field that has a default is at it."""
FULL = Recipe(
    **{name: value for name, value in asdict(PLAIN).items() if name in ("epochs", "batch_size", "learning_rate")},
    train_images=100,
    test_images=100,
    neuron={"threshold": 1.0},
    norm={"alpha": 1.0},
    conversion={"images": 10},
    parent="ann",
    classes=10,
    image_size=32,
    code="0123456789ab",
    warmup_share=0.1,
    half_period=4,
    drops=(0.25,),
)


def others(recipe: Recipe, field: Field[Any]) -> list[Any]:
    """Values that a field of a recipe may have instead. A new kind of field needs a line here."""
    value = getattr(recipe, field.name)
    if field.name == "augmentation":
        return [name for name in get_args(Augmentation) if name != value]
    match value:
        case bool():
            return [not value]
        case int() | float():
            return [value + 1, value + 0.5] if isinstance(value, float) else [value + 1]
        case str():
            return [f"{value}, and more"]
        case Mapping():
            changed = [{**value, name: number + 1} for name, number in value.items()]
            return [*changed, {**value, "another": 1.0}]
        case tuple():
            return [(*value, 0.5)]
        case None:
            return [1] if field.name != "parent" else ["ann"]
    raise AssertionError(f"{field.name}: how can {value!r} be moved?")


@pytest.mark.parametrize("recipe", [PLAIN, FULL], ids=["at defaults", "all stated"])
@pytest.mark.parametrize("field", fields(Recipe), ids=lambda field: field.name)
def test_every_field_of_a_recipe_moves_the_key_or_is_named_as_one_that_does_not(
    field: Field[Any], recipe: Recipe
) -> None:
    before = key_of(RUN, recipe, None)
    for value in others(recipe, field):
        after = key_of(RUN, replace(recipe, **{field.name: value}), None)
        if field.name in identity.OUTSIDE:
            assert after == before, f"{field.name} = {value!r}"
        else:
            assert after != before, f"{field.name} = {value!r}"


def test_no_field_of_a_recipe_is_silent_without_a_reason() -> None:
    assert set(identity.SILENT) <= set(identity.OUTSIDE)
    assert all(identity.OUTSIDE.values())


def test_a_field_that_is_added_to_the_recipe_moves_the_key_from_its_default_and_leaves_old_keys() -> None:
    longer = make_dataclass("Longer", [("added", float, 0.0)], bases=(Recipe,), frozen=True)
    stated = asdict(PLAIN)
    assert key_of(RUN, longer(**stated), None) == key_of(RUN, PLAIN, None)
    assert key_of(RUN, longer(**stated, added=0.1), None) != key_of(RUN, PLAIN, None)


@pytest.mark.parametrize("field", fields(Run), ids=lambda field: field.name)
def test_every_field_of_a_run_moves_the_key(field: Field[Any]) -> None:
    value = getattr(RUN, field.name)
    other = value + 1 if isinstance(value, int) else next(s for s in (*SCALES, "another") if s != value)
    recipe = resolve(RUN)
    assert key_of(replace(RUN, **{field.name: other}), recipe, None) != key_of(RUN, recipe, None)


def test_keys_of_all_these_differ_from_each_other() -> None:
    moved = [replace(PLAIN, **{f.name: value}) for f in fields(Recipe) for value in others(PLAIN, f)]
    keys = [key_of(RUN, recipe, None) for recipe in moved if recipe.sources == PLAIN.sources]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("field", fields(Recipe), ids=lambda field: field.name)
def test_whatever_moves_a_parents_key_moves_the_childs(field: Field[Any]) -> None:
    origin = parent(CHILD)
    assert origin
    recipe, own = resolve(origin), resolve(CHILD)
    assert key(CHILD) == key_of(CHILD, own, key(origin))
    for value in others(recipe, field):
        parents = key_of(origin, replace(recipe, **{field.name: value}), None)
        moved = key_of(CHILD, own, parents) != key(CHILD)
        assert moved == (field.name not in identity.OUTSIDE), field.name


def test_data_code_and_machine_are_in_the_row_where_the_key_does_not_see_them() -> None:
    """Each reason in `OUTSIDE` that a row is said to hold names columns that there are."""
    told = {
        "the data": {"data_sha256", "data_source"},
        "the code of this repository": {"commit", "dirty"},
        "machine, threads and versions": {"machine", "device", "threads", "python", "torch", "kernels"},
    }
    assert set(told) | set(identity.SILENT) == set(identity.OUTSIDE)
    kept = {field.name for field in fields(Provenance)} - {"started"}
    assert {name for names in told.values() for name in names} == kept, "a new column of where a result came from"


@dataclass(frozen=True)
class _Unknown:
    pass


def test_a_field_of_an_unknown_kind_has_to_be_thought_about() -> None:
    odd = make_dataclass("Odd", [("extra", _Unknown, _Unknown())], bases=(Recipe,), frozen=True)
    with pytest.raises(AssertionError, match="extra: how can"):
        others(odd(**asdict(PLAIN)), fields(odd)[-1])
