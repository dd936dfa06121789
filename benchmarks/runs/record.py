"""What is recorded of a run: one flat row of raw quantities, their provenance, and a row per epoch.

The order of the fields is the order of the CSV columns. Units end the names: percentages are 0 to 100, `_bytes`,
`_seconds`, `_ms`; SynOps are per image. A quantity that was not measured is None (an empty cell), never 0.
Energy is derived in `reports`, never stored. `results/README.md` explains every column.
"""

from __future__ import annotations

import csv
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any, Literal, get_args, get_type_hints

from benchmarks.files import csv_files, partials
from benchmarks.spec import BadInput

Status = Literal["done", "failed", "out-of-memory"]


@dataclass(frozen=True)
class Provenance:
    """Where, when and from which code and data a result came."""

    commit: str
    dirty: bool | None
    started: str
    machine: str
    device: str
    threads: int
    python: str
    torch: str
    data_sha256: str
    data_source: str
    kernels: str = ""


@dataclass(frozen=True, kw_only=True)
class Result:
    """One finished (or failed) run."""

    key: str
    parent_key: str | None
    dataset: str
    network: str
    method: str
    timesteps: int
    seed: int
    scale: str
    status: Status
    reason: str | None = None
    # accuracy, percent of the test split; of the validation split after the last epoch
    top1: float | None = None
    top1_best: float | None = None
    top1_validation_selected: float | None = None
    validation_top1: float | None = None
    train_loss: float | None = None
    test_loss: float | None = None
    epochs: int | None = None
    initial_threshold: float | None = None
    train_images: int | None = None
    test_images: int | None = None
    # network and synaptic operations, per image
    parameters: int | None = None
    dense_macs_per_step: int | None = None
    padded_macs_per_step: int | None = None
    analog_macs: float | None = None
    analog_macs_every_step: float | None = None
    acs: float | None = None
    neuron_updates: int | None = None
    firing_rate: float | None = None
    # training cost of this run alone; the parent's cost is in the parent's row
    train_seconds: float | None = None
    train_cpu_seconds: float | None = None
    train_step_ms: float | None = None
    train_step_ms_iqr: float | None = None
    test_images_per_second: float | None = None
    peak_step_bytes: int | None = None
    idle_bytes: int | None = None
    peak_reserved_bytes: int | None = None
    other_load_cores: float | None = None
    train_joules: float | None = None
    train_joules_source: str | None = None
    # SHA-256 of the trained weights, of the parent's weights that the run started from, and of its predictions
    weights_sha256: str | None = None
    parent_sha256: str | None = None
    predictions_sha256: str | None = None
    provenance: Provenance


@dataclass(frozen=True)
class Epoch:
    """One row of `curves.csv`; `train_seconds`, `train_joules` and `train_cpu_seconds` are cumulative.

    `learning_rate` is the highest in the epoch. Losses and accuracies of a split that was not evaluated are None.
    """

    epoch: int
    learning_rate: float
    train_loss: float
    train_top1: float
    test_loss: float | None
    test_top1: float | None
    validation_loss: float | None
    validation_top1: float | None
    train_seconds: float
    train_step_ms: float | None
    train_step_ms_iqr: float | None
    train_joules: float | None = None
    train_cpu_seconds: float | None = None


def row(result: Result) -> dict[str, Any]:
    """One flat CSV row: the result's fields, then its provenance's."""
    flat = asdict(result)
    return flat | flat.pop("provenance")


LATER_COLUMNS = (
    "train_joules",
    "train_joules_source",
    "initial_threshold",
    "train_cpu_seconds",
    "weights_sha256",
    "parent_sha256",
    "predictions_sha256",
    "kernels",
    "validation_top1",
)
"""Columns that older files lack; they are read as empty."""

COLUMNS = [f.name for f in fields(Result) if f.name != "provenance"] + [f.name for f in fields(Provenance)]

HINTS = get_type_hints(Result) | get_type_hints(Provenance)
NUMERIC = [name for name in COLUMNS if {int, float} & {HINTS[name], *get_args(HINTS[name])}]
RANGES = dict.fromkeys(("top1", "top1_best", "top1_validation_selected", "validation_top1"), (0.0, 100.0)) | {
    "test_images": (1.0, math.inf)
}
"""The smallest and the largest number that a column may have: percentages, and the number of images behind them."""


