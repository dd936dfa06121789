"""Training cost per method and T, from the records of `dsr-bench perf`: table and figures."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.files import timings
from benchmarks.spec import BadInput
from reports.cost import fit
from reports.cost.costs import BUSY_CORES
from reports.figures.drawing import Figure, against_t, draw
from reports.rendering.table import Cell, Column, Table, laid_out, numbers

YARDSTICK = "dsr-if-reference"
Record = Mapping[str, Any]


def read(paths: Iterable[Path]) -> list[Record]:
    """The records. Raises BadInput for a file that is none."""
    try:
        return [timings.read(path) for path in paths]
    except FileNotFoundError as error:
        raise BadInput(f"{error.filename} not found") from None


def table_of(record: Record, before: Record | None = None) -> Table:
    """One row per method and T, with ratios to the yardstick and the ANN of the same run, and to an earlier record."""
    rows = record["rows"]
    earlier = {(row["subject"], row["T"]): row for row in before["rows"]} if before else {}
    against = [_ratio(row, "train_ms", earlier.get((row["subject"], row["T"]))) for row in rows]
    yardstick = {row["T"]: row for row in rows if row["subject"] == YARDSTICK}
    ann = next((row for row in rows if row["subject"] == "ann"), None)
    busy = ["*" if _busy(record) else ""] * len(rows)
    faster = [_ratio(yardstick.get(row["T"]), "train_ms", row) for row in rows]
    columns = [
        (Column("method", numeric=False), [Cell(row["subject"]) for row in rows]),
        (Column("T"), [Cell(str(row["T"])) for row in rows]),
        (Column("train step", "ms"), numbers([_number(row["train_ms"]) for row in rows], busy, decimals=1)),
        (
            Column("median", "ms", detail=True),
            numbers([_number(row["train_ms_median"]) for row in rows], busy, decimals=1),
        ),
        (
            Column("speed-up", "x yardstick"),
            numbers(faster, decimals=1),
        ),
        (Column("step", "x ANN"), numbers([_ratio(row, "train_ms", ann) for row in rows], decimals=1)),
        (Column("floor", "ms", detail=True), numbers([_number(row["floor_ms"]) for row in rows], decimals=1)),
        (
            Column("step", "x floor", detail=True),
            numbers([_quotient(row["train_ms"], row["floor_ms"]) for row in rows], decimals=1),
        ),
        (Column("peak memory", "MiB"), numbers([_number(row["peak_step_bytes"]) / 2**20 for row in rows], decimals=0)),
        (
            Column("memory", "x yardstick"),
            numbers([_ratio(r, "peak_step_bytes", yardstick.get(r["T"])) for r in rows], decimals=2),
        ),
        (Column("inference step", "ms"), numbers([_number(row["inference_ms"]) for row in rows], busy, decimals=1)),
        (
            Column("firing rate", "per step", detail=True),
            numbers([_number(row["firing_rate"]) for row in rows], decimals=3),
        ),
    ]
    if earlier:
        columns.append((Column("train step", "x baseline"), numbers(against, decimals=2)))
    headings, cells = laid_out(columns)
    heading = f"Training cost, {_what(record)}"
    return Table(
        heading=heading,
        badge=_where(record),
        title=f"{heading}, {_where(record)}",
        columns=headings,
        rows=cells,
        notes=tuple(_notes(record, before)),
    )


def tables_of(record: Record) -> list[Table]:
    """The table, and what a step more costs."""
    line = fit.table_of_record(record, _what(record), _where(record))
    return [table_of(record), *([line] if line else [])]


def figures_of(record: Record) -> list[Figure]:
    """Step time and memory against T."""
    what = f"{_what(record)}, {_where(record)}"
    time, memory = (
        against_t(record, "train_ms", "training step (ms)", 1),
        against_t(record, "peak_step_bytes", "peak memory above idle (MiB)", 2**-20),
    )
    machine = re.sub(r"[^a-z0-9]+", "-", _where(record).lower()).strip("-")
    narrow = "" if _precision(record) == "float32" else f"-{_precision(record)}"
    stem = f"{record['network']}-b{record['batch']}{narrow}-{machine}"
    return [
        draw(f"step-time-{stem}", f"Time of a training step against T. {what}.", time),
        draw(f"memory-{stem}", f"Peak memory of a training step against T. {what}.", memory),
    ]


def _precision(record: Record) -> str:
    """In which precision steps trained; older records are of float32 and do not say so."""
    return str(record.get("precision", "float32"))


def _what(record: Record) -> str:
    """What was measured; only a precision other than float32 is named."""
    named = "" if _precision(record) == "float32" else f", precision {_precision(record)}"
    return f"{record['network']}, batch {record['batch']}{named}"


def _where(record: Record) -> str:
    """What it was measured on."""
    where: str = record["machine"] if record["device"] == "cpu" else record["device"]
    return where


def _busy(record: Record) -> bool:
    """Whether other processes disturbed the timings; older records do not say."""
    return float(record.get("other_load_cores") or 0.0) > BUSY_CORES


def _notes(record: Record, before: Record | None) -> Iterable[str]:
    rates = record["rates"]
    yield (
        f"Fastest of five training and inference steps, on noise in CIFAR's shape. {record['machine']}, device "
        f"{record['device']}, {record['threads']} threads, torch {record['torch']}, commit {record['commit'][:12]}"
        f"{' with changes' if record['dirty'] else ''}, {record['started'][:10]}."
    )
    yield (
        f"Yardstick: {YARDSTICK}, the released code's semantics written plainly, in float32. Peak memory: of one whole "
        "step, above the idle process, each in a process of its own."
    )
    lookup = f", table lookups on spikes {rates['lookup_ms']:.1f} ms" if rates["lookup_ms"] else ""
    weights = f", weight gradients from spikes {rates['weights_ms']:.1f} ms" if rates.get("weights_ms") else ""
    yield (
        f"Floor: all convolutions of one batch and step take {rates['float32_ms']:.1f} ms in float32, "
        f"{rates['bfloat16_ms']:.1f} ms in bfloat16{lookup} (neurons included){weights}; a copy moves "
        f"{rates['copied_bytes_per_second'] / 1e9:.0f} GB/s. A method's floor is its convolution passes at these rates "
        "plus six 4-byte transfers per neuron, T times where it keeps time."
    )
    if lost := [f"{row['subject']} T={row['T']}" for row in record["rows"] if row["train_ms"] is None]:
        yield f"Out of memory: {', '.join(lost)}."
    if _busy(record):
        yield f"* timed on a busy machine: other processes took more than {BUSY_CORES} cores."
    if before:
        yield f"Baseline: {before['started'][:10]}, commit {before['commit'][:12]}."


def _ratio(row: Record | None, key: str, by: Record | None) -> float:
    return _quotient(row[key] if row else None, by[key] if by else None)


def _quotient(value: float | None, by: float | None) -> float:
    return value / by if value and by else math.nan


def _number(value: float | None) -> float:
    return math.nan if value is None else value
