"""The signals between layers: spike trains, and currents that are affine functions of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Spikes:
    """The spikes of a layer of neurons in T steps for `images` images; the format of `data` is the `Trains`' own."""

    data: Tensor
    images: int
    shape: tuple[int, ...]
    amplitude: Tensor


@dataclass(frozen=True)
class Term:
    """`scale` per channel times a linear layer (None: identity) of a spike train."""

    layer: nn.Conv2d | nn.Linear | None
    spikes: Spikes
    scale: Tensor | None = None


@dataclass(frozen=True)
class Affine:
    """Currents not computed yet: the sum of the terms plus `shift` per channel."""

    terms: tuple[Term, ...]
    shift: Tensor | None = None

    def normalised(self, scale: Tensor, shift: Tensor) -> Affine:
        """`scale * self + shift`, per channel."""
        terms = tuple(Term(t.layer, t.spikes, scale if t.scale is None else t.scale * scale) for t in self.terms)
        return Affine(terms, shift if self.shift is None else self.shift * scale + shift)

    def __add__(self, other: Affine) -> Affine:
        shifts = [a.shift for a in (self, other) if a.shift is not None]
        return Affine(self.terms + other.terms, sum(shifts[1:], shifts[0]) if shifts else None)


@dataclass(frozen=True)
class Dense:
    """Computed currents, `(T*B, ...)`, or `(B, ...)` if `repeated` at every step, before scale and shift."""

    currents: Tensor
    repeated: bool = False
    scale: Tensor | None = None
    shift: Tensor | None = None

    def scaled(self, x: Tensor) -> Tensor:
        """Apply scale and shift to the currents or to their mean."""
        if self.scale is None or self.shift is None:
            return x
        return torch.addcmul(per_channel(self.shift, x), x, per_channel(self.scale, x))


def folded(weight: Tensor, bias: Tensor, mean: Tensor, invstd: Tensor) -> tuple[Tensor, Tensor]:
    """Return scale and shift per channel of a norm `weight (x - mean) invstd + bias`."""
    scale = weight * invstd
    return scale, bias - mean * scale


def all_but_channels(x: Tensor) -> list[int]:
    """Return the dimensions over which statistics per channel are taken."""
    return [d for d in range(x.dim()) if d != 1]


def per_channel(values: Tensor, like: Tensor) -> Tensor:
    """View `(C,)` so that it broadcasts over `(rows, C, ...)`."""
    return values.view(1, -1, *[1] * (like.dim() - 2))
