"""Images and labels in memory: the form every data set takes before it is batched."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmarks.data.inputs import Counts, Pixels


@dataclass(frozen=True)
class Split:
    """`images` uint8 (N, C, H, W), or event counts (N, T, 2, H, W) as frames; `labels` (N,) int64."""

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
    inputs: Pixels | Counts
    sha256: str
    source: str

    @property
    def channels(self) -> int:
        return self.train.images.shape[-3]

    @property
    def example(self) -> Tensor:
        """The first test image as a network sees it, `(1, C, H, W)`, or its frames `(T, 1, C, H, W)`."""
        return arranged(self.inputs.scaled(self.inputs.sized(self.test.images[:1])))


def arranged(batch: Tensor) -> Tensor:
    """Frames `(B, T, C, H, W)` -> `(T, B, C, H, W)`; images stay as they are."""
    return batch.transpose(0, 1) if batch.dim() == 5 else batch


def digest(images: np.ndarray, labels: np.ndarray) -> str:
    """SHA-256 of the image bytes followed by the label bytes."""
    sha = hashlib.sha256(np.ascontiguousarray(images).data)
    sha.update(np.ascontiguousarray(labels).data)
    return sha.hexdigest()


def both(train: str, test: str) -> str:
    """One digest for a data set from its splits' digests."""
    return hashlib.sha256(f"{train} {test}".encode()).hexdigest()
