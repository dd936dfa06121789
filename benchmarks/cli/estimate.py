"""How long the missing runs will take here, from timing a few small steps, as many for one T or seed as for all.

Every method is probed on one network, the smallest of those that see the same kind of image, at two step counts:

    seconds per image = (base + slope T) x (the run's network) / (the network probed)

where the last two are steps of their ANNs, or of the first method that runs on networks with feedback. On a CPU a
network too large for that has a narrow one in its place.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import torch
from torch import nn

from benchmarks.catalogue import reference
from benchmarks.catalogue.networks import WITH_FEEDBACK, narrow
from benchmarks.cli.datasets import missing
from benchmarks.data import Sizes, published, sizes
from benchmarks.methods import backward, named
from benchmarks.networks import build
from benchmarks.operations.structure import structure
from benchmarks.recipes import passes, resolve, timeless
from benchmarks.runs import pace
from benchmarks.runs.job import Job
from benchmarks.runs.order import passing
from benchmarks.runs.pace import Alike
from benchmarks.spec import BadInput, Recipe, Run
from benchmarks.training.backward import Backward

FEW, MANY = 2, 6
"""The step counts of the probes."""
WORK = {"cpu": 6e9, "cuda": 2e11}
"""Multiply-accumulates of a probe's longer forward pass, about; its batch follows from it.

On a CPU that is 32 images of the narrow PreAct-ResNet-18. With 10 images, an image of `dsr-if-rep` (training, T = 5)
cost 2.2 times as much as in a batch of 128, because each step has a fixed cost. With 32 it costs 1.2 times as much.
"""
LARGE = {"cpu": 1e8, "cuda": float("inf")}
"""Multiply-accumulates per image and step from which a narrow network is probed in a large one's place."""
SMALLEST_BATCH, LARGEST_BATCH = 2, 64
NARROW, SMALLEST_EDGE = ("preact-resnet18-narrow", "cifarnet-f-narrow"), 16
START_SECONDS = 0.5  # a process of its own, data in memory


@dataclass(frozen=True)
class Body:
    """A network and the images that it sees."""

    network: str
    channels: int
    edge: int


@dataclass(frozen=True)
class Cost:
    """Seconds per image: `base` and what every time step adds to it."""

    base: float
    slope: float = 0.0

    def at(self, timesteps: int) -> float:
        return self.base + self.slope * timesteps


def seconds(jobs: Iterable[Job], ended: Iterable[Job] = ()) -> Mapping[Job, float | None]:
    """Estimated duration of each run, or of what is left of it, on this machine. Good to a factor of about 1.5.

    Evaluation is included; images that a half-done conversion has simulated are not taken off. A factor of about 2 for
    a network that a narrow one was timed for. Better where a run of these has been trained for some epochs, or another
    seed of it is among those that have `ended` here. None where a step fails: the run will fail too, and the others go
    on.
    """
    jobs, others = list(jobs), pace.alike(ended)
    kinds = frozenset(_body(job) for job in jobs)
    measured = passing(jobs)
    found = {job: 0.0 if measured[job] else _duration_or_none(job, kinds, others) for job in jobs}
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # the runs are processes of their own, and want the memory
    return found


def _duration_or_none(job: Job, kinds: frozenset[Body], others: Alike) -> float | None:
    try:
        return _duration(job, kinds, others)
    except BadInput:
        raise
    except Exception:  # whatever a method of another package raises, and torch for want of memory
        return None


def _duration(job: Job, kinds: frozenset[Body], others: Alike) -> float:
    recipe, data, body = job.recipe, _data(job), _body(job)
    small = _probed(frozenset(other for other in kinds if _alike(body, other)))
    train, test = _per_image(small, job.run.method, job.run.timesteps)
    if small != body:
        (large, larger), (little, less) = (_per_image(one, reference(one.network), 1) for one in (body, small))
        train, test = train * large / little, test * larger / less
    epochs = max(0, recipe.epochs - pace.epochs_done(job))
    threads = None if _device().type == "cuda" else torch.get_num_threads()
    epoch = pace.seconds_per_epoch(job, others, threads) or data.train * train
    # after training, accuracy and operations are measured one after the other; a conversion counts as it goes
    measured = 2 if recipe.epochs else 1
    tested = measured + (epochs if recipe.test_every_epoch else 0)
    evaluated = tested * data.test + epochs * data.validation
    return START_SECONDS + epochs * epoch + evaluated * test


def _body(job: Job) -> Body:
    data = _data(job)
    return Body(job.run.network, data.channels, data.edge)


def _alike(one: Body, other: Body) -> bool:
    return _kind(one) == _kind(other)


def _kind(body: Body) -> tuple[int, int, bool]:
    return body.channels, body.edge, body.network in WITH_FEEDBACK


