"""The smallest method: a leaky integrate-and-fire neuron with a sigmoid surrogate gradient.

DSR_METHODS=examples/sigmoid_lif.py dsr-bench check sigmoid-lif
DSR_METHODS=examples/sigmoid_lif.py dsr-bench sweep quick --methods sigmoid-lif,stbp-tdbn
"""

import torch
from torch import nn

from benchmarks.method import Method


class LIF(nn.Module):
    def __init__(self, timesteps, threshold=1.0, decay=0.5):
        super().__init__()
        self.timesteps, self.threshold, self.decay = timesteps, threshold, decay

    def spike_amplitude(self):
        return 1.0

    def forward(self, x):  # currents (T*B, ...) -> spikes, same shape
        membrane, spikes = 0.0, []
        for current in x.unflatten(0, (self.timesteps, -1)):
            membrane = self.decay * membrane + current
            soft = torch.sigmoid(4 * (membrane - self.threshold))
            spikes.append((membrane > self.threshold).to(x.dtype) + (soft - soft.detach()))
            membrane = membrane * (1 - spikes[-1].detach())  # hard reset
        return torch.stack(spikes).flatten(0, 1)


METHOD = Method("LIF, sigmoid surrogate", LIF)
