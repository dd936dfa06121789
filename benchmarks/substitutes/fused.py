"""How networks without spikes are run: norms, additions and activations in one pass each."""

from __future__ import annotations

from torch import nn

import baselines.fused
import dsr
import dsr.engine
from benchmarks.networks.parts import DirectCoding
from benchmarks.spec import Recipe


def fused(network: nn.Module, timesteps: int, recipe: Recipe) -> nn.Module:
    """A network of ReLUs, clamps or quantised clamps that trains with compiled kernels."""
    library, _ = dsr.engine.kernels.load(baselines.fused.SOURCE)
    factories: baselines.fused.Factories = {
        **baselines.fused.FACTORIES,
        dsr.ReLU: baselines.fused.relu,
        dsr.Clamp: baselines.fused.clamp,
        dsr.Quantized: baselines.fused.quantized_clamp,
    }
    return baselines.fused.Fused(network, DirectCoding, library, factories)
