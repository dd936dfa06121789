"""What a key sees: every field of a run and of its recipe, its parent's key, and the code of a plug-in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import Field, asdict, dataclass, fields, make_dataclass, replace
from pathlib import Path
from typing import Any, get_args

import pytest
from ended_runs import ended

from benchmarks import catalogue, recipes
from benchmarks.catalogue.datasets import ENTRIES
from benchmarks.recipes import resolve
from benchmarks.runs import identity, record
from benchmarks.runs.identity import key, key_of, parent
from benchmarks.runs.plan import plan
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
    pixels="raw",
    decayed="weights",
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


@pytest.fixture
def fresh() -> Iterator[None]:
    """Recipes are worked out anew, in this test and after it."""
    recipes._of_built_in.cache_clear()
    yield
    recipes._of_built_in.cache_clear()


def raise_revision(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a commit does that changes what this method's code makes of its recipe."""
    about = catalogue.BUILT_IN[method]

    def raised(run: Run, usual: Recipe) -> Recipe:
        return replace(about.recipe(run, usual), revision=usual.revision + 1)

    monkeypatch.setitem(catalogue.BUILT_IN, method, replace(about, recipe=raised))  # type: ignore[arg-type]
    recipes._of_built_in.cache_clear()


@pytest.mark.usefixtures("fresh")
def test_runs_of_a_method_whose_revision_is_raised_and_all_that_start_from_it_count_as_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin, variant = parent(CHILD), replace(RUN, method="dsr-if@alpha=1")
    assert origin
    runs = [RUN, variant, origin, CHILD, other := replace(RUN, method="dsr-lif")]
    old = {run: key(run) for run in runs}
    record.write_csv([record.row(ended(run)) for run in runs], tmp_path / "cifar10.csv")
    assert plan(runs, tmp_path).missing == []
    raise_revision("dsr-if", monkeypatch)
    assert {job.run for job in plan(runs, tmp_path).missing} == {RUN, variant}
    raise_revision("qcfs-ann", monkeypatch)
    assert {job.run for job in plan(runs, tmp_path).missing} == {RUN, variant, origin, CHILD}
    assert {run for run in runs if key(run) == old[run]} == {other}


@pytest.mark.usefixtures("fresh")
def test_a_revision_is_kept_whatever_a_recipe_is_cut_down_to(monkeypatch: pytest.MonkeyPatch) -> None:
    raise_revision("dsr-if", monkeypatch)
    for name, data in ENTRIES.items():
        for scale in data.scales:
            assert resolve(Run(name, "preact-resnet18", "dsr-if", 5, 0, scale)).revision == 2, (name, scale)


@pytest.mark.usefixtures("fresh")
def test_the_revision_of_the_recipe_that_all_others_are_made_of_is_everybodys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes, "CIFAR", replace(recipes.CIFAR, revision=2))
    recipes._of_built_in.cache_clear()
    for method in catalogue.BUILT_IN:
        assert resolve(replace(RUN, method=method)).revision == 2, method
    raise_revision("dsr-if", monkeypatch)
    assert resolve(RUN).revision == 3, "a revision that one method has already had would give an old key"


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
