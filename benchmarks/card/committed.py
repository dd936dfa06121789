"""A committed row as the result that it was written from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args

from benchmarks.runs.record import HINTS, Provenance, Result


def result_of(row: Mapping[str, Any]) -> Result:
    """A typed row as the result that it was written from."""
    of = {name: _typed(name, row.get(name)) for name in HINTS if name != "provenance"}
    stated: dict[str, Any] = {one.name: of[one.name] for one in fields(Provenance)}
    stated = {name: "" if value is None and HINTS[name] is str else value for name, value in stated.items()}
    known = {one.name: of[one.name] for one in fields(Result) if one.name != "provenance"}
    return Result(**known, provenance=Provenance(**stated))


def _typed(name: str, value: Any) -> Any:
    """Numbers of a CSV are read as floats; a count is whole."""
    whole = int in (HINTS[name], *get_args(HINTS[name]))
    return int(value) if whole and value is not None else value
