"""The overhead of the harness over a minimal training loop, at laptop scale.

    overhead = (E (epoch by the harness - epoch of a minimal loop) + M mirroring) / (E S step of the real network)

A run has E epochs of S steps and is mirrored into MLflow M times (at its end and twice a minute).

The loops differ by a few milliseconds per epoch, far less than the variation of an epoch's convolutions on a busy
machine. Both loops are therefore timed around a network without layers, which has all parameters with gradients,
optimiser state and checkpoint, but whose logits are means of the pixels. On a CPU processor seconds are counted, which
other processes do not lengthen: all of them for the loops, and those of one thread, the minimum, for the real network's
step. The denominator does not include evaluation. Both choices make the overhead larger, never smaller. The overhead
does not include waiting for the disk.
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
"""Largest overhead allowed."""


class WithoutLayers(nn.Module):
    """A network's parameters without its computation: images `(B, C, H, W)` -> logits `(B, classes)`."""

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
    """Make as many random images as a laptop-scale run uses; the cost does not depend on their content."""
    generator = torch.Generator().manual_seed(0)

    def split(count: int) -> Split:
        images = torch.randint(0, 256, (count, 3, SIZE, SIZE), dtype=torch.uint8, generator=generator)
        return Split(images, torch.arange(count) % CLASSES).to(device())

    assert RECIPE.train_images is not None
    parts = split(RECIPE.train_images), split(RECIPE.validation_images), split(TEST_IMAGES)
    return Dataset("cifar10", CLASSES, *parts, DATASETS["cifar10"].inputs, "", "")  # type: ignore[arg-type]


def harnessed(network: nn.Module, data: Dataset, place: Path) -> Training:
    """Train one epoch with the harness: batches, meters, evaluation, checkpoint, curves."""
    place.mkdir(parents=True, exist_ok=True)
    (place / store.CHECKPOINT).unlink(missing_ok=True)
    job, memory = replace(job_of(RUN, place), recipe=EPOCH, place=place), Memory(idle=0)
    return train(job, Prepared(data, network, memory), Training(memory), lambda epoch: None, ALONE)


def plain(network: nn.Module, data: Dataset) -> float:
    """Train one epoch with a minimal loop; returns the accuracy on the test images in percent."""
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
    """Shift every image by up to four pixels and mirror half of them, one by one: `(B, C, H, W)` -> same."""
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
    """Return the processor seconds of this process; with a GPU wall-clock seconds."""
    return time.perf_counter() if device().type == "cuda" else time.process_time()


def overhead(
    by_harness: Sequence[float], plainly: Sequence[float], step: Sequence[float], mirroring: Sequence[float]
) -> Mapping[str, Any]:
    """Compute the overhead without and with MLflow (None if not measured), and the medians it is computed from.

    All arguments are in seconds: epochs by the harness, minimal epochs timed alternately with them, steps of the real
    network, and mirroring a run.
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
