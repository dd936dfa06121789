"""Batches from splits: shuffled, augmented and normalised on the split's device.

Order and augmentation depend only on (seed, epoch, index of the image), not on the method, the batch size or the number
of interruptions. Methods are therefore compared on the same data in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.data import autoaugment
from benchmarks.data.splits import Dataset, Split, arranged
from benchmarks.data.streamed import Streamed, seed_of
from benchmarks.spec import Augmentation, Recipe

PADDING = 4


class Shifts(NamedTuple):
    """Per image: the crop's first row and column in the padded image, and whether the image is mirrored."""

    rows: Tensor
    columns: Tensor
    mirrored: Tensor


def training_batches(
    data: Dataset, recipe: Recipe, seed: int, epoch: int, rows: Callable[[Tensor], Tensor] = lambda index: index
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield one epoch: images `(B, C, H, W)` or frames `(T, B, C, H, W)`, float32, and labels `(B,)`.

    The last batch may be smaller. `rows` selects images from a batch's indices.
    """
    split, device = data.train, data.train.device
    generator = torch.Generator().manual_seed(seed_of(f"order {seed} {epoch}"))
    count = len(split.labels)
    order = torch.randperm(count, generator=generator).to(device)
    if isinstance(split, Streamed):
        assert recipe.augmentation == "resized-crop-flip", recipe.augmentation
        batches = [rows(index) for index in order.split(recipe.batch_size)]
        for images, labels in split.augmented(batches, seed, epoch):
            yield data.inputs.scaled(images), labels
        return
    shifts = None if recipe.augmentation == "none" else _draw(count, generator, device, recipe.augmentation)
    operations = _draw_operations(split, generator) if recipe.augmentation == "autoaugment-cutout" else None
    holes = _draw_holes(split, generator) if recipe.augmentation.endswith("cutout") else None
    for index in map(rows, order.split(recipe.batch_size)):
        images = data.inputs.sized(split.images[index])
        if shifts:
            images = crop_and_flip(images, Shifts(*(values[index] for values in shifts)))
        if operations:
            images = autoaugment.apply(images, autoaugment.Choices(*(values[index] for values in operations)))
        scaled = data.inputs.scaled(images)
        scaled = scaled if holes is None else autoaugment.cut_out(scaled, *holes[:, index])
        yield arranged(scaled), split.labels[index]


def evaluation_batches(
    split: Split | Streamed, data: Dataset, batch_size: int = 250
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield a split in its own order, without augmentation."""
    for images, labels in split.batches(batch_size):
        yield arranged(data.inputs.scaled(data.inputs.sized(images))), labels


def crop_and_flip(images: Tensor, shifts: Shifts) -> Tensor:
    """Pad by 4 black pixels, crop to the original size, mirror left-right: `(B, ..., H, W)` -> same, channels last.

    All channels of an image, and all frames of a recording, get the same crop.
    """
    shape, device = images.shape, images.device
    batch, height, width = shape[0], *shape[-2:]
    padded = F.pad(images.reshape(batch, -1, height, width), (PADDING,) * 4)
    across = torch.arange(width, device=device).expand(batch, width)
    across = torch.where(shifts.mirrored[:, None], width - 1 - across, across)
    columns = shifts.columns[:, None] + across
    rows = shifts.rows[:, None] + torch.arange(height, device=device)
    places = (rows[:, :, None] * padded.shape[-1] + columns[:, None, :]).view(batch, -1, 1)
    cut = padded.flatten(2).transpose(1, 2).gather(1, places.expand(-1, -1, padded.shape[1]))
    return cut.transpose(1, 2).view(shape)


def _draw(count: int, generator: torch.Generator, device: torch.device, augmentation: Augmentation) -> Shifts:
    rows, columns = torch.randint(2 * PADDING + 1, (2, count), generator=generator).to(device)
    mirrored = torch.rand(count, generator=generator).to(device) < (0.0 if augmentation == "crop" else 0.5)
    return Shifts(rows, columns, mirrored)


def _draw_operations(split: Split, generator: torch.Generator) -> autoaugment.Choices:
    """Draw AutoAugment's choices."""
    choices = autoaugment.draw(len(split.labels), generator)
    return autoaugment.Choices(*(values.to(split.images.device) for values in choices))


def _draw_holes(split: Split, generator: torch.Generator) -> Tensor:
    """Draw the centres of Cutout's squares, `(2, N)`."""
    count, sizes = len(split.labels), split.images.shape[-2:]
    centres = [torch.randint(size, (count,), generator=generator) for size in sizes]
    return torch.stack(centres).to(split.images.device)
