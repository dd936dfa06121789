"""Accuracy against training time, epoch by epoch: what `reports` reads seconds to an accuracy from.

`results/<sweep>-curves.csv` stands beside the sweep's rows and holds the curves of its finished runs, as far as they
were trained where they were exported: key, epoch, seconds and joules of training so far, accuracy on the test split,
training loss, core-seconds so far.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from benchmarks.files import csv_files
from benchmarks.runs import store
from benchmarks.runs.record import read_csv, replacing

COLUMNS = ("key", "epoch", "train_seconds", "train_joules", "test_top1", "train_loss", "train_cpu_seconds")
DECIMALS = {"train_seconds": 2, "train_cpu_seconds": 2, "train_joules": 1, "test_top1": 3, "train_loss": 4}


def path_of(rows: Path) -> Path:
    """The file of curves that belongs to a file of rows."""
    return rows.with_name(f"{rows.stem}-curves.csv")


def read(path: Path) -> dict[str, list[dict[str, str]]]:
    """The lines of a file by their run's key; none where there is no file."""
    return csv_files.by_key(path)


def write(
    path: Path,
    keys: Iterable[str],
    measured: Mapping[str, list[dict[str, str]]],
    replaced: Collection[str] = (),
) -> None:
    """Write the curves of these runs, in their order: as `measured` on this disk, or else as they stand in the file.

    Of `replaced` runs nothing stays that stands in the file.
    """
    old = read(path)
    kept = {key: lines for key, lines in old.items() if key not in replaced}
    lines = [line for key in keys for line in measured.get(key) or kept.get(key, [])]
    if lines or path.exists():
        _write(lines, path)


def rows_of(place: Path, name: str) -> list[dict[str, str]]:
    """The curve in a run's directory; none where nothing was trained."""
    path = place / store.CURVES
    if not path.exists():
        return []
    return [{"key": name} | {c: _short(c, line.get(c) or "") for c in COLUMNS[1:]} for line in read_csv(path)]


def _short(column: str, value: str) -> str:
    """A hundredth of a second is enough: these files are committed."""
    return str(round(float(value), DECIMALS[column])) if value and column in DECIMALS else value


def _write(lines: list[dict[str, str]], path: Path) -> None:
    with replacing(path) as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
