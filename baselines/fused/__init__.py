"""Norm, residual addition and neuron in one pass each way, for networks of any neuron.

network     the wrapper: a network that trains with fused layers
graph       where a network's layers can be fused
"""

from baselines.fused.graph import Call, Factories, Factory, Pair
from baselines.fused.network import Fused

__all__ = ["Call", "Factories", "Factory", "Fused", "Pair"]
