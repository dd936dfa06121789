"""Records of `dsr-bench perf`, as the commands and the reports read them: JSON whose names and types are known.

`benchmarks.perf.record` writes them. Older ones lack some fields.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.files import json_files
from benchmarks.spec import BadInput, one_line, shown


@dataclass(frozen=True)
class _Ratios:
    commit: str
    dirty: bool | None
    started: str
    threads: int
    torch: str
    train: Sequence[float] = ()
    inference: Sequence[float] = ()


@dataclass(frozen=True)
class _Row:
    subject: str
    T: int
    train_ms: float | None
    train_ms_median: float | None
    inference_ms: float | None
    peak_step_bytes: float | None
    firing_rate: float | None
    floor_ms: float | None
    inference_ms_median: float | None = None
    ratios: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class _Rates:
    float32_ms: float
    bfloat16_ms: float
    lookup_ms: float | None
    copied_bytes_per_second: float
    neurons: int
    weights_ms: float | None = None


@dataclass(frozen=True)
class _Record:
    commit: str
    dirty: bool | None
    started: str
    machine: str
    device: str
    threads: int
    torch: str
    network: str
    batch: int
    rates: Mapping[str, Any]
    rows: Sequence[Any]
    python: str = ""
    precision: str = "float32"
    other_load_cores: float | None = None
    harness: Mapping[str, Any] | None = None


def read(path: Path) -> dict[str, Any]:
    """Read a record. Raises BadInput for a file that is none; FileNotFoundError if there is none."""
    try:
        record: dict[str, Any] = json_files.read(path)
        json_files.made(_Record, record)
        json_files.made(_Rates, record["rates"])
        for row in record["rows"]:
            json_files.made(_Row, row)
            if row.get("ratios"):
                json_files.made(_Ratios, row["ratios"])
        _check(record)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} is no record of `dsr-bench perf` ({one_line(error)})") from None
    return record


def _check(record: Mapping[str, Any]) -> None:
    """Raise ValueError for a record without rows, with a row twice, or with a number that nothing can be."""
    rows = [(row["subject"], row["T"]) for row in record["rows"]]
    if not rows or len(set(rows)) < len(rows):
        raise ValueError("it has a row twice" if rows else "it has no rows")
    if any(steps < 1 for _, steps in rows):
        raise ValueError("T is less than 1")
    counted = {name: part for name, part in record.items() if name != "harness"}  # an overhead may be negative
    for name, value in _numbers(counted):
        if not math.isfinite(value) or value < 0:
            raise ValueError(f"{name} is {shown(value)}")
    for name, text in _texts(record):
        if not text.isprintable():
            raise ValueError(f"{name} is {shown(text)}")


def _leaves(tree: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping):
        for inner, value in tree.items():
            yield from _leaves(value, inner)
    elif isinstance(tree, list):
        for value in tree:
            yield from _leaves(value, name)
    else:
        yield name, tree


def _numbers(tree: Any) -> Iterator[tuple[str, float]]:
    for name, value in _leaves(tree):
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                yield name, float(value)
            except OverflowError:
                yield name, math.inf


def _texts(tree: Any) -> Iterator[tuple[str, str]]:
    return ((name, value) for name, value in _leaves(tree) if isinstance(value, str))
