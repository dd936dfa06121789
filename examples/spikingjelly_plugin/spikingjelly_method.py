"""A SpikingJelly neuron as a method of dsr-bench: LIF with the arctangent surrogate, on every network, in every table.

pip install -e .[all] spikingjelly==2.0.0
pip install ./examples/spikingjelly_plugin
dsr-bench check spikingjelly-lif
dsr-bench sweep cifar10 --methods spikingjelly-lif --timesteps 4
"""

from spikingjelly.activation_based import neuron, surrogate
from torch import Tensor, nn

from benchmarks.method import Method


class LIF(nn.Module):
    """`(T*B, ...)` currents, row `t * B + b`, -> spikes of the same shape."""

    def __init__(self, timesteps: int, tau: float = 2.0, threshold: float = 0.5) -> None:
        super().__init__()
        self.timesteps = timesteps
        self.neuron = neuron.LIFNode(
            tau=tau, v_threshold=threshold, surrogate_function=surrogate.ATan(), detach_reset=True, step_mode="m"
        )

    def spike_amplitude(self) -> float:
        """Says that this neuron spikes, and how high: operations behind it are accumulates."""
        return 1.0

    def forward(self, x: Tensor) -> Tensor:
        self.neuron.reset()  # nothing is carried to the next batch
        return self.neuron(x.unflatten(0, (self.timesteps, -1))).flatten(0, 1)


METHOD = Method("SpikingJelly's LIF, arctangent surrogate", LIF)
