"""Reference points of convergence: results of brief trainings with fixed seeds, one row each, with their origin.

They are stored in `results/regression/convergence.csv`. A point belongs to one recipe and is no longer a reference
when the run's key has changed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from benchmarks.files import columns
from benchmarks.files.columns import Number, Words
from benchmarks.measurement.provenance import ROOT
from benchmarks.runs.record import read_csv, write_whole
from benchmarks.spec import SCALES

Setting = tuple[str, str, str, int, str, int]


@dataclass(frozen=True, kw_only=True)
class Point:
    """`loss`: mean cross-entropy of the last epoch's training batches; for a conversion, of the test images.

    `top1`: accuracy on the test images in percent. `epochs` of a conversion are its parent's.
    """

    dataset: str
    network: str
    method: str
    timesteps: int
    scale: str
    epochs: int
    seed: int
    key: str
    loss: float
    top1: float
    commit: str
    started: str
    machine: str
    device: str
    threads: int
    torch: str
    data_sha256: str

    @property
    def setting(self) -> Setting:
        """Everything that identifies the training except the seed."""
        return self.dataset, self.network, self.method, self.timesteps, self.scale, self.epochs


TYPES: dict[str, Any] = get_type_hints(Point)
RULES: columns.Rules = {
    **{
        name: Words(needed=True) if kind is str else Number(whole=kind is int, needed=True)
        for name, kind in TYPES.items()
    },
    "timesteps": Number(1, whole=True, needed=True),
    "top1": Number(high=100.0, needed=True),
    "scale": Words(SCALES, needed=True),
}


def path_of(results: Path) -> Path:
    return results / "regression" / "convergence.csv"


def read(results: Path) -> list[Point]:
    """Read the points in the results folder, else those of the checkout. Raises BadInput for a file without points."""
    path = next((p for p in map(path_of, (results, ROOT / "results")) if p.exists()), None)
    return _stored(path) if path else []


def _stored(path: Path) -> list[Point]:
    rows = read_csv(path)
    columns.refuse(rows, RULES, str(path))
    columns.refuse_repeated(rows, ("key", "epochs"), str(path))
    return [Point(**{name: _typed(kind, row[name]) for name, kind in TYPES.items()}) for row in rows]


def _typed(kind: type, cell: str) -> Any:
    return kind(float(cell)) if kind in (int, float) else cell


def merge(new: Iterable[Point], results: Path) -> Path:
    """Write points, replacing those of the same settings. Returns the path."""
    new, path = list(new), path_of(results)
    replaced = {_without_epochs(point) for point in new}
    kept = [point for point in (_stored(path) if path.exists() else []) if _without_epochs(point) not in replaced]
    text = io.StringIO()
    writer = csv.DictWriter(text, [f.name for f in fields(Point)], lineterminator="\n")
    writer.writeheader()
    ordered = sorted([*kept, *new], key=lambda point: (point.dataset != "digits", *point.setting, point.seed))
    writer.writerows(asdict(point) for point in ordered)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.getvalue())
    return path


def _without_epochs(point: Point) -> tuple[Any, ...]:
    return point.setting[:-1]
