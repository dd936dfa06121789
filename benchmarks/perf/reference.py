"""A reference kernel, timed alternately with every step: a machine that slows down slows down both.

    ratio of round i = duration of the subject in round i / mean of the reference's durations just before and after

The kernel is a 3 x 3 convolution, forward and both gradients, and a ReLU: 1.8 G multiply-accumulates, which dominate
training steps, and a pass over memory. It uses torch alone, so no change of a method affects it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch.nn import functional as F

from benchmarks.perf.subjects import device, synchronise

CHANNELS, SIZE, IMAGES = 32, 32, 64


class InTurn:
    """Times a reference before every round of a subject: `before_round` is pytest-benchmark's `setup`."""

    def __init__(self, reference: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> None:
        self.reference, self.clock = reference, clock
        self.seconds: list[float] = []

    def before_round(self) -> None:
        start = self.clock()
        self.reference()
        self.seconds.append(self.clock() - start)

    def around(self, rounds: int) -> list[float]:
        """Time the reference once more and return its mean seconds around each of the last `rounds` rounds."""
        self.before_round()
        last = self.seconds[-rounds - 1 :]
        return [(before + after) / 2 for before, after in pairwise(last)]


def ratios(subject: Sequence[float], reference: Sequence[float]) -> list[float]:
    """Divide durations round by round."""
    return [a / b for a, b in zip(subject, reference, strict=True)]


def kernel() -> Callable[[], None]:
    """Return the reference kernel, synchronised."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(IMAGES, CHANNELS, SIZE, SIZE, generator=generator).to(device()).requires_grad_()
    weight = torch.randn(CHANNELS, CHANNELS, 3, 3, generator=generator).to(device()).requires_grad_()

    def once() -> None:
        images.grad = weight.grad = None
        F.conv2d(images, weight, padding=1).relu().sum().backward()
        synchronise()

    return once
