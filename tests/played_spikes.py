"""A network's operations by brute force: its spikes are recorded, and played back as ones through its layers."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Played(nn.Module):
    """A layer of neurons that plays back its spikes, as ones."""

    def __init__(self, spikes: Tensor) -> None:
        super().__init__()
        self.spikes = spikes

    def forward(self, x: Tensor) -> Tensor:
        return self.spikes


def brute_force(network: nn.Module, x: Tensor) -> tuple[dict[str, int], dict[str, int]]:
    """By layer: accumulates, and multiplications of nonzero values. Its input has a unit for each spike.

    Spikes are recorded and played back as ones through the same network, whose average pools add up. A convolution with
    ones in place of weights then gives the operations.
    """
    found: tuple[dict[str, int], dict[str, int]] = {}, {}
    recorded: dict[str, Tensor] = {}
    hooks = [
        module.register_forward_hook(lambda _, __, out, name=name: recorded.update({name: (out != 0).double()}))
        for name, module in network.named_modules()
        if hasattr(module, "spike_amplitude")
    ]
    with torch.no_grad():
        network(x)
    for hook in hooks:
        hook.remove()
    played = copy.deepcopy(network).double()
    for name, spikes in recorded.items():
        played.set_submodule(name, Played(spikes))
    for name, module in played.named_modules():
        if isinstance(module, nn.AvgPool2d):
            module.divisor_override = 1
        if isinstance(module, nn.Conv2d | nn.Linear) and ".layer" not in name:
            module.register_forward_hook(lambda layer, inputs, _, name=name: _reached(layer, inputs[0], name, found))
    pool = played.pool
    assert isinstance(pool, nn.AdaptiveAvgPool2d)
    played.pool = Total()
    with torch.no_grad():
        played(x.double())
    return found


class Total(nn.Module):
    """A global pool that adds up."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sum((2, 3), keepdim=True)


def _reached(layer: nn.Module, x: Tensor, name: str, found: tuple[dict[str, int], dict[str, int]]) -> None:
    ones = torch.ones_like(layer.weight)
    for counts, values in zip(found, (x, (x != 0).double()), strict=True):
        if isinstance(layer, nn.Linear):
            counts[name] = round(F.linear(values, ones).sum().item())
        else:
            counts[name] = round(F.conv2d(values, ones, None, layer.stride, layer.padding).sum().item())
