"""`dsr-bench quantization`: studies of single neurons, or the parts of the error in the layers of a finished run."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape

import reports
from benchmarks.data import evaluation_batches, load
from benchmarks.files import csv_files
from benchmarks.measurement import weights
from benchmarks.measurement.evaluation import ROWS
from benchmarks.networks import build
from benchmarks.quantization.split import LayerErrors, layer_errors
from benchmarks.quantization.studies import studies
from benchmarks.recipes import frames, resolve
from benchmarks.runs import store
from benchmarks.runs.identity import key
from benchmarks.runs.record import Result, write_whole
from benchmarks.spec import BadInput, Run

IMAGES = 1000
"""Test images used for the layers of a finished run."""
COLUMNS = ("key", "commit", *(field.name for of in (Run, LayerErrors) for field in fields(of)))
"""Of a row per layer."""


def command(finished: Path | None, console: Console) -> int:
    """Write the studies' CSV, or add the layers of the run directory `finished` to theirs; then write the page."""
    results = store.results_root()
    page = results / "reports" / "quantization"
    if finished is None:
        path = results / store.QUANTIZATION
        write_whole(path, _text([asdict(row) for row in studies()]))
        return _show(console, path, page)
    for folder in (results, results / "smoke"):
        csv_files.keyed(folder / store.QUANTIZATION_LAYERS, COLUMNS)  # refuse an unreadable file before measuring
    run, result, rows = of_run(finished)
    if run.scale == "smoke":
        results, page = results / "smoke", page.with_name("quantization-smoke")
    elif result.provenance.dirty or result.provenance.commit == "unknown":
        console.print(
            f" [yellow]rows[/]   not exported: the code of {escape(str(run))} was not committed", highlight=False
        )
        return 1
    path = results / store.QUANTIZATION_LAYERS
    _merge(rows, path)
    return _show(console, path, page)


def _merge(rows: list[dict[str, Any]], path: Path) -> None:
    """Add rows to the file; a run's new rows replace its old ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = [row for row in csv_files.keyed(path, COLUMNS) if row["key"] != rows[0]["key"]]
    write_whole(path, _text([*kept, *rows]))


def of_run(place: Path) -> tuple[Run, Result, list[dict[str, Any]]]:
    """Read a finished run from its directory and compute one row per layer.

    Raises BadInput if the directory is not a finished run's, the recipe has changed, or no neuron is DSR's.
    """
    about, result = store.finished(place)
    run = about.run
    if result.status != "done" or key(run) != about.key:
        raise BadInput(f"{place}: {'the run has failed' if result.status != 'done' else 'the recipe has changed'}")
    origin = {"key": result.key, "commit": result.provenance.commit, **vars(run)}
    rows = [origin | asdict(layer) for layer in _layers(run, place, result)]
    if not rows:
        raise BadInput(f"{run}: the network has no DSR neuron")
    return run, result, rows


def _layers(run: Run, place: Path, result: Result) -> list[LayerErrors]:
    recipe = resolve(run)
    data = load(run.dataset, recipe, frames=frames(run, recipe))
    network = build(run.network, run.method, run.timesteps, data.classes, data.channels, recipe)
    weights.give(network, place / store.NETWORK, torch.device("cpu"), result.weights_sha256)
    some = data.test.take(torch.arange(min(IMAGES, len(data.test.labels))))
    batches = evaluation_batches(some, data, max(1, ROWS // run.timesteps))
    return layer_errors(network, (images for images, _ in batches))


def _text(rows: list[dict[str, Any]]) -> str:
    """Format rows as CSV with nine digits, which hides differences of rounding between machines."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: f"{v:.9g}" if isinstance(v, float) else v for name, v in row.items()} for row in rows)
    return text.getvalue()


def _show(console: Console, written: Path, target: Path) -> int:
    """Print the tables of the file written, and write a page of all studies in its folder."""
    paths = [path for path in (written.with_name(name) for name in store.STUDIES) if path.exists()]
    page, *_ = reports.write(reports.read([], study_paths=paths), target)
    reports.show(reports.read([], study_paths=[written]), console)
    console.print(escape(f" rows   {written}\n page   {page}"), highlight=False, soft_wrap=True)
    return 0
