"""One run from data to result; reads like the method section of a paper."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks import stops, store
from benchmarks.data import Dataset, evaluation_batches, load
from benchmarks.evaluation import Evaluation, evaluate
from benchmarks.identity import key, parent
from benchmarks.metering import idle_memory
from benchmarks.methods import named
from benchmarks.networks import build
from benchmarks.provenance import Code, provenance
from benchmarks.recipes import frames, resolve
from benchmarks.record import Result, save
from benchmarks.spec import Recipe, Run
from benchmarks.synops import LedgerRow, SynOps, counting
from benchmarks.training import Epoch, Trainer, Training

OnEpoch = Callable[[Epoch], None]
OnImages = Callable[[int, int], None]


def execute(
    run: Run,
    results: Path | None = None,
    on_epoch: OnEpoch = lambda epoch: None,
    sweep: str | None = None,
    code: Code | None = None,
    on_images: OnImages = lambda images, of: None,
) -> Result:
    """Carry a run out, or what is left of it, and record it in its run directory.

    `on_epoch` is told every epoch trained, `on_images` how many images of how many have been simulated.
    A parent must have ended before. Raises BadInput for data that are not there, `training.Diverged` for a loss that
    is no number, and whatever torch raises; `benchmarks.launch` turns those into recorded failures.
    """
    results = results or store.results_root()
    place, recipe = store.directory(results, run), resolve(run)
    if taken := stops.take(run, results, sweep):
        return taken
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.benchmark = True
    data = load(run.dataset, recipe, device, frames(run, recipe))
    source = provenance(data, code)
    store.describe(place, run, sweep)
    memory = idle_memory(device)

    torch.manual_seed(run.seed)
    network = build(run.network, run.method, run.timesteps, data.classes, data.channels, recipe).to(device)
    if origin := parent(run):
        _hand_over(run, origin, recipe, network, data, store.directory(results, origin))

    training = _train(run, recipe, network, data, place, Training(memory), on_epoch)
    network.eval()
    final, operations, ledger = _measure(run, network, data, place, on_images)

    store.write_table(place / store.LEDGER, ledger)
    _save(network.state_dict(), place / store.NETWORK)
    result = Result(
        **_identity(run),
        **_accuracy(training, final, recipe, data),
        **_operations(network, operations),
        **_cost(training, final),
        provenance=source,
    )
    save(result, place / store.RESULT)
    (place / store.CHECKPOINT).unlink(missing_ok=True)
    return result


def _hand_over(run: Run, origin: Run, recipe: Recipe, network: nn.Module, data: Dataset, trained: Path) -> None:
    """Give the network what its trained parent has; what has to be measured for that is measured on training images.

    On test images where the recipe says so: one published recipe does, and its name in the tables too.
    """
    device = data.train.device
    ancestor = build(origin.network, origin.method, 1, data.classes, data.channels, resolve(origin)).to(device)
    ancestor.load_state_dict(_weights(trained / store.NETWORK, device))
    wanted = int(recipe.conversion.get("images", 1))
    split = data.test if recipe.conversion.get("test_images") else data.train
    images, _ = next(evaluation_batches(split, data, wanted))
    named(run.method).hand_over(network, ancestor.eval(), images, recipe)


def _train(
    run: Run, recipe: Recipe, network: nn.Module, data: Dataset, place: Path, training: Training, on_epoch: OnEpoch
) -> Training:
    """Train from the checkpoint on, if there is one; save and report after every epoch."""
    if recipe.epochs == 0:
        return training
    trainer = Trainer(network, data, recipe, run.seed, run.timesteps)
    if (place / store.CHECKPOINT).exists():
        idle = training.memory.idle
        training = trainer.restore(_weights(place / store.CHECKPOINT, data.train.device))
        training.memory.idle = idle

    def after_epoch(training: Training) -> None:
        _save(trainer.state(training), place / store.CHECKPOINT)
        store.write_table(place / store.CURVES, training.epochs)
        on_epoch(training.epochs[-1])

    trainer.run(training, after_epoch)
    return training


def _measure(
    run: Run, network: nn.Module, data: Dataset, place: Path, on_images: OnImages
) -> tuple[Evaluation, SynOps, Iterable[LedgerRow]]:
    """Accuracy, speed and synaptic operations over the whole test split.

    Counting does not run while speed is taken. A network that is simulated step by step runs once, and has no speed.
    """
    if hasattr(network, "trajectory"):
        return _simulate(run, network, data, place, on_images)
    speed = evaluate(network, data.test, data, run.timesteps)
    with counting(network, data.example, run.timesteps) as counter:
        counted = evaluate(network, data.test, data, run.timesteps)
    # counting runs the network's own modules, an engine folds norms: rounding may move an image in a thousand
    assert abs(counted.top1 - speed.top1) <= max(0.1, 200.0 / len(data.test.labels)), (
        f"accuracy is {speed.top1} % and, while operations are counted, {counted.top1} %"
    )
    return speed, counter.per_image(), counter.ledger()


def _simulate(
    run: Run, network: nn.Module, data: Dataset, place: Path, on_images: OnImages
) -> tuple[Evaluation, SynOps, Iterable[LedgerRow]]:
    """The same for a network that is simulated step by step, with a stop at every step count that it passes."""
    half_done = place / store.CHECKPOINT
    saved = _weights(half_done, torch.device("cpu")) if half_done.exists() else None

    def keep(sums: dict[str, Any]) -> None:
        _save(sums, half_done)
        on_images(sums["images"], len(data.test.labels))

    found = stops.simulate(network, data, stops.stops_of(run), saved, keep)
    stops.write(found, place)
    return stops.evaluation(found[-1]), found[-1].operations, found[-1].ledger


def _identity(run: Run) -> dict[str, Any]:
    origin = parent(run)
    return {
        "key": key(run),
        "parent_key": key(origin) if origin else None,
        **vars(run),
        "status": "done",
    }


def _accuracy(training: Training, final: Evaluation, recipe: Recipe, data: Dataset) -> dict[str, Any]:
    """Last epoch (headline), best on the test split, and the epoch that the validation split selects."""
    epochs = training.epochs
    selected = max(epochs, key=lambda e: e.validation_top1 or 0.0) if epochs and data.validation else None
    return {
        "top1": final.top1,
        "top1_best": max((e.test_top1 for e in epochs), default=None),
        "top1_validation_selected": selected.test_top1 if selected else None,
        "train_loss": epochs[-1].train_loss if epochs else None,
        "test_loss": final.loss,
        "epochs": recipe.epochs,
        "train_images": len(data.train.labels) if epochs else 0,
        "test_images": len(data.test.labels),
    }


def _operations(network: nn.Module, operations: SynOps) -> dict[str, Any]:
    return {"parameters": sum(p.numel() for p in network.parameters()), **vars(operations)}


def _cost(training: Training, final: Evaluation) -> dict[str, Any]:
    last = training.epochs[-1] if training.epochs else None
    return {
        "train_seconds": last.train_seconds if last else 0.0,
        "train_step_ms": last.train_step_ms if last else None,
        "train_step_ms_iqr": last.train_step_ms_iqr if last else None,
        "test_images_per_second": final.images_per_second,
        "peak_step_bytes": training.memory.peak,
        "idle_bytes": training.memory.idle,
        "peak_reserved_bytes": training.memory.reserved,
        "other_load_cores": training.other_load_cores,
    }


def _weights(path: Path, device: torch.device) -> Any:
    return torch.load(path, map_location=device, weights_only=True)


def _save(state: Any, path: Path) -> None:
    partial = path.with_name(f".{path.name}.partial")
    torch.save(state, partial)
    partial.replace(path)
