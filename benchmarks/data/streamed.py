"""Splits that do not fit in memory: image files, decoded and cropped by worker processes while the network computes.

Training takes a random crop of 8 to 100 % of the image's area with an aspect ratio of 3/4 to 4/3, scales it to the
split's size and mirrors it with probability 1/2. Evaluation scales the shorter edge to 8/7 of the size (256 for 224)
and crops the centre. Random choices depend only on (seed, epoch, index of the image), not on the worker.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from benchmarks.data.workers import load_in_workers
from benchmarks.spec import BadInput, one_line

FORMATS = ("JPEG", "PNG")
MOST_PIXELS = 2**27
"""Of an image, as it is and with its shorter edge scaled: three times the largest of ImageNet."""


@dataclass(frozen=True)
class Streamed:
    """The files of a split in order, `labels` `(N,)` int64, and the edge length `size` of the crops in pixels."""

    files: tuple[str, ...]
    labels: Tensor
    size: int

    @property
    def device(self) -> torch.device:
        """The labels' device; images are moved there."""
        return self.labels.device

    @property
    def example(self) -> Tensor:
        """The first image, `(1, 3, size, size)` uint8."""
        image = _Views(self)[0]
        if isinstance(image, str):
            raise BadInput(image)
        return image.unsqueeze(0).to(self.device)

    def take(self, index: Tensor) -> Streamed:
        return replace(self, files=tuple(self.files[i] for i in index.tolist()), labels=self.labels[index])

    def to(self, device: torch.device | str) -> Streamed:
        return replace(self, labels=self.labels.to(device))

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the whole split in order, without augmentation: images `(B, 3, size, size)` uint8, labels `(B,)`."""
        return self._load(_Views(self), list(torch.arange(len(self.labels)).split(size)))

    def augmented(self, batches: list[Tensor], seed: int, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of these indices, each image cropped and mirrored at random for this seed and epoch."""
        return self._load(_Views(self, f"{seed} {epoch}"), batches)

    def _load(self, views: _Views, batches: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Load batches in order. Raises BadInput for a file that is not an image."""
        cuda, indices = self.device.type == "cuda", [index.tolist() for index in batches]
        loader = load_in_workers(views, batch_sampler=indices, pin_memory=cuda, collate_fn=_together)
        for index, images in zip(batches, loader, strict=True):
            yield images.to(self.device, non_blocking=cuda), self.labels[index.to(self.device)]


def _together(views: list[Tensor | str]) -> Tensor | str:
    """Stack a batch, channels-last as images are decoded, or return the error message of one of its images."""
    errors = [view for view in views if isinstance(view, str)]
    if errors:
        return errors[0]
    return torch.stack([view.permute(1, 2, 0) for view in views if isinstance(view, Tensor)]).permute(0, 3, 1, 2)


class _Views(Dataset[Tensor | str]):
    """Crops of a split's images: for evaluation, or for training with the random choices that `seed` names."""

    def __init__(self, split: Streamed, seed: str | None = None) -> None:
        from benchmarks.data.torchvision_import import torchvision

        transforms = torchvision.transforms
        if seed is None:
            steps = [transforms.Resize(split.size * 8 // 7), transforms.CenterCrop(split.size)]
        else:
            steps = [transforms.RandomResizedCrop(split.size), transforms.RandomHorizontalFlip()]
        self.files, self.seed, self.view, self.edge = split.files, seed, transforms.Compose(steps), split.size * 8 // 7

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor | str:
        try:
            image = _decoded(self.files[index], self.edge)
        except Exception as error:  # Pillow raises a dozen kinds for damaged files, and for other formats
            return f"{self.files[index]} cannot be decoded ({one_line(error)})"
        with torch.random.fork_rng(devices=[]):  # torchvision draws from the process's generator
            torch.default_generator.manual_seed(seed_of(f"view {self.seed} {index}"))
            view = self.view(image)
        return torch.from_numpy(np.array(view)).permute(2, 0, 1)


def _decoded(path: str, edge: int) -> Image.Image:
    """Decode an image file to RGB. Raises Pillow's errors, and ValueError for what would become another image.

    Pillow decodes many formats, some by starting other programs, and clips grey values of 16 bits to white.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of large files and odd palettes
        with Image.open(path, formats=FORMATS) as file:
            wide = edge * max(file.size) / min(file.size)
            if max(file.width * file.height, edge * wide) > MOST_PIXELS:
                raise ValueError(f"{file.width} x {file.height} pixels are too many, or too far from a square")
            if file.mode.startswith(("I", "F")):
                raise ValueError(f"its pixels have more than 8 bits (mode {file.mode})")
            return file.convert("RGB")


def seed_of(text: str) -> int:
    """Hash a text to a generator's seed; similar texts give unrelated seeds."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
