"""Surrogate gradients through time: STBP-tdBN (Zheng et al., AAAI 2021), STBP's NeuNorm, and PLIF.

neuron      STBP's neuron in torch, with its equations, and a readout by firing rates
dynamics    the constants of a neuron
layout      how currents lie in memory
compiled    the neuron on a CPU, in C (`stbp.c`)
triton      the neuron on a GPU
tdbn        STBP-tdBN's norm, scaled by the threshold
normed      that norm and the neuron in one pass each way
reading     convolutions of spikes that keep bits for backward
arctangent  another surrogate, for neurons that follow Fang et al.
plif        PLIF's neuron, whose leak is trained
sew         the neurons of SEW ResNets
stepwise    a batch norm with the statistics of each step by itself
neunorm     a norm behind the neuron
"""

from baselines.stbp.dynamics import Dynamics
from baselines.stbp.neuron import LIF, SpikeReadout, compile_neurons, kernels_for
from baselines.stbp.tdbn import ThresholdBatchNorm2d

__all__ = ["LIF", "Dynamics", "SpikeReadout", "ThresholdBatchNorm2d", "compile_neurons", "kernels_for"]
