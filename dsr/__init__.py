"""Differentiation on Spike Representation (Meng et al., CVPR 2022): neurons, representations, readout.

Depends on torch alone and on nothing else of this repository: copy the folder into your own project if you like.
Tensors are time-major with time folded into the batch: row `t * B + b` of a `(T*B, ...)` tensor is image b at step t.
"""

from dsr.clamp import Clamp, Quantized
from dsr.engine.exact import Exact
from dsr.engine.representation_space import RepresentationSpace
from dsr.hybrid import ReLU, set_thresholds
from dsr.neurons import IF, LIF
from dsr.readout import Readout
from dsr.representation import firing_rate, weighted_firing_rate
from dsr.start import bound_gradient

__all__ = [
    "IF",
    "LIF",
    "Clamp",
    "Exact",
    "Quantized",
    "ReLU",
    "Readout",
    "RepresentationSpace",
    "bound_gradient",
    "firing_rate",
    "set_thresholds",
    "weighted_firing_rate",
]
