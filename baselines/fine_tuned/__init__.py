"""Spiking networks that start from a trained ANN and are then trained through time: DIET-SNN and hybrid training.

neuron       leaky neuron with a soft reset, trained threshold and leak; the late neuron of hybrid training is a flag
thresholds   first thresholds, from the currents of the spiking network itself, layer by layer
readout      the sum of output currents

Rathi and Roy, "DIET-SNN", arXiv 2008.03658; Rathi et al., "Enabling deep spiking neural networks with hybrid conversion
and spike timing dependent backpropagation", ICLR 2020.
"""

from baselines.fine_tuned.neuron import LIF
from baselines.fine_tuned.readout import Readout
from baselines.fine_tuned.thresholds import set_thresholds

__all__ = ["LIF", "Readout", "set_thresholds"]
