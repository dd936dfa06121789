"""One run from data to result; reads like the method section of a paper."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from benchmarks import outcome
from benchmarks.data import Dataset, evaluation_batches, load, to_measure
from benchmarks.distributed.processes import ALONE, Team
from benchmarks.measurement import digests, latencies, predictions
from benchmarks.measurement.evaluation import Evaluation, evaluate
from benchmarks.measurement.metering import Memory, idle_memory
from benchmarks.measurement.provenance import Code, provenance
from benchmarks.methods import kernels_of, named
from benchmarks.networks import build
from benchmarks.operations import neurobench, silence
from benchmarks.operations.counter import Counter, counting
from benchmarks.recipes import frames, resolve
from benchmarks.runs import store
from benchmarks.runs.identity import parent
from benchmarks.runs.record import Result, replacing, save
from benchmarks.spec import OF_WHOLE_SETS, BadInput, Recipe, Run, one_line
from benchmarks.training.loop import Epoch, Trainer, Training
from benchmarks.training.thresholds import set_start

OnEpoch = Callable[[Epoch], None]
OnImages = Callable[[int, int], None]


def execute(
    run: Run,
    results: Path | None = None,
    on_epoch: OnEpoch = lambda epoch: None,
    sweep: str | None = None,
    code: Code | None = None,
    on_images: OnImages = lambda images, of: None,
    team: Team = ALONE,
) -> Result:
    """Carry a run out, or what is left of it, and record it in its run directory.

    `on_epoch` is told every epoch trained, `on_images` how many images of how many have been simulated.
    `team`: this process is the first of those that train the network together; the others `assist`.
    A parent must have ended before. Raises BadInput for data that are not there, `training.Diverged` for a loss that
    is no number, and whatever torch raises; `benchmarks.launching.launch` turns those into recorded failures.
    """
    results = results or store.results_root()
    place, recipe = store.directory(results, run), resolve(run)
    if taken := latencies.take(run, results, sweep):
        return taken
    store.describe(place, run, sweep)
    data, network, memory, origin, threshold = _prepare(run, recipe, results)
    source = provenance(data, code, team.size)

    begun = Training(memory, dirty=source.dirty)
    training = train(run, recipe, network, data, place, begun, on_epoch, team, origin)
    network.eval()
    source = replace(source, dirty=training.dirty, kernels=kernels_of(network, data.example))
    final, counter = _measure(run, network, data, place, origin, on_images)

    store.write_table(place / store.LEDGER, counter.ledger())
    store.write_table(place / store.RATES, counter.rates())
    _save(network.state_dict(), place / store.NETWORK)
    beyond = {
        "initial_threshold": threshold,
        "weights_sha256": digests.of_state(network.state_dict()),
        "parent_sha256": origin,
        "predictions_sha256": _keep(final, place),
    }
    silent = silence.mention(run, place, results)
    measured = final, counter.per_image()
    result = outcome.result(run, recipe, data, network, training, measured, source, beyond, silent)
    neurobench.write(place, result, neurobench.static(network.state_dict()))
    save(result, place / store.RESULT)
    (place / store.CHECKPOINT).unlink(missing_ok=True)
    return result


def assist(run: Run, results: Path, team: Team) -> None:
    """Train along with the first process of a team, which records the run. A conversion it carries out alone."""
    recipe = resolve(run)
    if recipe.epochs:
        data, network, memory, origin, _ = _prepare(run, recipe, results)
        place = store.directory(results, run)
        trainer, training = _trainer(run, recipe, network, data, place, Training(memory), team, origin)
        trainer.run(training, lambda training: None)


def _keep(final: Evaluation, place: Path) -> str:
    """Write what was predicted for every test image; returns its digest."""
    assert final.predictions is not None
    return predictions.write(final.predictions, place / store.PREDICTIONS)


class Prepared(NamedTuple):
    """Data, the network before training, the memory in use before it was built, the digest of the parent's weights
    and the threshold that the first batch has set; None where there is no parent, or no such threshold.
    """

    data: Dataset
    network: nn.Module
    memory: Memory
    parent_sha256: str | None
    threshold: float | None


def _prepare(run: Run, recipe: Recipe, results: Path) -> Prepared:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.benchmark = True
    data = load(run.dataset, recipe, device, frames(run, recipe), whole=run.scale in OF_WHOLE_SETS)
    memory = idle_memory(device)
    torch.manual_seed(run.seed)
    network = build(run.network, run.method, run.timesteps, data.classes, data.channels, recipe).to(device)
    origin, given = parent(run), None
    if origin:
        _same_data(run, origin, data, results)
        given = _hand_over(run, origin, recipe, network, data, store.directory(results, origin))
    return Prepared(data, network, memory, given, set_start(run, recipe, network, data))


def _same_data(run: Run, origin: Run, data: Dataset, results: Path) -> None:
    """Raise BadInput where the parent was trained on other data. Frames of event data are as many, or not compared."""
    trained = store.result(results, origin)
    seen = trained.provenance.data_sha256 if trained else ""
    comparable = frames(run, resolve(run)) == frames(origin, resolve(origin))
    if seen and comparable and seen != data.sha256:
        raise BadInput(f"{origin} was trained on {_others(seen, data, store.directory(results, origin))}")


def _others(seen: str, data: Dataset, place: Path) -> str:
    there = f"other {data.name} than there is (SHA-256 {seen[:12]}... and {data.sha256[:12]}...)"
    return f"{there}: remove {place}, or let DSR_DATA name those data"


def _hand_over(run: Run, origin: Run, recipe: Recipe, network: nn.Module, data: Dataset, trained: Path) -> str:
    """Give the network what its trained parent has; what has to be measured for that is measured on training images.

    On test images where the recipe says so: one published recipe does, and its name in the tables too. Returns the
    digest of the parent's weights.
    """
    device = data.train.device
    ancestor = build(origin.network, origin.method, 1, data.classes, data.channels, resolve(origin)).to(device)
    weights = _weights(trained / store.NETWORK, device)
    ancestor.load_state_dict(weights)
    wanted = int(recipe.conversion.get("images", 1))
    split = data.test if recipe.conversion.get("test_images") else to_measure(data, recipe, wanted)
    images, _ = next(evaluation_batches(split, data, wanted))
    named(run.method).hand_over(network, ancestor.eval(), images, recipe)
    return digests.of_state(weights)


def _trainer(
    run: Run,
    recipe: Recipe,
    network: nn.Module,
    data: Dataset,
    place: Path,
    training: Training,
    team: Team,
    origin: str | None,
) -> tuple[Trainer, Training]:
    """A trainer at the checkpoint, if there is one that started from the weights with the digest `origin`."""
    trainer = Trainer(network, data, recipe, run.seed, run.timesteps, team)
    if saved := _half_done(place, data, data.train.device, origin):
        idle, dirty = training.memory.idle, training.dirty
        training = trainer.restore(saved)
        training.memory.idle, training.dirty = idle, training.dirty or dirty
    return trainer, training


def train(
    run: Run,
    recipe: Recipe,
    network: nn.Module,
    data: Dataset,
    place: Path,
    training: Training,
    on_epoch: OnEpoch,
    team: Team,
    origin: str | None = None,
) -> Training:
    """Train from the checkpoint on; save and report after every epoch. `origin`: digest of the parent's weights."""
    if recipe.epochs == 0:
        return training
    trainer, training = _trainer(run, recipe, network, data, place, training, team, origin)

    def after_epoch(training: Training) -> None:
        made_of = {"data_sha256": data.sha256, "parent_sha256": origin}
        _save({**trainer.state(training), **made_of}, place / store.CHECKPOINT)
        store.write_table(place / store.CURVES, training.epochs)
        on_epoch(training.epochs[-1])

    trainer.run(training, after_epoch)
    return training


