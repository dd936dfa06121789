"""One run from data to result; reads like the method section of a paper."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from benchmarks.data import Dataset, evaluation_batches, load, to_measure
from benchmarks.distributed.processes import ALONE, Team
from benchmarks.measurement import digests, latencies, predictions, weights
from benchmarks.measurement.evaluation import Evaluation, evaluate
from benchmarks.measurement.metering import Memory, idle_memory
from benchmarks.measurement.provenance import Code, provenance
from benchmarks.methods import backward, kernels_of, named
from benchmarks.networks import build
from benchmarks.operations import neurobench, silence
from benchmarks.operations.counter import Counter, SynOps, counting
from benchmarks.recipes import frames, passes
from benchmarks.runs import store
from benchmarks.runs.job import Job, job_of
from benchmarks.runs.record import Epoch, Result, save
from benchmarks.spec import OF_WHOLE_SETS, BadInput, Run
from benchmarks.training import checkpoint
from benchmarks.training.loop import Trainer, Training
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
    A parent must have ended before. Raises BadInput for data that are not found, `training.Diverged` for a loss that
    is no number, and whatever torch raises; `benchmarks.launching.launch` turns those into recorded failures.
    """
    job = job_of(run, results or store.results_root())
    if taken := latencies.take(job, sweep):
        return taken
    job.describe(sweep)
    prepared = _prepare(job)
    data, network = prepared.data, prepared.network
    source = provenance(data, code, team.size)

    training = train(job, prepared, Training(prepared.memory, dirty=source.dirty), on_epoch, team)
    network.eval()
    source = replace(source, dirty=training.dirty, kernels=kernels_of(network, data.example))
    final, counter = _measure(job, prepared, on_images)

    store.write_table(job.place / store.LEDGER, counter.ledger())
    store.write_table(job.place / store.RATES, counter.rates())
    checkpoint.save(network.state_dict(), job.place / store.NETWORK)
    result = Result(
        **_identity(job),
        **_accuracy(job, data, training, final),
        **_operations(network, counter.per_image()),
        **_cost(training, final),
        **_content(job, prepared, final),
        reason=silence.mention(job),
        provenance=source,
    )
    neurobench.write(job.place, result, neurobench.static(network.state_dict()))
    save(result, job.place / store.RESULT)
    (job.place / store.CHECKPOINT).unlink(missing_ok=True)
    return result


def assist(run: Run, results: Path, team: Team) -> None:
    """Train along with the first process of a team, which records the run. A conversion it carries out alone."""
    job = job_of(run, results)
    if job.recipe.epochs:
        prepared = _prepare(job)
        trainer, training = _trainer(job, prepared, Training(prepared.memory), team)
        trainer.run(training, lambda training: None)


class Prepared(NamedTuple):
    """Data, the network before training, the memory in use before it was built, the digest of the parent's weights
    and the threshold that the first batch has set; None for a run without a parent, or without such a threshold.
    """

    data: Dataset
    network: nn.Module
    memory: Memory
    parent_sha256: str | None = None
    threshold: float | None = None


def _prepare(job: Job) -> Prepared:
    run, recipe = job.run, job.recipe
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.benchmark = True
    data = load(run.dataset, recipe, device, frames(run, recipe), whole=run.scale in OF_WHOLE_SETS)
    memory = idle_memory(device)
    torch.manual_seed(run.seed)
    network = build(run.network, run.method, run.timesteps, data.classes, data.channels, recipe).to(device)
    given = None
    if job.parent:
        trained = _trained_on(data, job, job.parent)
        given = _hand_over(job, job.parent, network, data, trained.weights_sha256)
    return Prepared(data, network, memory, given, set_start(run, recipe, network, data))


def _trained_on(data: Dataset, job: Job, parent: Job) -> Result:
    """The parent's result. Raises BadInput where it is not done, and where it was trained on other data.

    Event data in other frames are not compared.
    """
    trained = parent.result()
    if not trained or trained.status != "done":
        raise BadInput(
            f"{parent.place / store.RESULT} is no result of {parent}: a run starts from a parent that is done"
        )
    seen = trained.provenance.data_sha256
    comparable = frames(job.run, job.recipe) == frames(parent.run, parent.recipe)
    if seen and comparable and seen != data.sha256:
        raise BadInput(f"{parent} was trained on {checkpoint.other_data(seen, data, parent.place)}")
    return trained


def _hand_over(job: Job, parent: Job, network: nn.Module, data: Dataset, weights_sha256: str | None) -> str:
    """Give the network what its trained parent has; returns the digest of the parent's weights.

    What has to be measured for that is measured on training images, and on test images where the recipe says so: one
    published recipe does, and its name in the tables too.
    """
    device, recipe, origin = data.train.device, job.recipe, parent.run
    ancestor = build(origin.network, origin.method, 1, data.classes, data.channels, parent.recipe).to(device)
    given = weights.give(ancestor, parent.place / store.NETWORK, device, weights_sha256)
    wanted = int(recipe.conversion.get("images", 1))
    split = data.test if recipe.conversion.get("test_images") else to_measure(data, recipe, wanted)
    images, _ = next(evaluation_batches(split, data, wanted))
    named(job.run.method).hand_over(network, ancestor.eval(), images, recipe)
    return digests.of_state(given)


