"""TSSL-BP (Zhang and Li, NeurIPS 2020): gradients of spike times behind a synaptic filter.

neuron        filter and LIF neuron, with their gradient
readout       filtered output spikes, the loss, the pool between layers, the bound on weights
"""

from baselines.tssl.neuron import Neuron
from baselines.tssl.readout import Readout, SumPool2d, clip_weights, kernel, kernel_loss, wanted

__all__ = ["Neuron", "Readout", "SumPool2d", "clip_weights", "kernel", "kernel_loss", "wanted"]
