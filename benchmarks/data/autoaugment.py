"""AutoAugment's CIFAR-10 policy (Cubuk et al. 2019) and Cutout (DeVries & Taylor 2017), for whole batches.

Each image gets one of 25 pairs of operations. Each operation is applied with its own probability. Images that get the
same operation at the same strength are processed together. The choices are drawn beforehand, per image and epoch, so
results do not depend on how images are batched. Policy and strengths are torchvision's; the operations are its
functions on uint8 tensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

CUTOUT = 16


class Choices(NamedTuple):
    """Per image: the pair of operations `(N,)`, and for both of them whether it is applied and reversed `(N, 2)`."""

    policy: Tensor
    happens: Tensor
    reversed: Tensor


def draw(count: int, generator: torch.Generator) -> Choices:
    """Draw the choices for `count` images."""
    policy = torch.randint(len(_policies()), (count,), generator=generator)
    chances = torch.tensor([[chance for _, chance, _ in pair] for pair in _policies()])
    happens = torch.rand(count, 2, generator=generator) < chances[policy]
    return Choices(policy, happens, torch.rand(count, 2, generator=generator) < 0.5)


def apply(images: Tensor, choices: Choices) -> Tensor:
    """Apply the chosen operations: `(B, C, H, W)` uint8 -> same."""
    images = images.clone()
    for number in choices.policy.unique().tolist():
        for position, (operation, _, strength) in enumerate(_policies()[number]):
            for backwards in (False, True):
                chosen = (choices.policy == number) & choices.happens[:, position]
                chosen &= choices.reversed[:, position] == backwards
                if chosen.any():
                    images[chosen] = _operate(images[chosen], operation, strength or 0, backwards)
    return images


def cut_out(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Set a 16 x 16 square centred at `(row, column)` of each normalised image to 0, the mean; borders clip it."""
    height, width = images.shape[-2:]
    inside = [
        (torch.arange(length, device=images.device) - (at - CUTOUT // 2)[:, None]).div(CUTOUT, rounding_mode="floor")
        == 0
        for length, at in ((height, rows), (width, columns))
    ]
    hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return images.masked_fill(hole, 0.0)


@cache
def _policies() -> list[tuple[tuple[str, float, int | None], ...]]:
    from benchmarks.data.torchvision_import import torchvision

    transforms: Any = torchvision.transforms
    policies: list[tuple[tuple[str, float, int | None], ...]] = transforms.AutoAugment(
        transforms.AutoAugmentPolicy.CIFAR10
    ).policies
    return policies


def _operate(images: Tensor, operation: str, strength: int, backwards: bool) -> Tensor:
    """Apply one operation at one of ten strengths."""
    from torchvision.transforms import functional as F

    sign = -1.0 if backwards else 1.0

    def up_to(most: float) -> float:
        return sign * torch.linspace(0.0, most, 10)[strength].item()  # rounds exactly as torchvision does

    pixels = int(up_to(150.0 / 331.0 * images.shape[-1]))
    degrees = math.degrees(math.atan(up_to(0.3)))
    table: dict[str, Callable[[], Tensor]] = {
        "ShearX": lambda: F.affine(images, 0.0, [0, 0], 1.0, [degrees, 0.0], center=[0, 0]),
        "ShearY": lambda: F.affine(images, 0.0, [0, 0], 1.0, [0.0, degrees], center=[0, 0]),
        "TranslateX": lambda: F.affine(images, 0.0, [pixels, 0], 1.0, [0.0, 0.0]),
        "TranslateY": lambda: F.affine(images, 0.0, [0, pixels], 1.0, [0.0, 0.0]),
        "Rotate": lambda: F.rotate(images, up_to(30.0)),
        "Brightness": lambda: F.adjust_brightness(images, 1.0 + up_to(0.9)),
        "Color": lambda: F.adjust_saturation(images, 1.0 + up_to(0.9)),
        "Contrast": lambda: F.adjust_contrast(images, 1.0 + up_to(0.9)),
        "Sharpness": lambda: F.adjust_sharpness(images, 1.0 + up_to(0.9)),
        "Posterize": lambda: F.posterize(images, 8 - round(strength / (9 / 4))),
        "Solarize": lambda: F.solarize(images, torch.linspace(255.0, 0.0, 10)[strength].item()),
        "AutoContrast": lambda: F.autocontrast(images),
        "Equalize": lambda: F.equalize(images),
        "Invert": lambda: F.invert(images),
    }
    return table[operation]()
