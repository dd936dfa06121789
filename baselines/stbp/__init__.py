"""STBP-tdBN: a surrogate gradient through time, and batch norm scaled by the threshold.

`neuron` holds the equations; `compiled` (CPU) and `triton` (GPU) run them in one pass.
"""

from baselines.stbp.neuron import LIF, Dynamics, SpikeReadout, compile_neurons, kernels_for
from baselines.stbp.tdbn import ThresholdBatchNorm2d

__all__ = ["LIF", "Dynamics", "SpikeReadout", "ThresholdBatchNorm2d", "compile_neurons", "kernels_for"]
