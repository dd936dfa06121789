"""What is recorded of a run: one flat row of raw quantities, their provenance, and a row per epoch.

The order of the fields is the order of the CSV columns. Units end the names: percentages are 0 to 100, `_bytes`,
`_seconds`, `_ms`; SynOps are per image. A quantity that was not measured is None (an empty cell), never 0.
Energy is derived in `reports`, never stored. `results/README.md` explains every column.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any, Literal, get_args, get_type_hints

from benchmarks.files import columns, csv_files, json_files, partials
from benchmarks.files.columns import Number, Words
from benchmarks.spec import MAX_SEED, SCALES, BadInput, Run, shown

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
    quantized_macs: float | None = None
    activation_bits: int | None = None
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
    core_gflops: float | None = None
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
    `core_gflops` is the speed of a core just after the epoch (`benchmarks.measurement.yardstick`).
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
    core_gflops: float | None = None


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
    "quantized_macs",
    "activation_bits",
    "core_gflops",
)
"""Columns that older files lack; they are read as empty."""

COLUMNS = [f.name for f in fields(Result) if f.name != "provenance"] + [f.name for f in fields(Provenance)]

HINTS = get_type_hints(Result) | get_type_hints(Provenance)
NUMERIC = [name for name in COLUMNS if {int, float} & {HINTS[name], *get_args(HINTS[name])}]
LARGEST_T = 2**20
"""The most time steps that a row may have: more than any run here or in the literature."""
RULES: dict[str, columns.Rule] = {name: Words() for name in COLUMNS}
RULES |= {name: Number(whole=int in (HINTS[name], *get_args(HINTS[name]))) for name in NUMERIC}
RULES |= dict.fromkeys(("top1", "top1_best", "top1_validation_selected", "validation_top1"), Number(high=100.0))
RULES |= {"test_loss": Number(endless=True)}
RULES |= {"test_images": Number(1, whole=True), "firing_rate": Number(high=1.0), "threads": Number(1, whole=True)}
RULES |= {"timesteps": Number(1, LARGEST_T, True, True), "seed": Number(0, MAX_SEED, True, True)}
RULES |= dict.fromkeys(("key", "dataset", "network", "method"), Words(needed=True))
RULES |= {"scale": Words(SCALES, needed=True), "status": Words(get_args(Status), needed=True)}
RULES |= {"reason": Words(lines=True)}
RULES |= {"dirty": Words(("True", "False", "TRUE", "FALSE"))}  # spreadsheets write the last two
"""What the cells of every column may hold."""


def save(result: Result, path: Path) -> None:
    """Write the result as JSON, whole or not at all."""
    write_whole(path, json.dumps(asdict(result), indent=2) + "\n")


def load(path: Path) -> Result:
    """Read what `save` wrote. Raises OSError and ValueError, the latter also for values that no run can have left."""
    stored = json_files.read(path)
    if not isinstance(stored, Mapping) or "provenance" not in stored:
        raise ValueError("it is no object with a provenance")
    origin = json_files.made(Provenance, stored["provenance"])
    result = json_files.made(Result, {**stored, "provenance": origin})
    flat = {name: "" if value is None else str(value) for name, value in row(result).items()}
    columns.refuse([flat], RULES, path.name, what="field")
    if wrong := _wrong(flat):
        raise ValueError(wrong)
    return result


def run_of(result: Result) -> Run:
    """The run that a result says it is of."""
    return Run(**{one.name: getattr(result, one.name) for one in fields(Run)})


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


TAKEN_FOR_NUMBERS = r"\d+[.,]\d+([Ee]\+?\d+)?|\d+E\+?\d+|\d+e\+\d+|\d{5,15}|\d{17,}"
"""What a spreadsheet makes of a key like 5050e10123456789, or of one of digits alone."""


def checked(rows: list[dict[str, str]], path: Path) -> list[dict[str, str]]:
    """Return rows of runs unchanged, except for the capitals of a spreadsheet's TRUE and FALSE.

    Raises BadInput for the first thing in them that no run can have written: a missing column, a cell that breaks its
    column's rule, a key that a spreadsheet took for a number, a run that is its own parent, or one that is done without
    an accuracy.
    """
    columns.refuse(rows, RULES, str(path), LATER_COLUMNS)
    for name in ("key", "parent_key"):
        if numbers := [row[name] for row in rows if re.fullmatch(TAKEN_FOR_NUMBERS, row[name], re.ASCII)]:
            raise BadInput(
                f"{path}: {shown(numbers[0])} is no key; a spreadsheet took it for a number: restore the file from git"
            )
    for line in rows:
        if wrong := _wrong(line):
            raise BadInput(f"{path}: {wrong}")
    return [row | {"dirty": row["dirty"].title()} for row in rows]


def _wrong(line: Mapping[str, str]) -> str:
    """What cells of a row contradict each other, in words; empty if there are none."""
    if line["parent_key"] == line["key"]:
        return f"column parent_key: {shown(line['key'], quoted=False)} names itself as its parent"
    if line["status"] == "done" and not line["top1"]:
        return f"column top1: {shown(line['key'], quoted=False)} is done and has no accuracy"
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
