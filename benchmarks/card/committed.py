"""A committed row as the result that it was written from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args

from benchmarks.runs.record import HINTS, Provenance, Result


def result_of(row: Mapping[str, Any]) -> Result:
    """Convert a typed row to the result that it was written from."""
    values = {name: _typed(name, row.get(name)) for name in HINTS if name != "provenance"}
    origin: dict[str, Any] = {one.name: values[one.name] for one in fields(Provenance)}
    origin = {name: "" if value is None and HINTS[name] is str else value for name, value in origin.items()}
    known = {one.name: values[one.name] for one in fields(Result) if one.name != "provenance"}
    return Result(**known, provenance=Provenance(**origin))


def _typed(name: str, value: Any) -> Any:
    """Convert a number of a CSV, which is read as a float, to an integer if the field is one."""
    whole = int in (HINTS[name], *get_args(HINTS[name]))
    return int(value) if whole and value is not None else value