def _data(job: Job) -> Sizes:
    recipe = job.recipe
    limits = (recipe.train_images, recipe.validation_images, recipe.test_images)
    return _sizes(job.run.dataset, *limits, recipe.classes, recipe.image_size)


@cache
def _sizes(
    name: str, train: int | None, validation: int, test: int | None, classes: int | None, image_size: int | None
) -> Sizes:
    images = {"train_images": train, "validation_images": validation, "test_images": test}
    recipe = Recipe(0, 1, 0.0, classes=classes, image_size=image_size, **images)  # type: ignore[arg-type]
    return (published if missing(name) else sizes)(name, recipe)


@cache
def _probed(bodies: frozenset[Body]) -> Body:
    """The smallest of these; where it is large, a narrow network, on images no larger than need be."""
    smallest, large = min(bodies, key=_macs), LARGE[_device().type]
    if _macs(smallest) <= large:
        return smallest
    alike = (name for name in NARROW if (name in WITH_FEEDBACK) == (smallest.network in WITH_FEEDBACK))
    chosen = Body(narrow(smallest.network) or next(alike), smallest.channels, smallest.edge)
    while _macs(chosen) > large and chosen.edge >= 2 * SMALLEST_EDGE:
        chosen = Body(chosen.network, chosen.channels, chosen.edge // 2)
    return chosen


@cache
def _macs(body: Body) -> int:
    """Multiply-accumulates per image and step."""
    network = build(body.network, reference(body.network), 1, 10, body.channels).eval()
    layers = structure(network, torch.zeros(1, body.channels, body.edge, body.edge)).layers
    return sum(layer.dense_macs for layer in layers)


def _per_image(body: Body, method: str, timesteps: int) -> tuple[float, float]:
    """Seconds per image of a training step and of inference."""
    train, test = _costs(body, method)
    return train.at(timesteps), test.at(timesteps)


@cache
def _costs(body: Body, method: str) -> tuple[Cost, Cost]:
    """What training and inference cost, from one small step each at FEW and at MANY time steps."""
    recipe = resolve(Run("cifar10", body.network, method, FEW, 0, "paper"))
    if named(method).streams and recipe.epochs == 0:
        return Cost(0.0), Cost(0.0, _per_step(body, method))
    trains = backward(method, recipe) if recipe.epochs > 0 else None
    if passes(method, MANY) == passes(method, FEW):  # one pass, whatever T
        train, test = _timed(body, method, 1 if timeless(method) else FEW, trains)
        return Cost(train), Cost(test)
    few, many = (_timed(body, method, steps, trains) for steps in (FEW, MANY))
    train_cost, test_cost = (_line(*pair) for pair in zip(few, many, strict=True))
    return train_cost, test_cost


def _line(few: float, many: float) -> Cost:
    """Through two points; on a busy machine neither part falls below 0."""
    slope = min(max(0.0, many - few) / (MANY - FEW), many / MANY)
    return Cost(max(0.0, many - slope * MANY), slope)


def _timed(body: Body, method: str, timesteps: int, trains: Backward | None) -> tuple[float, float]:
    """Seconds per image of a training step, if the method `trains`, and of inference; a small one warms up."""
    device, batch = _device(), _batch(body)
    model = build(body.network, method, timesteps, 10, body.channels).to(device)
    _step(model, SMALLEST_BATCH, body, trains, device)  # a first step loads kernels and looks at the network
    train = _step(model, batch, body, trains, device) if trains else 0.0
    return train / batch, _step(model, batch, body, None, device) / batch


def _batch(body: Body) -> int:
    """Images whose forward pass over MANY steps is WORK, within bounds; as many at FEW steps."""
    images = WORK[_device().type] / (_macs(body) * MANY)
    return int(min(max(images, SMALLEST_BATCH), LARGEST_BATCH))


def _per_step(body: Body, method: str) -> float:
    """Seconds per image and time step of a simulation, whatever preparing it takes."""
    device, batch = _device(), _batch(body)

    def simulate(steps: int) -> float:
        model = build(body.network, method, steps, 10, body.channels).to(device).eval()
        return _step(model, batch, body, None, device)

    simulate(FEW)
    return max(0.0, simulate(MANY) - simulate(FEW)) / (MANY - FEW) / batch


def _step(model: nn.Module, batch: int, body: Body, trains: Backward | None, device: torch.device) -> float:
    """Seconds of one step on noise."""
    images = torch.randn(batch, body.channels, body.edge, body.edge, device=device)
    labels = torch.arange(batch, device=device) % 10
    start = _now(device)
    if trains:
        trains(model, images, labels)
    else:
        with torch.no_grad():
            model(images)
    return _now(device) - start


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
