"""Accuracy and loss of a network on a split."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.data import Dataset, Split, Streamed, evaluation_batches

ROWS = 1000
"""Images times time steps that are computed at once; no result depends on it. Fewer of images above 64 x 64."""


@dataclass(frozen=True)
class Evaluation:
    """`loss` is the mean cross-entropy, `top1` percent correct."""

    loss: float
    top1: float
    images_per_second: float | None


@torch.no_grad()
def evaluate(network: nn.Module, split: Split | Streamed, data: Dataset, timesteps: int) -> Evaluation:
    """Run the whole split through the network in evaluation mode; the network's mode is restored."""
    was_training = network.training
    network.eval()
    losses = torch.zeros((), dtype=torch.float64, device=split.device)
    correct = torch.zeros((), dtype=torch.int64, device=split.device)
    start = time.perf_counter()
    rows = getattr(network, "steps_at_once", timesteps)  # per image, as far as memory is concerned
    rows *= max(1, split.size**2 // 64**2) if isinstance(split, Streamed) else 1
    for images, labels in evaluation_batches(split, data, batch_size=max(1, ROWS // rows)):
        logits = network(images)
        losses += F.cross_entropy(logits, labels, reduction="sum").double()
        correct += (logits.argmax(1) == labels).sum()
    count = len(split.labels)
    loss, top1 = losses.item() / count, 100.0 * correct.item() / count
    network.train(was_training)
    return Evaluation(loss, top1, count / (time.perf_counter() - start))
