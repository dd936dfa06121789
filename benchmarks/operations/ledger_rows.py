"""The rows of a run's `ledger.csv` and `rates.csv`: what their cells may hold, and how they are read back.

`ledger` counts them. Nothing here needs torch, so that commands that only read start quickly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from benchmarks.files import columns, csv_files
from benchmarks.files.columns import Number, Words
from benchmarks.runs import agreement


@dataclass(frozen=True, kw_only=True)
class LedgerRow:
    """One layer's line in `ledger.csv`; `results/README.md` explains every column. None: not applicable."""

    layer: str
    origin: str
    kind: str
    operation: str | None = None
    in_channels: int | None = None
    out_channels: int | None = None
    kernel: int | None = None
    stride: int | None = None
    groups: int | None = None
    out_height: int | None = None
    out_width: int | None = None
    weights: int | None = None
    biases: int | None = None
    timesteps: int | None = None
    analog_repeats: int | None = None
    images: int
    dense_macs_per_step: int
    padded_macs_per_step: int
    operations: int
    operations_every_step: int | None = None
    operations_nonzero: int | None = None
    operations_graded_pool: int | None = None
    pool_additions: int | None = None
    input_nonzero: int | None = None
    pooled_nonzero: int | None = None
    bias_accumulates: int | None = None
    neuron: str | None = None
    output_neurons: int | None = None
    output_nonzero: int | None = None
    neuron_updates: int | None = None
    neuron_leaks: int | None = None


@dataclass(frozen=True)
class RateRow:
    """One step of one layer of spiking neurons in `rates.csv`; its firing rate is spikes / (neurons x images)."""

    layer: str
    step: int
    spikes: int
    neurons: int
    images: int


def _rule(kind: type, name: str) -> columns.Rule:
    hint = get_type_hints(kind)[name]
    return Number(whole=True) if int in (hint, *get_args(hint)) else Words()


RULES = {one.name: _rule(LedgerRow, one.name) for one in fields(LedgerRow)}
RULES |= {
    "layer": Words(needed=True),
    "kind": Words(agreement.KINDS, needed=True),
    "images": Number(1, whole=True, needed=True),
}
RULES |= dict.fromkeys(("dense_macs_per_step", "padded_macs_per_step", "operations"), Number(whole=True, needed=True))
LATER = [name for name in RULES if name not in ("layer", "origin", "kind", "images")]
"""Columns that older ledgers lack."""
RATES: columns.Rules = {
    one.name: Words(needed=True) if one.name == "layer" else Number(whole=True, needed=True) for one in fields(RateRow)
}


def read(path: Path) -> list[dict[str, str]]:
    """Read a run's ledger; all values are text. Raises BadInput for one that no run can have left."""
    rows = csv_files.rows(path)
    columns.refuse(rows, RULES, str(path), LATER)
    columns.refuse_repeated(rows, ("layer",), str(path))
    return rows


def per_image(rows: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """A ledger's rows with the mean number of operations of an image, to compare with a result's."""
    return [{**row, "operations": repr(int(float(row["operations"])) / int(float(row["images"])))} for row in rows]


def read_rates(path: Path) -> list[RateRow]:
    """Read a run's rates; none if the file does not exist. Raises BadInput for one that no run can have left."""
    rows = csv_files.rows(path) if path.exists() else []
    columns.refuse(rows, RATES, str(path))
    columns.refuse_repeated(rows, ("layer", "step"), str(path))
    return [RateRow(**_typed(row)) for row in rows]


def _typed(row: Mapping[str, str]) -> dict[str, Any]:
    return {name: int(float(row[name])) if isinstance(rule, Number) else row[name] for name, rule in RATES.items()}
