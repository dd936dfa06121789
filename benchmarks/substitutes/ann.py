"""The ANN: the network as it is."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from benchmarks.method import Substitutes
from benchmarks.substitutes.fused import fused


def relu(timesteps: int) -> nn.Module:
    """ReLU, whatever T."""
    return nn.ReLU()


METHODS: Mapping[str, Substitutes] = {"ann": Substitutes(relu, wrap=fused)}
