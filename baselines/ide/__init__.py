"""IDE (Xiao et al., NeurIPS 2021): spiking networks with feedback, differentiated at their equilibrium.

neuron        IF and LIF with soft reset, one step at a time, and the clamp that their rate tends to
spectral      the bound on the weights that feed back
adjoint       GMRES for the linear system of the gradient
equilibrium   the network: simulated for T steps, differentiated implicitly
"""

from baselines.dropout import HeldDropout
from baselines.ide.adjoint import solve
from baselines.ide.equilibrium import At, Equilibrium
from baselines.ide.neuron import Neuron
from baselines.ide.spectral import SpectralBound, bound

__all__ = ["At", "Equilibrium", "HeldDropout", "Neuron", "SpectralBound", "bound", "solve"]
