"""A run that somebody means by a directory, a key, or how a key begins: what it was, by which recipe, and its row.

A run directory holds the recipe as it was. Of a committed row only the key is left of it: the recipe is resolved anew,
and is not known where that gives another key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.runs import contents, record, store
from benchmarks.runs.identity import unchanged
from benchmarks.spec import BadInput, Recipe, Run, one_line
from reports.inputs.rows import RUN

SHOWN = 5
TRUTHS = {"True": True, "False": False}
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Known:
    """What is known of a run. `recipe`: None where it has changed since; `row`: typed CSV columns, none before its end.

    `parents`: the rows of the run it starts from, of that one's, and so on, as far as they are there.
    """

    run: Run
    key: str
    parent_key: str | None
    place: str
    recipe: Recipe | None
    parent_recipe: Recipe | None
    row: Row
    parents: tuple[Row, ...]

    def __str__(self) -> str:
        started = f", started {self.row['started'][:10]}" if self.row.get("started") else ""
        return f"{self.run}; {self.key}, {self.place}{started}"


def find(word: str, results: Path) -> Known:
    """The run that a word names. Raises BadInput where it names none, or several."""
    path = Path(word)
    if (path / store.RUN).is_file():
        return _known_from_directory(path, results)
    if path.is_dir():
        raise BadInput(f"{path} is no directory of a run: it has no {store.RUN}")
    rows, places = _rows(results), store.places(results / "runs")
    keys = sorted({key for key in [*rows, *places] if key.startswith(word)}) if re.fullmatch("[0-9a-f]+", word) else []
    if not keys:
        raise BadInput(
            f"{word!r} names no run: a run's directory, its key, or how the key begins (as in {results}/*.csv)"
        )
    if len(keys) > 1:
        more = ", ..." if len(keys) > SHOWN else ""
        raise BadInput(f"{len(keys)} keys begin with {word!r}: {', '.join(keys[:SHOWN])}{more}")
    (key,) = keys
    return _known_from_directory(places[key], results) if key in places else _known_from_row(key, rows)


def _known_from_directory(place: Path, results: Path) -> Known:
    rows = _rows(results)
    try:
        about = store.described(place)
    except (OSError, ValueError) as error:
        raise BadInput(f"{place / store.RUN} is damaged, or of another version: {one_line(error)}") from error
    beside = {**store.places(results / "runs"), **store.places(place.parent.parent)}
    row = _row_of(about.key, beside | {about.key: place}, rows)
    parents = _ancestors(about.parent_key, beside, rows)
    origin = beside.get(about.parent_key or "")
    before = _recipe_of(origin) if origin else _resolved(about.parent_key, rows)
    return Known(about.run, about.key, about.parent_key, str(place), about.recipe, before, row, parents)


def _known_from_row(key: str, rows: Mapping[str, tuple[Row, str]]) -> Known:
    row, place = rows[key]
    parent_key = row["parent_key"]
    recipe, before = _resolved(key, rows), _resolved(parent_key, rows)
    return Known(_run(row), key, parent_key, place, recipe, before, row, _ancestors(parent_key, {}, rows))


def _recipe_of(place: Path) -> Recipe | None:
    try:
        return store.described(place).recipe
    except (OSError, ValueError):
        return None


def _resolved(key: str | None, rows: Mapping[str, tuple[Row, str]]) -> Recipe | None:
    """The recipe of a committed row, if it is still the one that the key is made of."""
    if key is None or key not in rows:
        return None
    try:
        return unchanged(_run(rows[key][0]), key)
    except BadInput:  # of a method that is not here
        return None


def _run(row: Row) -> Run:
    return Run(**{name: row[name] for name in RUN} | {name: int(row[name]) for name in ("timesteps", "seed")})


def _ancestors(key: str | None, places: Mapping[str, Path], rows: Mapping[str, tuple[Row, str]]) -> tuple[Row, ...]:
    """The rows of a parent, of its parent and so on. Raises BadInput where a run is its own ancestor."""
    chain: dict[str, Row] = {}
    while key and (row := _row_of(key, places, rows)):
        if key in chain:
            raise BadInput(f"{key} is its own ancestor ({' -> '.join([*chain, key])}): its record is damaged")
        chain[key] = row
        key = row["parent_key"]
    return tuple(chain.values())


def _row_of(key: str, places: Mapping[str, Path], rows: Mapping[str, tuple[Row, str]]) -> Row:
    """From the run's directory, else from a committed file, else nothing."""
    found = store.result_in(places[key]) if key in places else None
    return record.row(found) if found else rows[key][0] if key in rows else {}


def _rows(results: Path) -> dict[str, tuple[Row, str]]:
    """Rows of runs in the CSV files directly under the results folder, and the file; finished before failed ones.

    Raises BadInput for one key with two contents.
    """
    found: dict[str, tuple[Row, str]] = {}
    tables = store.tables(results)
    contents.by_key((path, row) for path, rows in tables.items() for row in rows)
    for path, rows in tables.items():
        for row in rows:
            if row["status"] == "done" or row["key"] not in found:
                found[row["key"]] = (_typed(row), str(path))
    return found


def _typed(row: Mapping[str, str]) -> Row:
    try:
        return {name: _value(name, row.get(name, "")) for name in record.COLUMNS}
    except ValueError as error:
        raise BadInput(f"the row of {row['key']} holds no numbers: {error}") from error


def _value(name: str, text: str) -> Any:
    if not text:
        return None
    return float(text) if name in record.NUMERIC else TRUTHS.get(text, text)
