"""Weight standardisation, which OTTT's own network has in place of norms (Xiao et al., NeurIPS 2022, as released).

    w' = g (w - mean) / sqrt(n var + eps)          of each output channel; n its inputs, var unbiased, g trained, from 1

With n var in place of var, a channel's weights have length 1. Their network multiplies spikes by 2.74.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


class Standardised(nn.Module):
    """w -> w', a parametrization of torch's: a layer's `weight` is w', its parameter `original` is w."""

    def __init__(self, channels: int, eps: float = 1e-4) -> None:
        super().__init__()
        self.gain, self.eps = nn.Parameter(torch.ones(channels)), eps

    def forward(self, weight: Tensor) -> Tensor:
        inputs, each = weight[0].numel(), (1, 2, 3)  # sums, because gradients of torch's means are not channels-last
        around = weight - weight.sum(each, keepdim=True) / inputs
        variance = around.square().sum(each, keepdim=True) / (inputs - 1)
        return around * (self.gain.view(-1, 1, 1, 1) * torch.rsqrt(inputs * variance + self.eps))


def standardise(network: nn.Module) -> nn.Module:
    """Standardise the weights of all convolutions. Returns the network."""
    for layer in [module for module in network.modules() if isinstance(module, nn.Conv2d)]:
        parametrize.register_parametrization(layer, "weight", Standardised(layer.out_channels))
    return network
