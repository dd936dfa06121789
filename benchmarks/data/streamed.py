"""Splits that do not fit in memory: image files, decoded and cropped by worker processes while the network computes.

Training sees a random crop of 8 to 100 % of the image's area and 3/4 to 4/3 of its aspect ratio, scaled to the split's
size, and its mirror image with probability 1/2; evaluation scales the shorter edge to 8/7 of the size (256 for 224) and
cuts the centre out. What is drawn for an image depends on (seed, epoch, its index) alone, not on who decodes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from benchmarks.data.workers import shared_out
from benchmarks.spec import BadInput, one_line


@dataclass(frozen=True)
class Streamed:
    """The files of a split in its order, `labels` (N,) int64, and the edge of the squares that are cut from them."""

    files: tuple[str, ...]
    labels: Tensor
    size: int

    @property
    def device(self) -> torch.device:
        """Where the labels are, and the images go."""
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
        """The whole split in its order, not augmented: images `(B, 3, size, size)` uint8, labels `(B,)`."""
        return self._load(_Views(self), list(torch.arange(len(self.labels)).split(size)))

    def augmented(self, batches: list[Tensor], seed: int, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """These batches of images, each image cropped and mirrored as this epoch draws it."""
        return self._load(_Views(self, f"{seed} {epoch}"), batches)

    def _load(self, views: _Views, batches: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Raises BadInput for a file that is no image."""
        cuda, wanted = self.device.type == "cuda", [index.tolist() for index in batches]
        loader = shared_out(views, batch_sampler=wanted, pin_memory=cuda, collate_fn=_together)
        for index, images in zip(batches, loader, strict=True):
            yield images.to(self.device, non_blocking=cuda), self.labels[index.to(self.device)]


def _together(views: list[Tensor | str]) -> Tensor | str:
    """A batch, or what is wrong with one of its images."""
    wrong = [view for view in views if isinstance(view, str)]
    return wrong[0] if wrong else torch.stack([view for view in views if isinstance(view, Tensor)])


class _Views(Dataset[Tensor | str]):
    """A split's images as they are seen: in evaluation, or in the epoch of training that `drawn_by` names."""

    def __init__(self, split: Streamed, drawn_by: str | None = None) -> None:
        from benchmarks.data.torchvision_import import torchvision

        transforms = torchvision.transforms
        if drawn_by is None:
            steps = [transforms.Resize(split.size * 8 // 7), transforms.CenterCrop(split.size)]
        else:
            steps = [transforms.RandomResizedCrop(split.size), transforms.RandomHorizontalFlip()]
        self.files, self.drawn_by, self.view = split.files, drawn_by, transforms.Compose(steps)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor | str:
        try:
            with Image.open(self.files[index]) as file:
                image = file.convert("RGB")
        except (OSError, SyntaxError, ValueError) as error:  # what PIL raises for files that are cut short or no images
            return f"{self.files[index]} cannot be decoded ({one_line(error)})"
        with torch.random.fork_rng(devices=[]):  # torchvision draws from the process's generator
            torch.default_generator.manual_seed(seed_of(f"view {self.drawn_by} {index}"))
            seen = self.view(image)
        return torch.from_numpy(np.array(seen)).permute(2, 0, 1).contiguous()


def seed_of(text: str) -> int:
    """A generator's seed; neighbouring texts share nothing."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
