"""Turns stored values into network inputs: pixels are normalised, if the recipe says so, event counts are resized.

`sized` runs before augmentation and `scaled` after it, so that crops pad images with black and frames with no events.
Network inputs are channels-last, like everything between a network's layers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.spec import Recipe


@dataclass(frozen=True)
class Pixels:
    """Images uint8 `(B, C, H, W)`; `mean` and `std` are per channel, for pixels in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def asked(self, recipe: Recipe) -> Pixels:
        """Return what a recipe asks for: these, or pixels as they are, in [0, 1]."""
        if recipe.pixels == "normalised":
            return self
        return Pixels((0.0,) * len(self.mean), (1.0,) * len(self.std))

    def sized(self, images: Tensor) -> Tensor:
        return images

    def scaled(self, images: Tensor) -> Tensor:
        """Return normalised float32 images, same shape, channels-last.

        The arithmetic runs over whole rows of W x C numbers: the three channels alone are too short an inner loop.
        """
        batch, channels, height, width = images.shape
        mean, std = (torch.tensor(values, device=images.device).repeat(width) for values in (self.mean, self.std))
        rows = images.permute(0, 2, 3, 1).reshape(batch, height, width * channels)
        scaled = rows.float().div_(255).sub_(mean).div_(std)
        return scaled.view(batch, height, width, channels).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Counts:
    """Event counts `(B, T, 2, H, W)` or `(B, 2, H, W)`, resized to `size` x `size` and divided by `frames`."""

    size: int
    frames: int = 1

    def sized(self, images: Tensor) -> Tensor:
        """Resize to float32 with bilinear interpolation without antialiasing, as the released code's library did."""
        counts = images.float() / self.frames
        if counts.shape[-2:] == (self.size, self.size):
            return counts
        flat = counts.flatten(0, -4) if counts.dim() > 4 else counts
        resized = F.interpolate(flat, (self.size, self.size), mode="bilinear", align_corners=False, antialias=False)
        return resized.view(*counts.shape[:-2], self.size, self.size)

    def scaled(self, images: Tensor) -> Tensor:
        return images
