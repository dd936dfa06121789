"""What the harness adds to a plainly written training loop, at laptop scale.

    overhead = (E (epoch by the harness - epoch written plainly) + M mirroring) / (E S plain step)

E epochs of S steps, M times that a run of that length is mirrored into MLflow (at its end and twice a minute).

An epoch's difference is a few milliseconds in many seconds of convolutions, which no busy machine repeats that well. So
both loops are timed around the network without its layers: all its parameters, with gradients, optimiser state and
checkpoint, but logits that are a mean of the pixels. On a CPU what is counted are processor seconds, which other
processes do not lengthen: of the loops all of them, of the real network's step those of one thread, the least that it
can last. Evaluation is left out of the denominator. Both make the overhead larger, never smaller; waiting for the disk
is not in it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.data import DATASETS, Dataset, Split
from benchmarks.data.inputs import Pixels
from benchmarks.distributed.processes import ALONE
from benchmarks.execution import Prepared, train
from benchmarks.measurement.metering import Memory
from benchmarks.networks import build
from benchmarks.perf.subjects import device
from benchmarks.recipes import resolve
from benchmarks.runs import store
from benchmarks.runs.job import job_of
from benchmarks.spec import Recipe, Run
from benchmarks.tracking.observer import SECONDS_BETWEEN
from benchmarks.training.loop import Training

RUN = Run("cifar10", "preact-resnet18-narrow", "ann", 1, 0, "laptop")
RECIPE = resolve(RUN)
EPOCH: Recipe = replace(RECIPE, epochs=1)
CLASSES, SIZE, PADDING, TEST_IMAGES = 10, 32, 4, 10_000
EVALUATED_AT_ONCE = 1000
EPOCHS, STEPS = RECIPE.epochs, math.ceil((RECIPE.train_images or 0) / RECIPE.batch_size)
BUDGET = 0.02
"""The most that the overhead may be."""


class WithoutLayers(nn.Module):
    """A network's parameters and nothing of what it computes: images `(B, C, H, W)` -> logits `(B, classes)`."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        every = torch.stack([parameter.sum() for parameter in self.network.parameters()]).sum()
        return images.mean((2, 3)).repeat(1, CLASSES)[:, :CLASSES] + 1e-6 * every


def network() -> nn.Module:
    torch.manual_seed(RUN.seed)
    return WithoutLayers(build(RUN.network, RUN.method, 1, CLASSES, 3, RECIPE)).to(device())


def invented() -> Dataset:
    """As many images as a laptop-scale run sees; no cost depends on what is in them."""
    generator = torch.Generator().manual_seed(0)

    def split(count: int) -> Split:
        images = torch.randint(0, 256, (count, 3, SIZE, SIZE), dtype=torch.uint8, generator=generator)
        return Split(images, torch.arange(count) % CLASSES).to(device())

    assert RECIPE.train_images is not None
    parts = split(RECIPE.train_images), split(RECIPE.validation_images), split(TEST_IMAGES)
    return Dataset("cifar10", CLASSES, *parts, DATASETS["cifar10"].inputs, "", "")  # type: ignore[arg-type]


def harnessed(network: nn.Module, data: Dataset, place: Path) -> Training:
    """One epoch as a run has it: batches, meters, evaluation, checkpoint, curves."""
    place.mkdir(parents=True, exist_ok=True)
    (place / store.CHECKPOINT).unlink(missing_ok=True)
    job, memory = replace(job_of(RUN, place), recipe=EPOCH, place=place), Memory(idle=0)
    return train(job, Prepared(data, network, memory), Training(memory), lambda epoch: None, ALONE)


def plain(network: nn.Module, data: Dataset) -> float:
    """One epoch as one writes it; returns the accuracy on the test images."""
    assert isinstance(data.train, Split)
    optimizer = torch.optim.SGD(network.parameters(), EPOCH.learning_rate, 0.9, weight_decay=EPOCH.weight_decay)
    network.train()
    total = 0.0
    for index in torch.randperm(len(data.train.labels)).split(EPOCH.batch_size):
        images, labels = cropped(_normalised(data.train.images[index])), data.train.labels[index]
        optimizer.zero_grad()
        loss = F.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item()
    assert isinstance(data.validation, Split)
    assert isinstance(data.test, Split)
    network.eval()
    _accuracy(network, data.validation)
    return _accuracy(network, data.test)


def cropped(images: Tensor) -> Tensor:
    """Every image shifted by up to four pixels and mirrored, or not, one after the other: `(B, C, H, W)` -> same."""
    padded = F.pad(images, (PADDING,) * 4)
    rows, columns = torch.randint(2 * PADDING + 1, (2, len(images))).tolist()
    corners = enumerate(zip(rows, columns, strict=True))
    cut = torch.stack([padded[i, :, y : y + SIZE, x : x + SIZE] for i, (y, x) in corners])
    return torch.where((torch.rand(len(images)) < 0.5).view(-1, 1, 1, 1).to(cut.device), cut.flip(3), cut)


@torch.no_grad()
def _accuracy(network: nn.Module, split: Split) -> float:
    correct = 0
    for images, labels in split.batches(EVALUATED_AT_ONCE):
        correct += int((network(_normalised(images)).argmax(1) == labels).sum())
    return 100.0 * correct / len(split.labels)


def _normalised(images: Tensor) -> Tensor:
    inputs = DATASETS["cifar10"].inputs
    assert isinstance(inputs, Pixels)
    mean, std = (torch.tensor(values, device=images.device).view(3, 1, 1) for values in (inputs.mean, inputs.std))
    return (images.float() / 255 - mean) / std


def clock() -> float:
    """Processor seconds of this process; on a GPU, where they say little, seconds."""
    return time.perf_counter() if device().type == "cuda" else time.process_time()


def overhead(
    by_harness: Sequence[float], plainly: Sequence[float], step: Sequence[float], mirroring: Sequence[float]
) -> Mapping[str, Any]:
    """Shares of a laptop-scale run, without MLflow and (None where it was not measured) with it, and what they are of.

    Seconds: of epochs by the harness, of the plain ones timed in turn with them, of plain steps, of mirroring a run.
    """
    run = EPOCHS * STEPS * median(step)
    loops = EPOCHS * median(a - b for a, b in zip(by_harness, plainly, strict=True))
    mirrored = (1 + run / SECONDS_BETWEEN) * median(mirroring) if mirroring else None
    return {
        "overhead": loops / run,
        "overhead_with_mlflow": None if mirrored is None else (loops + mirrored) / run,
        "harness_epoch_seconds": median(by_harness),
        "plain_epoch_seconds": median(plainly),
        "plain_step_ms": 1e3 * median(step),
        "mlflow_seconds": median(mirroring) if mirroring else None,
    }
