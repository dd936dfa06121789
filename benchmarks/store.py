"""Run directories: the truth about every run, on disk, from its first epoch on.

    RESULTS/runs/DATASET-SCALE/METHOD-NETWORK-Tn-sn-KEY/
        run.json        the run, its resolved recipe, key, parent's key and sweep
        curves.csv      one row per epoch
        checkpoint.pt   the whole state after the last epoch; gone when the run is done
        network.pt      the final weights
        ledger.csv      synaptic operations per layer
        rates.csv       spikes per layer and time step
        neurobench.json the run in NeuroBench's terms
        stops.json      a conversion: accuracy and operations after fewer steps too
        result.json     written last: the run has ended
        log.txt         what the run's process printed

`RESULTS` is `DSR_RESULTS`, else `./results`. Directly in it stand CSV files, one per sweep; those of `STUDIES` hold no
rows of runs.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from benchmarks import csv_files
from benchmarks.identity import key, parent
from benchmarks.recipes import resolve
from benchmarks.record import Result, load, replacing, rows_of_runs, write_whole
from benchmarks.spec import BadInput, Recipe, Run

RUN, CURVES, CHECKPOINT, NETWORK = "run.json", "curves.csv", "checkpoint.pt", "network.pt"
QUANTIZATION, QUANTIZATION_LAYERS = STUDIES = ("quantization.csv", "quantization-layers.csv")
LEDGER, RATES, NEUROBENCH = "ledger.csv", "rates.csv", "neurobench.json"
STOPS, RESULT, LOG = "stops.json", "result.json", "log.txt"
LAYERS = "-layers.csv"
BESIDE = (LAYERS, "-curves.csv")
"""How the names of files end that stand beside rows of runs and belong to them."""


def results_root() -> Path:
    """The results folder, made if need be. Raises BadInput if nothing can be written there."""
    path = Path(os.environ.get("DSR_RESULTS") or "results")
    probe = path / f".probe.{os.getpid()}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise BadInput(f"results folder {path} cannot be written ({error.strerror})") from error
    return path


def directory(results: Path, run: Run) -> Path:
    """Where a run lives; the name ends in its key."""
    name = f"{run.method}-{run.network}-T{run.timesteps}-s{run.seed}-{key(run)}"
    return results / "runs" / f"{run.dataset}-{run.scale}" / name


def describe(path: Path, run: Run, sweep: str | None) -> None:
    """Make the run directory and write what the run is. The sweep that first made it stays named."""
    path.mkdir(parents=True, exist_ok=True)
    if (path / RUN).exists():
        return
    origin = parent(run)
    about = {
        "key": key(run),
        "parent_key": key(origin) if origin else None,
        "sweep": sweep,
        "run": asdict(run),
        "recipe": asdict(resolve(run)),
    }
    write_whole(path / RUN, json.dumps(about, indent=2) + "\n")


@dataclass(frozen=True)
class Description:
    """What `describe` wrote of a run: the recipe as it was then."""

    key: str
    parent_key: str | None
    run: Run
    recipe: Recipe


def described(place: Path) -> Description:
    """What a run's directory says it is. Raises OSError, ValueError, KeyError or TypeError where it does not say."""
    about = json.loads((place / RUN).read_text(encoding="utf-8"))
    return Description(about["key"], about["parent_key"], Run(**about["run"]), Recipe(**about["recipe"]))


def places(runs: Path) -> dict[str, Path]:
    """Run directories by the key in their names; `runs` holds a folder per data set and scale."""
    return {path.parent.name.rpartition("-")[2]: path.parent for path in sorted(runs.glob(f"*/*/{RUN}"))}


def result(results: Path, run: Run) -> Result | None:
    """The result of a run that has ended, well or not; None while it has not (or its file is of an older format)."""
    try:
        return load(directory(results, run) / RESULT)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def has_weights(results: Path, run: Run) -> bool:
    """Whether the run's trained network is here, for children to start from."""
    return (directory(results, run) / NETWORK).exists()


def is_done(results: Path, run: Run) -> bool:
    """Whether the run has ended well, here."""
    found = result(results, run)
    return found is not None and found.status == "done"


def holds_rows(path: Path) -> bool:
    """Whether a CSV file holds rows of runs or of a study, and not of a run's layers or epochs or of a paper."""
    return path.name in STUDIES or not path.name.endswith((*BESIDE, "published.csv"))


def files_of_rows(results: Path) -> list[Path]:
    """CSV files of runs and studies directly under the results folder; files of somebody else's are left out."""
    found = sorted(results.glob("*.csv"))
    return [path for path in found if path.name in STUDIES or csv_files.has_columns(path, "key", "status")]


def committed(results: Path) -> dict[str, dict[str, str]]:
    """Rows of finished runs in the CSV files directly under the results folder, by key: they count on any machine.

    Raises BadInput for a file of ours that cannot be read.
    """
    rows: dict[str, dict[str, str]] = {}
    for found in rows_of_runs(results).values():
        rows |= {row["key"]: row for row in found if row["key"] and row["status"] == "done"}
    return rows


def write_table(path: Path, rows: Iterable[Any]) -> None:
    """Write dataclass instances of one kind as CSV, whole or not at all."""
    rows = list(rows)
    if not rows:
        return
    with replacing(path) as file:
        writer = csv.DictWriter(file, [f.name for f in fields(rows[0])], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
