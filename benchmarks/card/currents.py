"""Currents between one layer of neurons and the next: sums of scaled linear layers, plus a constant per channel.

Norms, the height of spikes and constant currents of neurons all fold into them:  scale * W pools(x) + bias.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@dataclass(frozen=True)
class Term:
    """`scale` (a number, or one per output channel) times `linear` (None: identity) of the outputs of `sources`.

    `sources`: names of NIR nodes, whose outputs are added. `reshaped`: pools and flattenings in front, by name.
    """

    sources: tuple[str, ...]
    shape: tuple[int, ...]
    scale: Tensor
    reshaped: tuple[tuple[str, nn.Module], ...] = ()
    linear: nn.Conv2d | nn.Linear | None = None
    name: str = ""


@dataclass(frozen=True)
class Current:
    """The sum of its terms plus `bias`, one constant per channel."""

    terms: tuple[Term, ...]
    bias: Tensor | None = None

    @property
    def plain(self) -> bool:
        """Whether it consists of outputs of nodes, up to a number and pools, so that a linear layer may follow."""
        return self.bias is None and all(term.linear is None and term.scale.dim() == 0 for term in self.terms)

    def plus(self, other: Current) -> Current:
        """Return the sum of both currents."""
        return Current(self.terms + other.terms).shifted(self.bias).shifted(other.bias)

    def shifted(self, by: Tensor | None) -> Current:
        """Return the current plus a constant per channel."""
        if by is None:
            return self
        return replace(self, bias=by.double() if self.bias is None else self.bias + by)

    def through(self, name: str, layer: nn.Conv2d | nn.Linear) -> Current:
        """Return the output of a linear layer for this current, which must be plain."""
        terms = tuple(replace(term, linear=layer, name=name) for term in self.terms)
        return Current(terms).shifted(None if layer.bias is None else layer.bias.detach())

    def reshaped(self, name: str, by: nn.Module) -> Current:
        """Return the current behind a pool or a flattening; it must be plain."""
        return Current(tuple(replace(term, reshaped=(*term.reshaped, (name, by))) for term in self.terms))

    def normed(self, norm: _BatchNorm) -> Current:
        """Return the output of a norm in evaluation mode: y = factor (x - mean) + beta."""
        assert norm.running_var is not None
        assert norm.running_mean is not None
        factor = torch.rsqrt(norm.running_var.double() + norm.eps) * getattr(norm, "scale", 1.0)
        factor = factor if norm.weight is None else factor * norm.weight.detach()
        terms = tuple(replace(term, scale=term.scale * factor) for term in self.terms)
        shift = -norm.running_mean.double() if self.bias is None else self.bias - norm.running_mean
        return Current(terms, factor * shift).shifted(None if norm.bias is None else norm.bias.detach())