def _measure(
    run: Run, network: nn.Module, data: Dataset, place: Path, origin: str | None, on_images: OnImages
) -> tuple[Evaluation, Counter]:
    """Accuracy, speed and synaptic operations over the whole test split.

    Counting does not run while speed is taken. A network that is simulated step by step runs once, and has no speed.
    """
    if hasattr(network, "trajectory"):
        return _simulate(run, network, data, place, origin, on_images)
    speed = evaluate(network, data.test, data, run.timesteps, predict=True)
    with counting(network, data.example, run.timesteps) as counter:
        counted = evaluate(network, data.test, data, run.timesteps)
    # nothing but a GPU's choice of kernels may move an image
    assert abs(counted.top1 - speed.top1) <= max(0.1, 200.0 / len(data.test.labels)), (
        f"accuracy is {speed.top1} % and, while operations are counted, {counted.top1} %"
    )
    return speed, counter


def _simulate(
    run: Run, network: nn.Module, data: Dataset, place: Path, origin: str | None, on_images: OnImages
) -> tuple[Evaluation, Counter]:
    """The same for a network that is simulated step by step, with a stop at every step count that it passes."""
    saved = _half_done(place, data, torch.device("cpu"), origin)

    def keep(sums: dict[str, Any]) -> None:
        _save({**sums, "data_sha256": data.sha256, "parent_sha256": origin}, place / store.CHECKPOINT)
        on_images(sums["images"], len(data.test.labels))

    found = latencies.simulate(network, data, latencies.stops_of(run), saved, keep)
    latencies.write(found, place)
    return latencies.evaluation(found[-1]), found[-1].counter


def _half_done(place: Path, data: Dataset, device: torch.device, origin: str | None) -> dict[str, Any] | None:
    """The checkpoint, None where there is none. Raises BadInput for one of other data.

    A damaged one is none, and so is one that started from other weights than `origin`, the digest of the parent's: the
    log says so, and the run begins anew.
    """
    path = place / store.CHECKPOINT
    if not path.exists():
        return None
    try:
        saved: dict[str, Any] = _weights(path, device)
    except Exception as error:  # torch raises half a dozen kinds for a file that is damaged or cut short
        print(f"{path} cannot be read ({one_line(error)}): the run begins anew", flush=True)
        return None
    seen = saved.pop("data_sha256", data.sha256)  # older ones do not say
    if seen != data.sha256:
        raise BadInput(f"half done on {_others(seen, data, place)}")
    if saved.pop("parent_sha256", origin) != origin:
        print(f"{path} started from other weights than its parent has now: the run begins anew", flush=True)
        return None
    return saved


def _weights(path: Path, device: torch.device) -> Any:
    return torch.load(path, map_location=device, weights_only=True)


def _save(state: Any, path: Path) -> None:
    with replacing(path, "wb") as file:
        torch.save(state, file)
