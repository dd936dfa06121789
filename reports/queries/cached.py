"""`dsr-bench why-cached`: what a run's key is made of, and what makes the run count as done, or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import Field, asdict, fields
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.recipes import resolve
from benchmarks.runs import identity, store
from benchmarks.runs.job import Job, job_of
from benchmarks.spec import BadInput, Recipe
from reports.queries.differences import written
from reports.queries.lookup import Known
from reports.rendering.table import DASH, Cell, Column, Table, laid_out

IN, DEFAULT, OUT = "in it", "at its default", "never in it"
DEFAULTS = "A field at its default adds nothing to a key: a new field leaves old keys as they are. Other values do."


class Answer(NamedTuple):
    """`table`: what is in the key, if the recipe is known. `is_cached`: whether the run counts as done; `said`: why."""

    table: Table | None
    is_cached: bool
    said: list[str]


def explain(one: Known, results: Path) -> Answer:
    """What the key of a run is made of, and whether the run is cached. `results`: where a sweep would look."""
    table = _table(one, one.recipe) if one.recipe else None
    try:
        today = identity.key(one.run)
    except BadInput as error:
        return Answer(table, False, [f"Not cached: the key that it has today is not known ({error})."])
    if today != one.key:
        return Answer(table, False, [f"Not cached: its key is {today} today. {_what_changed(one)}"])
    job = job_of(one.run, results)
    found = _evidence(job, results)
    return Answer(table, bool(found), found or [f"Not cached: {_why_not(job, results)}."])


def _table(one: Known, recipe: Recipe) -> Table:
    lines = [(name, _said(name, value), IN) for name, value in asdict(one.run).items()]
    lines += [line for field in fields(recipe) for line in _lines(recipe, field)]
    lines.append(("parent's key", one.parent_key or DASH, IN))
    labels = (Column("", numeric=False), Column("value", numeric=False), Column("key", numeric=False))
    columns = [(label, [Cell(line[number]) for line in lines]) for number, label in enumerate(labels)]
    heading = f"What the key {one.key} is made of"
    notes = (DEFAULTS, "Not in a key:", *(f"- {what}: {why}." for what, why in identity.OUTSIDE.items()))
    return Table(heading, "", heading, *laid_out(columns), notes)


def _lines(recipe: Recipe, field: Field[Any]) -> Iterator[tuple[str, str, str]]:
    """A field of a recipe; a line for each parameter of a part of the method."""
    value = getattr(recipe, field.name)
    state = OUT if field.name in identity.SILENT else IN if identity.enters(recipe, field) else DEFAULT
    parts = value if isinstance(value, Mapping) and value else {"": value or None if value == {} else value}
    for name, part in parts.items():
        label = f"{field.name}.{name}" if name else field.name
        yield label, _said(label, part), state


def _said(name: str, value: Any) -> str:
    return str(value) if name in ("seed", "timesteps") else written(name, value)


def _what_changed(one: Known) -> str:
    """Why a run has another key today than when it was carried out."""
    if one.recipe is None:
        return "Its recipe has changed since, and no run directory is left that would say in what."
    now, then = resolve(one.run), one.recipe
    changed = [
        f"{field.name} was {getattr(then, field.name)!r} and is {getattr(now, field.name)!r}"
        for field in fields(Recipe)
        if field.name not in identity.SILENT and getattr(then, field.name) != getattr(now, field.name)
    ]
    origin = identity.parent_of(one.run, now)
    if not changed and origin and (parent := identity.key(origin)) != one.parent_key:
        changed = [f"its parent's key was {one.parent_key} and is {parent}"]
    return f"Since it was carried out, {'; '.join(changed) or 'the way keys are made has changed'}."


def _evidence(job: Job, results: Path) -> list[str]:
    """What makes a run count as done, and whether its weights are here; empty where nothing does."""
    found = [f"Cached: {job.place / store.RESULT} says that it is done."] if job.is_done() else []
    if job.key in store.committed(results):
        found += [f"Cached: {path} has its finished row." for path in _files(job, results, "done")]
    if found and not job.has_weights():
        found.append("Its weights are not here: a run that starts from it would have it trained again.")
    return found


def _files(job: Job, results: Path, *status: str) -> list[Path]:
    """The CSV files that have a row of a run with one of these states."""
    tables = store.tables(results).items()
    return [path for path, rows in tables if any(row["key"] == job.key and row["status"] in status for row in rows)]


def _why_not(job: Job, results: Path) -> str:
    """In words, for a run whose key is today's."""
    if outdated := _files(job, results, "done"):
        return f"its row in {outdated[0]} descends from other weights than its parent's row has"
    result = job.result()
    if result is None and (failed := _files(job, results, "failed", "out-of-memory")):
        return f"its row in {failed[0]} did not end well"
    if result is None:
        return f"neither {job.place} nor a CSV file in {results} has a result of it"
    if result.status != "done":
        return f"{job.place / store.RESULT} says {result.status}: {result.reason or 'no reason given'}"
    assert job.parent, "a finished run without a parent is done"
    return f"its parent has been trained again since; {job.parent.place} has other weights now"
