"""`results/<sweep>-layers.csv`: the ledgers of a sweep's runs, one row per run and layer, per image.

What the energy models read. `ledger.csv` in a run's directory is the source; rows of runs that are not on this disk
stay as they are.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path

from benchmarks.files import csv_files
from benchmarks.operations import ledger_rows
from benchmarks.runs import agreement, store
from benchmarks.runs.record import replacing


@dataclass(frozen=True)
class LayerRow:
    """One layer of one run; the order of the fields is that of the columns. `results/README.md` explains them."""

    key: str
    layer: str
    origin: str
    kind: str
    operation: str
    in_channels: str
    out_channels: str
    kernel: str
    stride: str
    groups: str
    out_height: str
    out_width: str
    weights: str
    biases: str
    dense_macs_per_step: str
    padded_macs_per_step: str
    operations: str
    operations_graded_pool: str
    input_nonzero: str
    output_spikes: str
    output_neurons: str
    timesteps: str
    analog_repeats: str
    neuron_updates: str = ""
    neuron_leaks: str = ""


COLUMNS = [column.name for column in fields(LayerRow)]
VALUES = attrgetter(*COLUMNS)
PER_IMAGE = ("operations", "operations_graded_pool", "input_nonzero")
"""Totals in a ledger that become means over its images."""


def path_of(csv_of_runs: Path) -> Path:
    """Beside the CSV of the sweep's runs."""
    return csv_of_runs.with_name(csv_of_runs.stem + store.LAYERS)


def rows_of(place: Path, key: str) -> list[LayerRow]:
    """The rows of a run's directory; none if its ledger is missing or of an older format.

    Raises BadInput for a ledger that no run can have left.
    """
    path = place / store.LEDGER
    lines = [line for line in ledger_rows.read(path) if line.get("operation")] if path.exists() else []
    return [_row(line, key) for line in lines]


def _row(line: Mapping[str, str], key: str) -> LayerRow:
    images = int(float(line["images"]))
    means = {name: _mean(line.get(name, ""), images) for name in (*PER_IMAGE, *agreement.LATER_OF_LAYERS)}
    spikes = _mean(line.get("output_nonzero", ""), images) if line.get("neuron_updates") else ""
    known = {**line, **means, "key": key, "output_spikes": spikes}
    return LayerRow(**{name: known.get(name, "") for name in COLUMNS})


def _mean(total: str, images: int) -> str:
    return repr(int(float(total)) / images) if total else ""


def read(path: Path) -> dict[str, list[LayerRow]]:
    """The rows of a file by their run's key; none if the file does not exist. Raises BadInput for a damaged file."""
    rows: dict[str, list[LayerRow]] = {}
    for line in agreement.checked_layers(csv_files.keyed(path, COLUMNS), str(path)):
        rows.setdefault(line["key"], []).append(LayerRow(**{name: line.get(name) or "" for name in COLUMNS}))
    return rows


def write(
    path: Path, keys: Iterable[str], measured: Mapping[str, list[LayerRow]], replaced: Collection[str] = ()
) -> None:
    """Write the rows of these runs, in their order: as `measured` on this disk, or else as the file has them.

    The file's old rows of `replaced` runs are dropped.
    """
    old = read(path)
    kept = {key: rows for key, rows in old.items() if key not in replaced}
    rows = [row for key in keys for row in measured.get(key) or kept.get(key, [])]
    if not rows and not old:
        return
    with replacing(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(map(VALUES, rows))
