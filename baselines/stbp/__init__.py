"""STBP-tdBN (Zheng et al., AAAI 2021): surrogate gradients through time, and batch norm scaled by the threshold.

neuron      the neuron in torch, with its equations, and a readout by firing rates
dynamics    the constants of a neuron
compiled    the neuron on a CPU, in C (`stbp.c`)
triton      the neuron on a GPU
tdbn        the norm
stepwise    a norm with the statistics of each step by itself
arctangent  another surrogate, for neurons that follow Fang et al.
sew         the neurons of SEW ResNets
"""

from baselines.stbp.dynamics import Dynamics
from baselines.stbp.neuron import LIF, SpikeReadout, compile_neurons, kernels_for
from baselines.stbp.tdbn import ThresholdBatchNorm2d

__all__ = ["LIF", "Dynamics", "SpikeReadout", "ThresholdBatchNorm2d", "compile_neurons", "kernels_for"]
