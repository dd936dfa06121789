"""Images and labels in memory: the form every data set takes before it is batched."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Split:
    """`images` (N, C, H, W) uint8, `labels` (N,) int64."""

    images: Tensor
    labels: Tensor

    def take(self, index: Tensor) -> Split:
        return Split(self.images[index], self.labels[index])

    def to(self, device: torch.device | str) -> Split:
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True)
class Arrays:
    """What a reader returns: the whole official splits, their digest and a sentence on where they come from."""

    classes: int
    train: Split
    test: Split
    sha256: str
    source: str


@dataclass(frozen=True)
class Dataset:
    """What a run is given."""

    name: str
    classes: int
    train: Split
    validation: Split | None
    test: Split
    mean: tuple[float, ...]
    std: tuple[float, ...]
    sha256: str
    source: str

    @property
    def channels(self) -> int:
        return self.train.images.shape[1]


def digest(images: np.ndarray, labels: np.ndarray) -> str:
    """SHA-256 of the image bytes followed by the label bytes."""
    sha = hashlib.sha256(np.ascontiguousarray(images).data)
    sha.update(np.ascontiguousarray(labels).data)
    return sha.hexdigest()


def both(train: str, test: str) -> str:
    """One digest for a data set from its splits' digests."""
    return hashlib.sha256(f"{train} {test}".encode()).hexdigest()
