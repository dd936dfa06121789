"""Undamaged files to begin with: runs that were carried out once, as a results folder keeps them."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.execution import execute
from benchmarks.export.rows import export
from benchmarks.measurement.provenance import Code
from benchmarks.runs import store
from benchmarks.runs.identity import key, parent
from benchmarks.runs.job import job_of
from benchmarks.runs.record import load, save
from benchmarks.spec import Run

PARENT = Run("digits", "preact-resnet-tiny", "qcfs-ann", 1, 0, "smoke")
CHILD = replace(PARENT, method="qcfs", timesteps=2)
SPIKING = replace(PARENT, method="dsr-if", timesteps=2)
CARRIED_OUT = (PARENT, CHILD, SPIKING)
SHOWN = (*CARRIED_OUT, replace(SPIKING, seed=1))
"""The runs whose rows a report shows: the last one is made of the third one's files."""
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def of_laptop(run: Run) -> Run:
    return replace(run, scale="laptop")


@cache
def carried_out() -> Mapping[str, bytes]:
    """A results folder with the run directories of `CARRIED_OUT`: smoke runs, carried out."""
    with TemporaryDirectory() as scratch, contextlib.redirect_stdout(io.StringIO()):
        for run in CARRIED_OUT:
            execute(run, Path(scratch), code=Code(COMMIT, False))
        return contents(Path(scratch))


@cache
def recorded() -> Mapping[str, bytes]:
    """A results folder as after an export: run directories at scale laptop with the smoke runs' files, and the CSVs.

    Smoke rows are no evidence: nothing is compared with them.
    """
    with TemporaryDirectory() as scratch:
        results, runs = Path(scratch), [of_laptop(run) for run in SHOWN]
        put(carried_out(), results / "smoke")
        for run in SHOWN:
            _transplanted(results / "smoke", run, results)
        shutil.rmtree(results / "smoke")
        done = export("quick", runs, "laptop", results)
        assert (done.rows, done.refused) == (len(SHOWN), ()), done
        return contents(results)


def _transplanted(smoke: Path, run: Run, results: Path) -> None:
    origin = job_of(run if run in CARRIED_OUT else SPIKING, smoke)
    job = job_of(of_laptop(run), results)
    job.describe("quick")
    for path in origin.place.iterdir():
        if path.name not in (store.RUN, store.RESULT, store.NETWORK):
            shutil.copy2(path, job.place / path.name)
    result = replace(load(origin.place / store.RESULT), key=job.key, parent_key=job.parent_key, scale="laptop")
    save(replace(result, seed=run.seed), job.place / store.RESULT)


def place(run: Run) -> str:
    """A run's directory, relative to its results folder."""
    return str(store.directory(Path(), run))


def only(files: Mapping[str, bytes], *beginnings: str) -> dict[str, bytes]:
    """The files whose paths begin so."""
    return {path: content for path, content in files.items() if path.startswith(beginnings)}


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder, by their relative paths."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def put(files: Mapping[str, bytes], folder: Path) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


KEYS = {run: key(of_laptop(run)) for run in SHOWN}
assert parent(CHILD) == PARENT
