"""Run directories: the primary record of every run on disk, from its first epoch on.

    RESULTS/runs/DATASET-SCALE/METHOD-NETWORK-Tn-sn-KEY/
        run.json        the run, its resolved recipe, key, parent's key and sweep
        curves.csv      one row per epoch
        checkpoint.pt   the whole state after the last epoch; gone when the run is done
        network.pt      the final weights
        predictions.npz class and margin of every test image
        ledger.csv      synaptic operations per layer
        rates.csv       spikes per layer and time step
        neurobench.json the run in NeuroBench's terms
        stops.json      a conversion: accuracy and operations after fewer steps too, and predictions-Tn.npz
        result.json     written last: the run has ended
        log.txt         what the run's process printed
        .claim, .lock   who works on the run (`benchmarks.files.claims`)
        .failed-in      the launch in which the run failed last (`benchmarks.runs.attempts`)

`RESULTS` is `DSR_RESULTS`, else `./results`. It also holds one CSV file per sweep; those of `STUDIES` hold no rows of
runs.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.files import csv_files, json_files, partials
from benchmarks.runs import contents
from benchmarks.runs.identity import key, key_of
from benchmarks.runs.record import Result, load, replacing, rows_of_runs, run_of, write_whole
from benchmarks.spec import BadInput, Recipe, Run, one_line, shown

RUN, CURVES, CHECKPOINT, NETWORK = "run.json", "curves.csv", "checkpoint.pt", "network.pt"
QUANTIZATION, QUANTIZATION_LAYERS = STUDIES = ("quantization.csv", "quantization-layers.csv")
LEDGER, RATES, NEUROBENCH = "ledger.csv", "rates.csv", "neurobench.json"
PREDICTIONS = "predictions.npz"
STOPS, RESULT, LOG = "stops.json", "result.json", "log.txt"
T = TypeVar("T")
LAYERS = "-layers.csv"
BESIDE = (LAYERS, "-curves.csv")
"""Endings of the names of files that accompany a file of rows of runs."""


def results_root() -> Path:
    """The results folder, made if need be. Raises BadInput if nothing can be written there."""
    path = Path(os.environ.get("DSR_RESULTS") or "results")
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = partials.beside(path / "probe")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise BadInput(f"results folder {path} cannot be written ({error.strerror})") from error
    return path


def directory(results: Path, run: Run) -> Path:
    """The run directory of a run whose key is not known yet."""
    return place_of(results, run, key(run))


def place_of(results: Path, run: Run, key: str) -> Path:
    """The run directory of a run; its name ends in the run's key."""
    name = f"{run.method}-{run.network}-T{run.timesteps}-s{run.seed}-{key}"
    return results / "runs" / f"{run.dataset}-{run.scale}" / name


def results_of(place: Path) -> Path:
    """The results folder that a run directory lies in."""
    return place.parents[2]


def describe(place: Path, run: Run, recipe: Recipe, key: str, parent_key: str | None, sweep: str | None) -> None:
    """Create the run directory and write `run.json`, unless it exists. It names the sweep that was first to do so.

    Raises BadInput if it cannot be written.
    """
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise partials.refusal(place, error) from error
    if (place / RUN).exists():
        return
    about = {
        "key": key,
        "parent_key": parent_key,
        "sweep": sweep,
        "run": asdict(run),
        "recipe": asdict(recipe),
    }
    write_whole(place / RUN, json.dumps(about, indent=2) + "\n")


@dataclass(frozen=True)
class Description:
    """What `describe` wrote of a run: the recipe as it was then, and the sweep that began it."""

    key: str
    parent_key: str | None
    run: Run
    recipe: Recipe
    sweep: str | None = None


def described(place: Path) -> Description:
    """What a run's directory says it is. Raises OSError or ValueError where it does not say.

    A key is made of the rest, which tells whether the rest is as it was written.
    """
    about = json_files.read(place / RUN)
    if not isinstance(about, Mapping):
        raise ValueError(f"{shown(about)} is no object")
    run, recipe = (json_files.made(kind, about.get(name)) for name, kind in (("run", Run), ("recipe", Recipe)))
    found = json_files.made(Description, {**about, "run": run, "recipe": recipe})
    if (made := key_of(found.run, found.recipe, found.parent_key)) != found.key:
        raise ValueError(f"it says key {shown(found.key)}, and its run, recipe and parent make the key {made!r}")
    return found


