"""The identity of a run: its parent, its key, and the order that puts parents first.

A run's key is a hash of the run, its resolved recipe and its parent's key: two runs with equal keys are the same
experiment on any machine, and any change that could move a number changes the key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, replace
from typing import Any

from benchmarks.recipes import anytime, resolve
from benchmarks.spec import Recipe, Run

SILENT = ("sources",)
"""Fields of a recipe that never enter a key."""
OUTSIDE: Mapping[str, str] = {
    "sources": "say where the numbers of a recipe come from; no result depends on them",
    "the data": "their SHA-256 is in the row; a run refuses to resume, or to start from a parent, on other data, and a "
    "sweep notes cached runs that used other images",
    "the code of this repository": "its commit is in the row; a commit that moves a method's results also raises "
    "`revision` in the method's recipe, which moves the keys",
    "machine, threads and versions": "they are in the row; they move results by rounding",
}
"""What is not in a key, and why."""


def parent(run: Run) -> Run | None:
    """The run whose weights `run` starts from (always at T = 1), or None."""
    return parent_of(run, resolve(run))


def parent_of(run: Run, recipe: Recipe) -> Run | None:
    """The same for a run whose recipe is known."""
    return replace(run, method=recipe.parent, timesteps=1) if recipe.parent else None


def key(run: Run) -> str:
    """Identity of a run: 16 hexadecimal digits."""
    recipe = resolve(run)
    origin = parent_of(run, recipe)
    return key_of(run, recipe, key(origin) if origin else None)


def key_of(run: Run, recipe: Recipe, parent_key: str | None) -> str:
    """The same for a run whose recipe and whose parent's key are known."""
    identity = {"run": vars(run), "recipe": _changed(recipe), "parent": parent_key}
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def unchanged(run: Run, known: str) -> Recipe | None:
    """The recipe of a run, if the run still has the key `known`; None if its recipe has changed."""
    return resolve(run) if key(run) == known else None


def _longest_first(runs: list[Run]) -> Iterator[Run]:
    longer: dict[Run, list[Run]] = {}
    for run in runs:
        if anytime(run.method):
            longer.setdefault(replace(run, timesteps=1), []).append(run)
    for run in runs:
        same = longer.pop(replace(run, timesteps=1), []) if anytime(run.method) else [run]
        yield from sorted(same, reverse=True)


def _changed(recipe: Recipe) -> dict[str, object]:
    """The recipe's fields that differ from their defaults: a new field with a default leaves old keys as they are."""
    stated = vars(recipe)
    return {f.name: stated[f.name] for f in fields(recipe) if enters(recipe, f)}


def enters(recipe: Recipe, field: Field[Any]) -> bool:
    """Whether a field of a recipe is among what the key is made of: it is not silent, and not at its default."""
    return field.name not in SILENT and getattr(recipe, field.name) != _default(field)


def _default(field: Field[Any]) -> object:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def in_order(runs: Iterable[Run], parent: Callable[[Run], Run | None] = parent) -> list[Run]:
    """The runs and their parents, without repetition, every parent before its first child.

    Of runs whose simulation passes through shorter ones, the longest comes first. `parent` returns a run's parent.
    """
    ordered: dict[Run, None] = {}
    for run in _longest_first(list(runs)):
        origin = parent(run)
        if origin:
            ordered.setdefault(origin)
        ordered.setdefault(run)
    return list(ordered)
