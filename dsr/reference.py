"""A readable reference implementation of DSR's neurons with the released code's semantics, slow by design.

Time is folded into the batch, tensors are dense and in the input's dtype, a Python loop runs over the steps, and the
currents of every step are saved for backward. `dsr.neurons` has the equations. The file shares no code with the fast
neurons and engines, so that tests can compare them with it.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from dsr.representation import Rate


class _Spiking(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, threshold: Tensor, neuron: ReferenceNeuron) -> Tensor:
        ctx.save_for_backward(x, threshold)
        ctx.neuron = neuron
        membrane = torch.zeros_like(x.chunk(neuron.timesteps)[0])
        emitted = []
        for current in x.chunk(neuron.timesteps):
            membrane = neuron.leak * membrane + neuron.gain * current
            spike = (membrane >= neuron.alpha * threshold).to(x.dtype)
            membrane = membrane - threshold * spike
            emitted.append(spike * threshold / neuron.dt)
        return torch.cat(emitted)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        x, threshold = ctx.saved_tensors
        neuron = ctx.neuron
        mean, total = neuron.mean(x) / neuron.tau, neuron.timesteps * neuron.mean(grad)
        ceiling = threshold / neuron.dt
        inside, at_an_end = (mean > 0) & (mean < ceiling), (mean == 0) | (mean == ceiling)
        is_open = inside | at_an_end if neuron.leak == 1.0 else inside  # as released: the IF's clamp includes its ends
        per_step = total * is_open / (neuron.timesteps * neuron.tau)
        return torch.cat([per_step] * neuron.timesteps), neuron.dt * (total * (mean > ceiling)).sum(), None


class ReferenceNeuron(nn.Module):
    """IF for `tau=None`, else LIF; arguments and parameters as for `dsr.IF` and `dsr.LIF`."""

    def __init__(
        self,
        timesteps: int,
        threshold: float = 6.0,
        alpha: float = 0.5,
        threshold_floor: float = 0.01,
        tau: float | None = None,
        dt: float = 1.0,
    ) -> None:
        super().__init__()
        self.timesteps, self.alpha, self.threshold_floor = timesteps, alpha, threshold_floor
        self.tau, self.dt = 1.0 if tau is None else tau, 1.0 if tau is None else dt
        self.leak = 1.0 if tau is None else math.exp(-dt / tau)
        self.gain = 1.0 if tau is None else 1.0 - self.leak
        self.threshold = nn.Parameter(torch.tensor(float(threshold)))

    def mean(self, x: Tensor) -> Tensor:
        """Return the weighted mean over time, `(T*B, ...) -> (B, ...)`; with a leak later steps have larger weights."""
        weights = [self.leak ** (self.timesteps - t) for t in range(1, self.timesteps + 1)]
        steps = x.chunk(self.timesteps)
        return sum((w * step for w, step in zip(weights, steps, strict=True)), torch.zeros_like(steps[0])) / sum(
            weights
        )

    def rate(self) -> Rate:
        """Return the layer that reads this neuron's representation."""
        return Rate(self.timesteps) if self.leak == 1.0 else Rate(self.timesteps, self.tau, self.dt)

    def forward(self, x: Tensor) -> Tensor:
        """Input currents `(T*B, ...)` -> emitted values, same shape."""
        with torch.no_grad():
            self.threshold.clamp_(min=self.threshold_floor)
        out: Tensor = _Spiking.apply(x, self.threshold, self)
        return out
