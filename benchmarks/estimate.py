"""How long the missing runs will take here, from timing one small step of each kind."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from functools import cache

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.data import Sizes, sizes
from benchmarks.methods import named
from benchmarks.networks import build
from benchmarks.recipes import resolve
from benchmarks.spec import BadInput, Recipe, Run
from benchmarks.stops import passed_through

BATCH, SMALL_BATCH = 64, 8
BRIEF_SECONDS = 0.1
START_SECONDS = 0.5  # a process of its own, data in memory


def seconds(runs: Iterable[Run]) -> Mapping[Run, float | None]:
    """Estimated duration of each run on this machine, evaluation included. Good to a factor of about 1.5.

    None where a step fails: that costs a row later, and not the sweep now.
    """
    runs = list(runs)
    found = {run: 0.0 if passed_through(run, runs) else _duration_or_none(run) for run in runs}
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # the runs are processes of their own, and want the memory
    return found


def _duration_or_none(run: Run) -> float | None:
    try:
        return _duration(run)
    except BadInput:
        raise
    except Exception:  # whatever a method of another package raises, and torch for want of memory
        return None


def _duration(run: Run) -> float:
    recipe = resolve(run)
    limits = (recipe.train_images, recipe.validation_images, recipe.test_images)
    data = _sizes(run.dataset, *limits, recipe.classes, recipe.image_size)
    train, test = _per_image(run.network, run.method, run.timesteps, data.channels, data.edge)
    trained = recipe.epochs * data.train
    # after training, accuracy and operations are measured one after the other; a conversion counts as it goes
    measured = 2 if recipe.epochs else 1
    evaluated = (recipe.epochs + measured) * data.test + recipe.epochs * data.validation
    return START_SECONDS + trained * train + evaluated * test


@cache
def _sizes(
    name: str, train: int | None, validation: int, test: int | None, classes: int | None, image_size: int | None
) -> Sizes:
    images = {"train_images": train, "validation_images": validation, "test_images": test}
    return sizes(name, Recipe(0, 1, 0.0, classes=classes, image_size=image_size, **images))  # type: ignore[arg-type]


@cache
def _per_image(network: str, method: str, timesteps: int, channels: int, size: int) -> tuple[float, float]:
    """Seconds per image of a training step and of inference, after a small step to warm up."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if named(method).streams:
        return 0.0, timesteps * _per_step(network, method, channels, size, device)
    model = build(network, method, timesteps, 10, channels).to(device)
    trains = resolve(Run("cifar10", network, method, timesteps, 0, "paper")).epochs > 0
    batch, spent = SMALL_BATCH, _step(model, SMALL_BATCH, channels, size, trains, device)
    if spent < BRIEF_SECONDS:  # fixed costs dominate a small batch of a small network
        batch = BATCH
    train = _step(model, batch, channels, size, True, device) if trains else 0.0
    return train / batch, _step(model, batch, channels, size, False, device) / batch


@cache
def _per_step(network: str, method: str, channels: int, size: int, device: torch.device) -> float:
    """Seconds per image and time step of a simulation, whatever preparing it takes."""
    few, many = 2, 6

    def simulate(steps: int) -> float:
        model = build(network, method, steps, 10, channels).to(device).eval()
        images = torch.randn(BATCH, channels, size, size, device=device)
        start = _now(device)
        with torch.no_grad():
            model(images)
        return _now(device) - start

    simulate(few)
    return max(0.0, simulate(many) - simulate(few)) / (many - few) / BATCH


def _step(model: nn.Module, batch: int, channels: int, size: int, trains: bool, device: torch.device) -> float:
    images = torch.randn(batch, channels, size, size, device=device)
    labels = torch.arange(batch, device=device) % 10
    start = _now(device)
    with torch.set_grad_enabled(trains):
        loss = F.cross_entropy(model(images), labels)
    if trains:
        loss.backward()
    return _now(device) - start


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
