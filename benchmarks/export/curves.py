"""Accuracy against training time, epoch by epoch: `reports` reads the seconds to an accuracy from these files.

`results/<sweep>-curves.csv` belongs to the sweep's rows. It holds the curves of the finished runs that were exported on
the machine that trained them: key, epoch, seconds and joules of training so far, accuracy on the test split, training
loss, core-seconds so far, accuracy on the validation split. A split that is not evaluated every epoch has empty cells.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from benchmarks.files import csv_files
from benchmarks.runs import agreement, store
from benchmarks.runs.record import read_csv, replacing

COLUMNS = (
    *("key", "epoch", "train_seconds", "train_joules", "test_top1", "train_loss", "train_cpu_seconds"),
    "validation_top1",
)
DECIMALS = {
    "train_seconds": 2,
    "train_cpu_seconds": 2,
    "train_joules": 1,
    "test_top1": 3,
    "train_loss": 4,
    "validation_top1": 3,
}


def path_of(rows: Path) -> Path:
    """The file of curves that belongs to a file of rows."""
    return rows.with_name(f"{rows.stem}-curves.csv")


def read(path: Path) -> dict[str, list[dict[str, str]]]:
    """The lines of a file by their run's key; none if the file does not exist. Raises BadInput for a damaged file."""
    curves: dict[str, list[dict[str, str]]] = {}
    for line in agreement.checked_curves(csv_files.keyed(path, COLUMNS), str(path)):
        curves.setdefault(line["key"], []).append({name: line.get(name, "") for name in COLUMNS})
    return curves


def write(
    path: Path,
    keys: Iterable[str],
    measured: Mapping[str, list[dict[str, str]]],
    replaced: Collection[str] = (),
) -> None:
    """Write the curves of these runs, in their order: as `measured` on this disk, or else as the file has them.

    The file's old curves of `replaced` runs are dropped.
    """
    old = read(path)
    kept = {key: lines for key, lines in old.items() if key not in replaced}
    lines = [line for key in keys for line in measured.get(key) or kept.get(key, [])]
    if lines or path.exists():
        _write(lines, path)


def rows_of(place: Path, name: str) -> list[dict[str, str]]:
    """The curve in a run's directory; none if nothing was trained. Raises BadInput for a damaged one."""
    path = place / store.CURVES
    lines = [{"key": name, **line} for line in read_csv(path)] if path.exists() else []
    agreement.checked_curves(lines, str(path), ("train_joules", *agreement.LATER_OF_CURVES))
    return [{"key": name} | {c: _short(c, line.get(c) or "") for c in COLUMNS[1:]} for line in lines]


def _short(column: str, value: str) -> str:
    """A hundredth of a second is enough: these files are committed."""
    return str(round(float(value), DECIMALS[column])) if value and column in DECIMALS else value


def _write(lines: list[dict[str, str]], path: Path) -> None:
    with replacing(path) as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
