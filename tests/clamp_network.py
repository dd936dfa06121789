"""The oracle of representation-space DSR: a network of clamps under autograd, at measured representations."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import dsr
from benchmarks.networks.parts import Parts
from benchmarks.networks.preact_resnet import PreActResNet
from benchmarks.networks.sew_resnet import SEWResNet

STEPS, CLASSES = 4, 7


class ClampNetworkNeuron(nn.Module):
    """A clamp differentiated by autograd, whose value is replaced by a measured one."""

    def __init__(self, threshold: Tensor, tau: float, dt: float) -> None:
        super().__init__()
        self.threshold = nn.Parameter(threshold.clone())
        self.tau, self.dt = tau, dt
        self.measured: Tensor

    def rate(self) -> nn.Module:
        return nn.Identity()

    def forward(self, mean: Tensor) -> Tensor:
        clamped = torch.minimum(torch.relu(mean / self.tau), self.threshold / self.dt)
        return clamped + (self.measured - clamped).detach()


class NormOverTime(nn.BatchNorm2d):
    """A batch norm whose variance is the images' plus one over time, which it is told."""

    over_time: Tensor | float = 0.0

    def forward(self, mean: Tensor) -> Tensor:
        over = [d for d in range(mean.dim()) if d != 1]
        count = mean.numel() // mean.shape[1] * STEPS
        centre, variance = mean.mean(over, keepdim=True), mean.var(over, correction=0, keepdim=True)
        variance = variance + torch.as_tensor(self.over_time, dtype=mean.dtype).broadcast_to(mean.shape[1]).view(
            centre.shape
        )
        with torch.no_grad():
            self.running_mean.lerp_(centre.flatten(), self.momentum)
            self.running_var.lerp_(variance.flatten() * count / (count - 1), self.momentum)
            self.num_batches_tracked.add_(1)
        shape = centre.shape
        return (mean - centre) / (variance + self.eps).sqrt() * self.weight.view(shape) + self.bias.view(shape)


Network = PreActResNet | SEWResNet


def clamp_network(network: Network, method: str) -> Network:
    tau, dt = (1.0, 0.1) if method == "dsr-lif" else (1.0, 1.0)
    given = Parts(
        timesteps=1,
        neuron=lambda: ClampNetworkNeuron(torch.tensor(1.0), tau, dt),
        norm=lambda features, branches=1: NormOverTime(features),
        readout=lambda features, classes, reencode=True: dsr.Readout(
            features, classes, lambda: ClampNetworkNeuron(torch.tensor(1.0), tau, dt), reencode
        ),
    )
    clamps = type(network)(given, (1, 1), (6, 8), CLASSES)
    clamps.readout.norm = NormOverTime(CLASSES)
    clamps.load_state_dict(network.state_dict())
    return clamps
