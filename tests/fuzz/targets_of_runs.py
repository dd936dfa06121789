"""Run directories: what status, queries, export, a card, NeuroBench and the quantization study read in them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import independent
import independent_records
import torch
from arrays import CHECKPOINT, PREDICTIONS, STATE
from cases import Target, Victim
from specimens import CHILD, COMMIT, PARENT, SHOWN, SPIKING, carried_out, contents, of_laptop, only, place, recorded
from spreadsheets import SPREADSHEET
from targets_of_rows import said
from trees import JSON_OF_NAMES

from benchmarks.data import load
from benchmarks.execution import execute
from benchmarks.export.rows import export
from benchmarks.measurement.provenance import Code
from benchmarks.quantization.command import of_run
from benchmarks.recipes import resolve
from benchmarks.runs import store
from benchmarks.runs.identity import key
from benchmarks.runs.job import job_of
from benchmarks.runs.plan import plan
from benchmarks.spec import BadInput, Run
from benchmarks.training import checkpoint
from benchmarks.training.loop import Trainer, Training

CODE = Code(COMMIT, False)
SHORT = replace(PARENT, method="qcfs-ann@epochs=1")
"""A run whose checkpoint is of its only epoch: what is left is to measure it."""


def result_of(run: Run, **more: Any) -> Victim:
    canonical = independent_records.result_of(key(run), asdict(run))
    return Victim(f"{place(run)}/{store.RESULT}", JSON_OF_NAMES, canonical, **more)


def about_of(run: Run, files: Mapping[str, bytes], **more: Any) -> Victim:
    path = f"{place(run)}/{store.RUN}"
    return Victim(path, JSON_OF_NAMES, independent_records.about_of(files[path]), **more)


def weights_of(run: Run) -> Victim:
    return Victim(f"{place(run)}/{store.NETWORK}", STATE)


def standing(folder: Path) -> Any:
    """What counts as done, with its result, and what has to be carried out."""
    runs = [of_laptop(run) for run in SHOWN]
    found = [job_of(run, folder).result() for run in runs]
    return [str(job) for job in plan(runs, folder).missing], [result and asdict(result) for result in found]


def exported(folder: Path) -> Any:
    """The CSV files of a first export; a result that is refused there is refused."""
    done = export("quick", [of_laptop(run) for run in SHOWN], "laptop", folder)
    if done.refused:
        raise BadInput(done.refused[0])
    return {name: raw.decode() for name, raw in contents(folder).items() if "/" not in name}


def asked(folder: Path) -> Any:
    """What queries say of run directories."""
    one, other = (str(folder / place(of_laptop(run))) for run in (CHILD, SPIKING))
    return [said("why-cached", one), said("diff", one, other), said("why", one)]


def card_of(folder: Path) -> Any:
    """The card, and the exported tensors: names in their order, shapes, bytes."""
    from safetensors.torch import load_file

    code = said("card", str(folder / place(SPIKING)), "--to", str(folder / "card"))
    weights = load_file(folder / "card" / "model.safetensors")
    return code, (folder / "card" / "README.md").read_text(), sorted((n, digest_of(v)) for n, v in weights.items())


def digest_of(tensor: torch.Tensor) -> str:
    return hashlib.sha256(repr(tensor.shape).encode() + tensor.numpy().tobytes()).hexdigest()


def neurobench_of(folder: Path) -> Any:
    return said("neurobench", str(folder / place(SPIKING)))


def layers_of(folder: Path) -> Any:
    return of_run(folder / place(SPIKING))[2]


def carried(run: Run, folder: Path) -> Any:
    """What a run's result says of its weights and predictions."""
    found = execute(run, folder, code=CODE)
    return found.top1, found.test_loss, found.acs, found.weights_sha256, found.parent_sha256, found.predictions_sha256


def converted(folder: Path) -> Any:
    return carried(CHILD, folder)


def resumed(folder: Path) -> Any:
    return carried(SHORT, folder)


def taken(folder: Path) -> Any:
    """A shorter run, read off a longer one."""
    run = replace(CHILD, timesteps=1)
    found = only(contents(folder), f"{place(run)}/ledger", f"{place(run)}/rates")
    return carried(run, folder), {path: content.decode() for path, content in found.items()}


def half_done() -> dict[str, bytes]:
    """The directory of `SHORT` after its epoch and before its measurement."""
    recipe = resolve(SHORT)
    data = load("digits", recipe)
    from tempfile import TemporaryDirectory

    from benchmarks.networks import build

    with TemporaryDirectory() as scratch:
        job = job_of(SHORT, Path(scratch))
        job.describe(None)
        torch.manual_seed(0)
        network = build(SHORT.network, SHORT.method, 1, 10, 1, recipe)
        trainer = Trainer(network, data, recipe, 0, 1)
        from benchmarks.measurement.metering import Memory

        training = Training(Memory(1))
        trainer.run(training, lambda training: checkpoint.keep(trainer.state(training), job.place, data, None))
        return contents(Path(scratch))


def stops(raw: bytes) -> bytes:
    """What `stops.json` may say instead: another loss, and numbers of a ledger that no sum knows."""
    found = independent_records.tree(raw)
    return independent_records.stops(found)


def targets(scratch: Path) -> list[Target]:
    files, smoke, half = recorded(), carried_out(), half_done()
    child, spiking = of_laptop(CHILD), of_laptop(SPIKING)
    beside_it = (store.LEDGER, store.CURVES, store.RUN)
    records: Sequence[Victim] = [result_of(child, absent=True, names=beside_it), about_of(child, files)]
    beside = [
        Victim(f"{place(spiking)}/{store.CURVES}", SPREADSHEET, independent.epochs),
        Victim(f"{place(spiking)}/{store.LEDGER}", SPREADSHEET, independent.ledger),
    ]
    one = only(smoke, place(SPIKING))
    of_one = [result_of(SPIKING), about_of(SPIKING, smoke), weights_of(SPIKING), weights_of(SPIKING)]
    ledger = Victim(f"{place(SPIKING)}/{store.LEDGER}", SPREADSHEET, independent.ledger)
    family, long = only(smoke, place(PARENT)), only(smoke, place(PARENT), place(CHILD))
    passed = [
        Victim(f"{place(CHILD)}/{store.STOPS}", JSON_OF_NAMES, stops),
        Victim(f"{place(CHILD)}/predictions-T1.npz", PREDICTIONS),
        Victim(f"{place(CHILD)}/{store.RATES}", SPREADSHEET, independent.rates),
    ]
    of_parent = [result_of(PARENT), weights_of(PARENT)]
    half_victims = [Victim(f"{place(SHORT)}/{store.CHECKPOINT}", CHECKPOINT)]
    runs = only(files, "runs")
    return [
        Target("results of runs", runs, records[:1], standing, scratch / "standing"),
        Target("export of runs", runs, [*records[:1], *beside], exported, scratch / "exported"),
        Target("queries of runs", files, records, asked, scratch / "asked"),
        Target("card", one, of_one, card_of, scratch / "card"),
        Target("neurobench", one, [of_one[0], of_one[2], ledger], neurobench_of, scratch / "neurobench"),
        Target("quantization of a run", one, of_one[:3], layers_of, scratch / "quantization"),
        Target("conversion of a parent", family, of_parent, converted, scratch / "parent"),
        Target("run off a longer one", long, [*passed, result_of(CHILD, absent=True)], taken, scratch / "taken"),
        Target("resuming", half, half_victims, resumed, scratch / "resumed"),
    ]