def save(result: Result, path: Path) -> None:
    """Write the result as JSON, whole or not at all."""
    write_whole(path, json.dumps(asdict(result), indent=2) + "\n")


def load(path: Path) -> Result:
    """Read what `save` wrote."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    return Result(**(stored | {"provenance": Provenance(**stored["provenance"])}))


def write_csv(rows: Iterable[dict[str, Any]], path: Path) -> None:
    """Write rows in the fixed column order, whole or not at all."""
    with replacing(path) as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows as written, every value still text. Raises BadInput for a file that cannot be read: `csv_files` says why."""
    return csv_files.rows(path)


def rows_of_runs(folder: Path) -> dict[Path, list[dict[str, str]]]:
    """Rows of runs in the CSV files directly in a folder; files that are not ours (no `key` and `status`) are left out.

    Raises BadInput for one of ours that cannot be read, lacks columns or holds keys that a spreadsheet has changed.
    """
    ours = [path for path in partials.seen(folder, "*.csv") if csv_files.has_columns(path, "key", "status")]
    return {path: checked(read_csv(path), path) for path in ours}


TAKEN_FOR_NUMBERS = r"\d+[.,]\d+(E\+?\d+)?|\d+E\+?\d+"
"""What a spreadsheet makes of a key like 5050e10123456789."""


def checked(rows: list[dict[str, str]], path: Path) -> list[dict[str, str]]:
    """Return rows of runs unchanged. Raises BadInput for the first thing in them that no run can have written.

    That is a missing column, a key that a spreadsheet took for a number, no key, an unknown status, a run that is its
    own parent, a run that is done without an accuracy, or in a column of numbers a text or a number outside `RANGES`.
    """
    if rows and (missing := [name for name in COLUMNS if name not in rows[0] and name not in LATER_COLUMNS]):
        raise BadInput(f"{path} lacks the columns {', '.join(missing)}")
    if numbers := [row["key"] for row in rows if re.fullmatch(TAKEN_FOR_NUMBERS, row["key"])]:
        raise BadInput(
            f"{path}: {numbers[0]!r} is no key; a spreadsheet took it for a number: restore the file from git"
        )
    for line in rows:
        if wrong := _wrong(line):
            raise BadInput(f"{path}: {wrong}")
    return rows


def _wrong(line: Mapping[str, str]) -> str:
    """The first cell in a row of a run that makes no sense, in words; empty if there is none."""
    if not line["key"]:
        return "column key has an empty cell"
    if line["status"] not in get_args(Status):
        return f"column status: {line['status']!r} of {line['key']}; allowed: {', '.join(get_args(Status))}"
    if line["parent_key"] == line["key"]:
        return f"column parent_key: {line['key']} names itself as its parent"
    if line["status"] == "done" and not line["top1"]:
        return f"column top1: {line['key']} is done and has no accuracy"
    for name in NUMERIC:
        if not (text := line.get(name, "")):
            continue
        low, high = RANGES.get(name, (-math.inf, math.inf))
        try:
            value = float(text)
        except ValueError:
            return f"column {name}: {text!r} of {line['key']} is not a number"
        if name in RANGES and not low <= value <= high:
            return f"column {name}: {text} of {line['key']} is not within {low:g} and {high:g}"
    return ""


def write_whole(path: Path, text: str) -> None:
    """Write a text file. A reader sees the old file or the new one, never half of it."""
    with replacing(path) as file:
        file.write(text)


@contextmanager
def replacing(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file that replaces `path` once it is complete and on the disk: a power cut leaves the old or the new one.

    Raises BadInput if it cannot be written; then nothing of it is left.
    """
    partial = partials.beside(path)
    of_text: dict[str, Any] = {"newline": "", "encoding": "utf-8", "errors": "backslashreplace"} if mode == "w" else {}
    try:
        with partial.open(mode, **of_text) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException as error:
        partials.remove(partial)
        if isinstance(error, Exception) and (failed := partials.failure(error, partial, path)):
            raise partials.refusal(path, failed) from error
        raise
