"""`dsr-bench diff`: in sections, what differs between two runs, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from benchmarks.spec import flat
from reports.queries.lookup import Known
from reports.queries.results import changed
from reports.rendering.table import DASH, Cell, Column, Table, laid_out

CODE = ("commit", "dirty")
DATA = ("data_sha256", "data_source")
ENVIRONMENT = ("machine", "device", "threads", "torch", "python")
SECTIONS = ("Run", "Recipe", "Code", "Data", "Environment")
UNLIMITED = {"train_images": "all", "test_images": "all", "classes": "all", "image_size": "as shipped"}
HASHES = ("commit", "data_sha256", "parent's key")


def tables(a: Known, b: Known) -> list[Table]:
    """A table for each section that differs: the run, its recipe, code, data, environment and results."""
    pairs: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
        "Run": (asdict(a.run), asdict(b.run)),
        "Recipe": (_recipe(a), _recipe(b)),
    }
    for section, names in zip(SECTIONS[2:], (CODE, DATA, ENVIRONMENT), strict=True):
        pairs[section] = _part(a, names), _part(b, names)
    sections = [_table(section, *pair, tuple(_notes(section, a, b))) for section, pair in pairs.items()]
    return [table for table in [*sections, changed(a, b)] if table.rows or table.notes]


def the_same(shown: list[Table]) -> str:
    """The sections in which nothing differs, in one line."""
    there = {table.heading for table in shown}
    return ", ".join(section for section in (*SECTIONS, "Results") if section not in there).lower()


def written(name: str, value: Any) -> str:
    """A setting as text: what there is none of is a dash, a split without a limit is all of it."""
    if value is None:
        return UNLIMITED.get(name, DASH)
    if name in HASHES:
        return str(value)[:12]
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(written(name, one) for one in value) or DASH
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)


def _part(one: Known, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: one.row.get(name) for name in names}


def _recipe(one: Known) -> dict[str, Any]:
    own = flat(one.recipe) if one.recipe else {}
    return {**own, "parent's key": one.parents[0]["key"] if one.parents else one.row.get("parent_key")}


def _table(section: str, a: Mapping[str, Any], b: Mapping[str, Any], notes: tuple[str, ...]) -> Table:
    names = [name for name in {**a, **b} if a.get(name) != b.get(name)] if not notes else []
    headings, cells = laid_out(
        [
            (Column("", numeric=False), [Cell(name.replace("_", " ")) for name in names]),
            (Column("A", numeric=False), [Cell(_side(name, a)) for name in names]),
            (Column("B", numeric=False), [Cell(_side(name, b)) for name in names]),
        ]
    )
    return Table(section, "", section, headings, cells, notes)


def _side(name: str, values: Mapping[str, Any]) -> str:
    return written(name, values[name]) if name in values else DASH


def _notes(section: str, a: Known, b: Known) -> Iterator[str]:
    """What of a section is not known, which is no difference."""
    for name, one in (("A", a), ("B", b)):
        if section == "Recipe" and one.recipe is None:
            yield f"The recipe of {name} is not known: it has changed since, and no run directory is left."
        elif section in SECTIONS[2:] and not one.row:
            yield f"{name} has not ended: nothing is known of this."
