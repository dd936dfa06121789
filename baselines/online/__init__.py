"""Training step by step: the temporal gradient is cut, so that backward follows every step and memory is flat in T.

neuron        the neuron of SLTT (Meng et al., ICCV 2023) and of OTTT (Xiao et al., NeurIPS 2022)
steps         a network that does one time step at a time, and goes backward at all of them or at some
traces        OTTT's layers, whose weights learn from decaying traces of their input
standardised  weight standardisation, which OTTT's own network has in place of norms
"""

from baselines.online.neuron import LIF, ThroughTime
from baselines.online.steps import Steps

__all__ = ["LIF", "Steps", "ThroughTime"]
