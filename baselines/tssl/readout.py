"""What TSSL-BP reads and lowers: filtered output spikes, and their distance from a filtered target train.

With k the synaptic filter of the neurons and d the spikes that the label's output neuron should emit, 0 for others:

    a = k * s,    loss = 1/2 sum over classes and steps of (a - k * d)^2,    decision: the largest sum of a over steps

Here are also the pool between layers and the bound on weights.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.tssl.neuron import Neuron


def kernel(timesteps: int, tau_synapse: float, times: int = 1) -> Tensor:
    """Return the filter, applied so many `times`, as a matrix `(T, T)`: what each step (row) gets of each (column)."""
    steps = torch.arange(timesteps)
    ago = steps[:, None] - steps
    decays = (1.0 - 1.0 / tau_synapse) ** ago.clamp(min=0).double()
    once = torch.where(ago >= 0, decays / tau_synapse, 0.0)
    return torch.linalg.matrix_power(once, times).float()


class SumPool2d(nn.AvgPool2d):
    """The sum of a window times 1.1, as the released code pools; no neuron behind it."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch names it)
        sides = self.kernel_size if isinstance(self.kernel_size, tuple) else (self.kernel_size,) * 2
        return super().forward(input) * (1.1 * sides[0] * sides[1])


class Readout(nn.Module):
    """Pooled features `(T*B, features)` -> the filtered spikes of output neurons: all steps in training, `(T, B,
    classes)`, else their mean `(B, classes)`, whose largest is the class with the largest sum.
    """

    every_step = True
    filter: Tensor

    def __init__(
        self, features: int, classes: int, neuron: Callable[[], nn.Module], timesteps: int, bias: bool = True
    ) -> None:
        super().__init__()
        self.timesteps = timesteps
        self.linear = nn.Linear(features, classes, bias=bias)
        with torch.random.fork_rng(devices=[]):  # what is drawn after the head is the same for every head
            nn.init.kaiming_normal_(self.linear.weight)
        self.neuron = neuron()
        assert isinstance(self.neuron, Neuron)
        self.register_buffer("filter", kernel(timesteps, self.neuron.dynamics.tau_synapse), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        spikes = self.neuron(self.linear(x)).view(self.timesteps, -1)
        steps = (self.filter @ spikes).view(self.timesteps, -1, self.linear.out_features)
        return steps if self.training else steps.mean(0)


def wanted(timesteps: int) -> Tensor:
    """The spikes that the label's neuron should emit, `(T,)`: of five steps the last four, from T = 10 on every other.

    The released code has this for T = 5 and multiples of 10, and nothing for a step alone, which here is to spike.
    """
    if timesteps == 1:
        return torch.ones(1)
    every = 2 if timesteps >= 10 else 5
    return (torch.arange(timesteps) % every > 0).float()


def kernel_loss(outputs: Tensor, labels: Tensor, tau_synapse: float, times: int = 1) -> Tensor:
    """Half the squared distance of filtered output spikes from a filtered target train; a mean over images.

    Outputs `(T, B, classes)`, labels `(B,)`. The target of the label's neuron is `wanted`, that of others silence.
    `times`: how often the target is filtered; outputs are filtered once. The released code filters it twice.
    """
    train = _train(len(outputs), tau_synapse, times, outputs.device).to(outputs.dtype)
    target = train[:, None, None] * F.one_hot(labels, outputs.shape[2])
    return 0.5 * (outputs - target).square().sum((0, 2)).mean()


@cache
def _train(timesteps: int, tau_synapse: float, times: int, device: torch.device) -> Tensor:
    """The filtered target of the label's neuron, `(T,)`, made once, so that no step waits for the host."""
    return (kernel(timesteps, tau_synapse, times) @ wanted(timesteps)).to(device)


@torch.no_grad()
def clip_weights(network: nn.Module, most: float = 4.0) -> None:
    """Keep the weights of convolutions and fully connected layers within +-`most`."""
    for parameter in network.parameters():
        if parameter.dim() > 1:
            parameter.clamp_(-most, most)