def _trainer(job: Job, prepared: Prepared, training: Training, team: Team) -> tuple[Trainer, Training]:
    """A trainer that continues from the run's checkpoint, or begins anew without one."""
    data = prepared.data
    timesteps = passes(job.run.method, job.run.timesteps)
    trainer = Trainer(
        prepared.network, data, job.recipe, job.run.seed, timesteps, team, backward(job.run.method, job.recipe)
    )
    if saved := checkpoint.kept(job.place, data, data.train.device, prepared.parent_sha256):
        idle, dirty = training.memory.idle, training.dirty
        try:
            training = trainer.restore(saved)
        except (RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
            raise checkpoint.unusable(job.place, error) from error
        training.memory.idle, training.dirty = idle, training.dirty or dirty
    return trainer, training


def train(job: Job, prepared: Prepared, training: Training, on_epoch: OnEpoch, team: Team) -> Training:
    """Train from the checkpoint on; save and report after every epoch."""
    if job.recipe.epochs == 0:
        return training
    trainer, training = _trainer(job, prepared, training, team)
    if training.epochs:  # a process that ended between the two writes below left the curve an epoch short
        store.write_table(job.place / store.CURVES, training.epochs)

    def after_epoch(training: Training) -> None:
        checkpoint.keep(trainer.state(training), job.place, prepared.data, prepared.parent_sha256)
        store.write_table(job.place / store.CURVES, training.epochs)
        on_epoch(training.epochs[-1])

    trainer.run(training, after_epoch)
    return training


def _measure(job: Job, prepared: Prepared, on_images: OnImages) -> tuple[Evaluation, Counter]:
    """Accuracy, speed and synaptic operations over the whole test split.

    Counting does not run while speed is taken. A network that is simulated step by step runs once, and has no speed.
    """
    data, network, timesteps = prepared.data, prepared.network, passes(job.run.method, job.run.timesteps)
    if isinstance(network, latencies.Simulated):
        return _simulate(job, prepared, on_images)
    speed = evaluate(network, data.test, data, timesteps, predict=True)
    with counting(network, data.example, timesteps) as counter:
        counted = evaluate(network, data.test, data, timesteps)
    # nothing but a GPU's choice of kernels may move an image
    assert abs(counted.top1 - speed.top1) <= max(0.1, 200.0 / len(data.test.labels)), (
        f"accuracy is {speed.top1} % and, while operations are counted, {counted.top1} %"
    )
    return speed, counter


def _simulate(job: Job, prepared: Prepared, on_images: OnImages) -> tuple[Evaluation, Counter]:
    """The same for a network that is simulated step by step, read at every step count that it passes."""
    data, digest = prepared.data, prepared.parent_sha256
    saved = checkpoint.kept(job.place, data, torch.device("cpu"), digest)

    def keep(sums: dict[str, Any]) -> None:
        checkpoint.keep(sums, job.place, data, digest)
        on_images(sums["images"], len(data.test.labels))

    stops = latencies.simulate(prepared.network, data, latencies.stops_of(job.run), saved, keep)
    latencies.write(stops, job.place)
    return latencies.evaluation(stops[-1]), stops[-1].counter


def _identity(job: Job) -> dict[str, Any]:
    return {"key": job.key, "parent_key": job.parent_key, **vars(job.run), "status": "done"}


def _accuracy(job: Job, data: Dataset, training: Training, final: Evaluation) -> dict[str, Any]:
    """Last epoch (headline), best on the test split, and the epoch that the validation split selects.

    The last two are None where the test split is read once, after the last epoch.
    """
    epochs = training.epochs
    selected = max(epochs, key=lambda e: e.validation_top1 or 0.0) if epochs and data.validation else None
    return {
        "top1": final.top1,
        "top1_best": max((e.test_top1 for e in epochs if e.test_top1 is not None), default=None),
        "top1_validation_selected": selected.test_top1 if selected else None,
        "validation_top1": epochs[-1].validation_top1 if epochs else None,
        "train_loss": epochs[-1].train_loss if epochs else None,
        "test_loss": final.loss,
        "epochs": job.recipe.epochs,
        "train_images": len(data.train.labels) if epochs else 0,
        "test_images": len(data.test.labels),
    }


def _operations(network: nn.Module, operations: SynOps) -> dict[str, Any]:
    return {"parameters": sum(p.numel() for p in network.parameters()), **vars(operations)}


def _cost(training: Training, final: Evaluation) -> dict[str, Any]:
    last = training.epochs[-1] if training.epochs else None
    return {
        "train_seconds": last.train_seconds if last else 0.0,
        "train_cpu_seconds": last.train_cpu_seconds if last else 0.0,
        "train_step_ms": last.train_step_ms if last else None,
        "train_step_ms_iqr": last.train_step_ms_iqr if last else None,
        "test_images_per_second": final.images_per_second,
        "peak_step_bytes": training.memory.peak,
        "idle_bytes": training.memory.idle,
        "peak_reserved_bytes": training.memory.reserved,
        "other_load_cores": training.other_load_cores,
        "core_gflops": training.core_gflops(),
        "train_joules": last.train_joules if last else None,
        "train_joules_source": training.joules_source,
    }


def _content(job: Job, prepared: Prepared, final: Evaluation) -> dict[str, Any]:
    """Digests of weights and predictions, which are written here, and the threshold that the run started from."""
    assert final.predictions is not None
    return {
        "initial_threshold": prepared.threshold,
        "weights_sha256": digests.of_state(prepared.network.state_dict()),
        "parent_sha256": prepared.parent_sha256,
        "predictions_sha256": predictions.write(final.predictions, job.place / store.PREDICTIONS),
    }
