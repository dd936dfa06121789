"""A neuron as a method of dsr-bench, in one file: LIF with the arctangent surrogate and a recipe of its own.

DSR_METHODS=examples/arctan_lif.py dsr-bench check arctan-lif
DSR_METHODS=examples/arctan_lif.py dsr-bench sweep quick --methods arctan-lif,stbp-tdbn
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.method import Method
from benchmarks.spec import Recipe, Run


class Spike(torch.autograd.Function):
    """[u > 0], differentiated as arctan(pi u) / pi + 1/2 (Fang et al. 2021, with alpha = 2)."""

    @staticmethod
    def forward(ctx: Any, u: Tensor) -> Tensor:
        ctx.save_for_backward(u)
        return (u > 0).to(u.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (u,) = ctx.saved_tensors
        return grad / (1 + (torch.pi * u) ** 2)


class LIF(nn.Module):
    """`(T*B, ...)` currents, row `t * B + b`, -> spikes of the same shape."""

    def __init__(self, timesteps: int, threshold: float = 1.0, decay: float = 0.5) -> None:
        super().__init__()
        self.timesteps, self.threshold, self.decay = timesteps, threshold, decay

    def spike_amplitude(self) -> float:
        """Says that this neuron spikes, and how high: operations behind it are accumulates."""
        return 1.0

    def forward(self, x: Tensor) -> Tensor:
        currents = x.unflatten(0, (self.timesteps, -1))
        held, spikes = torch.zeros_like(currents[0]), []
        for current in currents:
            held = self.decay * held + current
            spikes.append(Spike.apply(held - self.threshold))
            held = held * (1 - spikes[-1].detach())  # hard reset
        return torch.stack(spikes).flatten(0, 1)


def recipe(run: Run, usual: Recipe) -> Recipe:
    """What differs from DSR's recipe, at full scale."""
    return replace(usual, learning_rate=0.05, neuron={"threshold": 1.0, "decay": 0.5}, sources="ours, an example")


METHOD = Method("LIF, arctangent surrogate", LIF, recipe=recipe)
