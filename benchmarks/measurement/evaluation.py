"""Accuracy and loss of a network on a split."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.data import Dataset, Split, Streamed, evaluation_batches
from benchmarks.measurement.predictions import Predictions, joined, of

ROWS = 1000
"""Images times time steps per forward pass, fewer for images above 64 x 64. Results do not depend on it."""


@dataclass(frozen=True)
class Evaluation:
    """`loss` is the mean cross-entropy, `top1` is in percent. `predictions` is None unless requested."""

    loss: float
    top1: float
    images_per_second: float | None
    predictions: Predictions | None = field(default=None, compare=False)


@torch.no_grad()
def evaluate(
    network: nn.Module, split: Split | Streamed, data: Dataset, timesteps: int, predict: bool = False
) -> Evaluation:
    """Run the whole split through the network in evaluation mode, then restore the network's mode.

    `predict`: also return the prediction for every image.
    """
    was_training = network.training
    network.eval()
    losses = torch.zeros((), dtype=torch.float64, device=split.device)
    correct = torch.zeros((), dtype=torch.int64, device=split.device)
    predicted: list[Predictions] = []
    start = time.perf_counter()
    rows = getattr(network, "steps_at_once", timesteps)  # time steps in memory at once, per image
    rows *= max(1, split.size**2 // 64**2) if isinstance(split, Streamed) else 1
    for images, labels in evaluation_batches(split, data, batch_size=max(1, ROWS // rows)):
        logits = network(images)
        losses += F.cross_entropy(logits, labels, reduction="sum").double()
        correct += (logits.argmax(1) == labels).sum()
        if predict:
            predicted.append(of(logits, labels))
    count = len(split.labels)
    loss, top1 = losses.item() / count, 100.0 * correct.item() / count
    network.train(was_training)
    seconds = time.perf_counter() - start
    return Evaluation(loss, top1, count / seconds, joined(predicted) if predict else None)
