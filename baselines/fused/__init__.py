"""Norm, residual addition and neuron in one pass each way, for networks of any neuron.

network       the wrapper: a network that trains with fused layers
graph         where a network's layers can be fused
activations   norm and activation of conventional networks as one call
kernels       what they run, in C (`norms.c`)
"""

from baselines.fused.activations import FACTORIES, clamp, quantized_clamp, relu
from baselines.fused.graph import Call, Factories, Factory, Pair
from baselines.fused.kernels import SOURCE
from baselines.fused.network import Fused

__all__ = ["FACTORIES", "SOURCE", "Call", "Factories", "Factory", "Fused", "Pair", "clamp", "quantized_clamp", "relu"]
