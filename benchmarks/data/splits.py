"""Splits, and what readers return. A data set that fits into memory is held as tensors of images and labels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from benchmarks.data.inputs import Counts, Pixels
from benchmarks.data.streamed import Streamed


@dataclass(frozen=True)
class Split:
    """`images` uint8 `(N, C, H, W)`, or event frames `(N, T, 2, H, W)` of counts; `labels` `(N,)` int64."""

    images: Tensor
    labels: Tensor

    @property
    def device(self) -> torch.device:
        return self.labels.device

    @property
    def example(self) -> Tensor:
        """The first image, `(1, ...)`, as stored."""
        return self.images[:1]

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the whole split in its order, as stored."""
        return zip(self.images.split(size), self.labels.split(size), strict=True)

    def take(self, index: Tensor) -> Split:
        return Split(self.images[index], self.labels[index])

    def to(self, device: torch.device | str) -> Split:
        return Split(self.images.to(device), self.labels.to(device))


AnySplit = TypeVar("AnySplit", Split, Streamed)


@dataclass(frozen=True)
class Arrays(Generic[AnySplit]):
    """What a reader returns: the whole official splits, their SHA-256 and a sentence on their source."""

    classes: int
    train: AnySplit
    test: AnySplit
    sha256: str
    source: str


@dataclass(frozen=True)
class Dataset:
    """The data of a run: its splits, and how stored values become network inputs."""

    name: str
    classes: int
    train: Split | Streamed
    validation: Split | Streamed | None
    test: Split | Streamed
    inputs: Pixels | Counts
    sha256: str
    source: str

    @property
    def channels(self) -> int:
        return self.test.example.shape[-3]

    @property
    def example(self) -> Tensor:
        """The first test image as network input, `(1, C, H, W)`, or its frames `(T, 1, C, H, W)`."""
        return arranged(self.inputs.scaled(self.inputs.sized(self.test.example)))


def arranged(batch: Tensor) -> Tensor:
    """Frames `(B, T, C, H, W)` -> `(T, B, C, H, W)`, images keep their shape; in memory channels come last."""
    frames = batch.transpose(0, 1) if batch.dim() == 5 else batch
    return frames.movedim(-3, -1).contiguous().movedim(-1, -3)


def digest(images: np.ndarray, labels: np.ndarray) -> str:
    """Return the SHA-256 of the image bytes followed by the label bytes."""
    sha = hashlib.sha256(np.ascontiguousarray(images).data)
    sha.update(np.ascontiguousarray(labels).data)
    return sha.hexdigest()


def both(train: str, test: str) -> str:
    """Combine the digests of two splits into the data set's."""
    return hashlib.sha256(f"{train} {test}".encode()).hexdigest()
