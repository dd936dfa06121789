"""Turns stored values into network inputs: pixels are normalised, event counts are resized.

`sized` runs before augmentation and `scaled` after it, so that crops pad images with black and frames with no events.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Pixels:
    """Images uint8 `(B, C, H, W)`; `mean` and `std` are per channel, for pixels in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def sized(self, images: Tensor) -> Tensor:
        return images

    def scaled(self, images: Tensor) -> Tensor:
        """Return normalised float32 images, same shape."""
        mean = torch.tensor(self.mean, device=images.device).view(-1, 1, 1)
        std = torch.tensor(self.std, device=images.device).view(-1, 1, 1)
        return images.float().div_(255).sub_(mean).div_(std)


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
