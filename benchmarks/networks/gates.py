"""Gates of spikes: what they pass of two neurons' spikes is a spike again (Fang et al., NeurIPS 2021).

    and(b, r)  = b r             a spike where both neurons fire
    iand(b, r) = r (1 - b)       a spike of r where b does not fire

Both are meant for spikes of height 1. They are modules, so that what passes them can be counted.
"""

from __future__ import annotations

from torch import Tensor, nn


class And(nn.Module):
    """Two values of one shape -> their product."""

    def forward(self, spikes: Tensor, residual: Tensor) -> Tensor:
        return spikes * residual


class Iand(nn.Module):
    """Two values of one shape -> the second, where the first is 0 and not 1."""

    def forward(self, spikes: Tensor, residual: Tensor) -> Tensor:
        return residual * (1.0 - spikes)
