"""ANNs whose activations have as many bits as it takes to tell the rates of T steps apart."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

import baselines.lsq
from benchmarks.method import Substitutes
from benchmarks.substitutes.fused import fused


def _lsq(timesteps: int) -> nn.Module:
    """T + 1 values need ceil(log2(T + 1)) bits, which is the length of T in binary."""
    return baselines.lsq.Activation(timesteps.bit_length())


METHODS: Mapping[str, Substitutes] = {"lsq-ann": Substitutes(_lsq, wrap=fused)}
