"""Accuracy against training time, epoch by epoch: what `reports` reads seconds to an accuracy from.

`results/<sweep>-curves.csv` stands beside the sweep's rows and holds the curves of its finished runs, as far as they
were trained where they were exported: key, epoch, seconds and joules of training so far, accuracy on the test split,
training loss.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Collection, Iterable
from pathlib import Path

from benchmarks import csv_files, store
from benchmarks.identity import key
from benchmarks.record import read_csv
from benchmarks.spec import Run

COLUMNS = ("key", "epoch", "train_seconds", "train_joules", "test_top1", "train_loss")
DECIMALS = {"train_seconds": 2, "train_joules": 1, "test_top1": 3, "train_loss": 4}


def path_of(rows: Path) -> Path:
    """The file of curves that belongs to a file of rows."""
    return rows.with_name(f"{rows.stem}-curves.csv")


def export(rows: Path, runs: Iterable[Run], wanted: Collection[str], results: Path) -> None:
    """Bring the curves beside `rows` up to date: of runs with the `wanted` keys, what was there and what is here."""
    path = path_of(rows)
    kept: dict[str, list[dict[str, str]]] = {}
    for line in csv_files.keyed(path):
        if line["key"] in wanted:
            kept.setdefault(line["key"], []).append(line)
    for run in runs:
        if (name := key(run)) in wanted and (here := _curve(store.directory(results, run) / store.CURVES, name)):
            kept[name] = here
    if kept or path.exists():
        _write([line for name in wanted for line in kept.get(name, [])], path)


def _curve(path: Path, name: str) -> list[dict[str, str]]:
    if not path.exists():
        return []
    return [{"key": name} | {c: _short(c, line.get(c) or "") for c in COLUMNS[1:]} for line in read_csv(path)]


def _short(column: str, value: str) -> str:
    """A hundredth of a second is enough: these files are committed."""
    return str(round(float(value), DECIMALS[column])) if value and column in DECIMALS else value


def _write(lines: list[dict[str, str]], path: Path) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    os.replace(partial, path)
