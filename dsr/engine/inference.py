"""The inference engine: the spiking pass without a graph, and without dense tensors between neurons.

A current is an affine function of spike trains until a neuron needs it. Convolutions, shortcuts, norms and amplitudes
accumulate in it as terms, a scale and a shift per channel, and the layer of neurons evaluates it step by step.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dsr.engine import layout
from dsr.engine.graph import Engine
from dsr.engine.signals import Affine, Dense, Spikes, Term, folded
from dsr.engine.trains import Trains, variance_over_time
from dsr.neurons import Neuron
from dsr.representation import Rate, at_every_step

Signal = Spikes | Affine | Dense


class Inference(Engine):
    """Runs a network on spikes, with the norms' running statistics. Calls `observe` for each layer of neurons."""

    kind = "the spiking pass"

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        signal = super().call_module(target, args, kwargs)
        if self.observe is not None and isinstance(self.fetch_attr(target), Neuron):
            self.observe(target, self.trains.count(signal))
        return signal

    def linear(self, layer: nn.Module, signal: Signal) -> Signal:
        if isinstance(signal, Spikes) and (layout.packable(layer) or type(self.trains) is Trains):
            assert isinstance(layer, nn.Conv2d | nn.Linear)
            return Affine((Term(layer, signal),), layer.bias)
        return self.rowwise(layer, signal)

    def rowwise(self, layer: nn.Module, signal: Signal) -> Dense:
        return Dense(layer(self.dense(signal)), isinstance(signal, Dense) and signal.repeated)

    def norm(self, norm: nn.BatchNorm1d | nn.BatchNorm2d, signal: Signal) -> Signal:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        return self.normalise(norm, signal, norm.running_mean, torch.rsqrt(norm.running_var + norm.eps))

    def normalise(self, norm: nn.Module, signal: Signal, mean: Tensor, invstd: Tensor) -> Signal:
        """Fold `weight (signal - mean) invstd + bias` into a signal."""
        assert isinstance(norm.weight, Tensor)
        assert isinstance(norm.bias, Tensor)
        scale, shift = folded(norm.weight, norm.bias, mean, invstd)
        signal = _current(signal)
        if isinstance(signal, Affine):
            return signal.normalised(scale, shift)
        if signal.scale is not None and signal.shift is not None:
            scale, shift = signal.scale * scale, signal.shift * scale + shift
        return Dense(signal.currents, signal.repeated, scale, shift)

    def time_variance(self, signal: Signal) -> Tensor | float:
        """Return the variance of the currents over time, per channel."""
        signal = _current(signal)
        if isinstance(signal, Affine):
            return self.trains.time_variance(signal, self.weights)
        return 0.0 if signal.repeated else variance_over_time(self.dense(signal), self.weights)

    def neuron(self, neuron: Neuron, signal: Signal) -> Spikes:
        return self.trains.fire(_current(signal), neuron)

    def add(self, left: Signal, right: Signal) -> Signal:
        left, right = _current(left), _current(right)
        if isinstance(left, Affine) and isinstance(right, Affine):
            return left + right
        return Dense(self.steps(left) + self.steps(right))

    def read(self, rate: Rate, signal: Spikes) -> Tensor:
        return self.trains.weigh(signal, self.weights)

    def dense(self, signal: Signal) -> Tensor:
        """Return the signal's values, `(T*B, ...)`, or `(B, ...)` if they are repeated."""
        if isinstance(signal, Spikes):
            return self.trains.values(signal)
        if isinstance(signal, Affine):
            return self.trains.currents(signal)
        return signal.scaled(signal.currents)

    def steps(self, signal: Signal) -> Tensor:
        """Return the signal's values at every step, `(T*B, ...)`."""
        x = self.dense(signal)
        if isinstance(signal, Dense) and signal.repeated:
            return at_every_step(x, self.timesteps)
        return x


def _current(signal: Signal) -> Affine | Dense:
    """Convert a signal to a current; spikes become the identity's."""
    return Affine((Term(None, signal),)) if isinstance(signal, Spikes) else signal
