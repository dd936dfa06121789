"""Accuracy against training time, epoch by epoch: `reports` reads the seconds to an accuracy from these files.

`results/<sweep>-curves.csv` belongs to the sweep's rows. It holds the curves of the finished runs that were exported on
the machine that trained them: key, epoch, seconds and joules of training so far, accuracy on the test split, training
loss, core-seconds so far, accuracy on the validation split. A split that is not evaluated every epoch has empty cells.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.files import csv_files
from benchmarks.runs import store
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
    """The lines of a file by their run's key; none if the file does not exist. Raises BadInput for words as numbers."""
    curves = csv_files.by_key(path)
    for key, lines in curves.items():
        for line in lines:
            csv_files.numeric(line, COLUMNS[1:], f"{path}, {key}")
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
    """The curve in a run's directory; none if nothing was trained. Raises BadInput for words in place of numbers."""
    path = place / store.CURVES
    lines = read_csv(path) if path.exists() else []
    for line in lines:
        csv_files.numeric(line, COLUMNS[1:], str(path))
    return [{"key": name} | {c: _short(c, line.get(c) or "") for c in COLUMNS[1:]} for line in lines]


def mismatch(curve: Sequence[Mapping[str, str]], row: Mapping[str, Any]) -> str:
    """How a curve's last epoch contradicts the row's accuracy or number of epochs; empty where they agree.

    The row's accuracy was measured once more after the last epoch. A GPU's choice of kernels may move two images
    (`benchmarks.execution` allows as many between its own two measurements), and so may the difference be here.
    """
    last = curve[-1]
    if last["test_top1"] and abs(float(last["test_top1"]) - row["top1"]) > max(0.1, 200 / (row["test_images"] or 2000)):
        return f"its curve ends at {last['test_top1']} % and its row says top1 = {row['top1']:.2f}"
    held_out = row.get("validation_top1")
    if last["validation_top1"] and held_out is not None and abs(float(last["validation_top1"]) - held_out) > 0.01:
        return f"its curve ends at {last['validation_top1']} % of held-out images and its row says {held_out:.2f}"
    if row["epochs"] and last["epoch"] and float(last["epoch"]) != row["epochs"]:
        return f"its curve ends with epoch {last['epoch']} and its row says {row['epochs']} epochs"
    return ""


def _short(column: str, value: str) -> str:
    """A hundredth of a second is enough: these files are committed."""
    return str(round(float(value), DECIMALS[column])) if value and column in DECIMALS else value


def _write(lines: list[dict[str, str]], path: Path) -> None:
    with replacing(path) as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