def finished(place: Path) -> tuple[Description, Result]:
    """What a run's directory says of a run that has ended. Raises BadInput where it does not say, or is of two runs."""
    about, result = _said(place / RUN, lambda path: described(path.parent)), _said(place / RESULT, load)
    if (result.key, run_of(result)) != (about.key, about.run):
        other = f"{run_of(result)} ({shown(result.key, quoted=False)})"
        raise BadInput(f"{place / RESULT} is of {other}, and {RUN} beside it of {about.run} ({about.key})")
    return about, result


def _said(path: Path, read: Callable[[Path], T]) -> T:
    try:
        return read(path)
    except FileNotFoundError:
        raise BadInput(f"{path} not found: {path.parent} is not the directory of a finished run") from None
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} is damaged, or of another version: {one_line(error)}") from error


def places(runs: Path) -> dict[str, Path]:
    """Run directories by the key in their names; `runs` holds a folder per data set and scale."""
    return {path.parent.name.rpartition("-")[2]: path.parent for path in partials.seen(runs, f"*/*/{RUN}")}


def result(results: Path, run: Run) -> Result | None:
    """The result of a run that has ended, successfully or not; None for a run without a result in today's format."""
    return result_in(directory(results, run))


def result_in(place: Path) -> Result | None:
    """The same for a run whose directory is known; None also for a result that is another run's."""
    try:
        found = load(place / RESULT)
    except (OSError, ValueError):
        return None
    own = place_of(Path(), run_of(found), found.key)
    return found if place.parts[-2:] == own.parts[-2:] else None


def has_ended_well(place: Path, parents_place: Path | None) -> bool:
    """Whether a run has succeeded here, and its parent, if it has one, has not been trained again since."""
    found = result_in(place)
    return found is not None and found.status == "done" and not is_outdated(found, parents_place)


def is_outdated(found: Result, parents_place: Path | None) -> bool:
    """Whether a run started from other weights than its parent has today, if the parent is here."""
    trained = result_in(parents_place) if parents_place and found.parent_sha256 else None
    return bool(trained and contents.other(vars(found), vars(trained)))


def holds_rows(path: Path) -> bool:
    """Whether a CSV file holds rows of runs or of a study, rather than of layers, of epochs or of a paper."""
    return path.name in STUDIES or not path.name.endswith((*BESIDE, "published.csv"))


def tables(results: Path) -> dict[Path, list[dict[str, str]]]:
    """The CSV files directly under the results folder that hold rows of runs. Raises BadInput for an unreadable one."""
    return {path: rows for path, rows in rows_of_runs(results).items() if rows}


def committed(results: Path, replaced: Collection[str] = ()) -> dict[str, Mapping[str, str]]:
    """Rows of finished runs that are committed, by key: they count on any machine.

    Rows that descend from other weights than their parent's row do not count. Raises BadInput where one key, none of
    the `replaced`, has two contents, and for a file of ours that cannot be read.
    """
    found = [(path, row) for path, rows in tables(results).items() for row in rows if row["key"] not in replaced]
    known = contents.by_key(found)
    outdated = contents.stale(known)
    return {key: row for key, row in known.items() if key not in outdated}


def files_of_rows(results: Path) -> list[Path]:
    """CSV files of runs and studies directly under the results folder; other CSV files are left out."""
    found = partials.seen(results, "*.csv")
    return [path for path in found if path.name in STUDIES or csv_files.has_columns(path, "key", "status")]


def write_table(path: Path, rows: Iterable[Any]) -> None:
    """Write dataclass instances of one kind as CSV, whole or not at all."""
    rows = list(rows)
    if not rows:
        return
    with replacing(path) as file:
        writer = csv.DictWriter(file, [f.name for f in fields(rows[0])], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
