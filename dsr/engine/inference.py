"""The spiking pass alone: no graph, nothing dense between a neuron and the next.

A current is an affine function of spike trains until a neuron needs it: convolutions, shortcuts, norms and amplitudes
gather in it as terms, a scale per channel and a shift, and the neuron's layer evaluates it step by step.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dsr.engine import layout, packed
from dsr.engine.graph import Engine
from dsr.engine.trains import Affine, Dense, Spikes, Term, Trains, per_channel, variance_over_time
from dsr.neurons import Neuron
from dsr.representation import Rate, lif_weights

Signal = Spikes | Affine | Dense


def trains_for(x: Tensor, timesteps: int, compute: torch.dtype | None = None) -> Trains:
    """Packed bits where the compiled kernels serve `x`, torch elsewhere or when another precision is asked for."""
    if compute is None and packed.serves(x):
        return packed.PackedTrains(timesteps)
    return Trains(timesteps, compute)


class Inference(Engine):
    """Spikes from images, with running statistics."""

    kind = "the spiking pass"
    trains: Trains

    def run(self, *args: Any, **kwargs: Any) -> Any:
        self.trains = trains_for(args[0], self.timesteps)
        return super().run(*args, **kwargs)

    def first(self, layer: nn.Module, x: Tensor) -> Dense:
        return Dense(layer(x.flatten(0, 1))) if x.dim() == 5 else Dense(layer(x), repeated=True)

    def linear(self, layer: nn.Module, signal: Signal) -> Signal:
        if isinstance(signal, Spikes) and (layout.packable(layer) or type(self.trains) is Trains):
            assert isinstance(layer, nn.Conv2d | nn.Linear)
            return Affine((Term(layer, signal),), layer.bias)
        return self.rowwise(layer, signal)

    def rowwise(self, layer: nn.Module, signal: Signal) -> Dense:
        if isinstance(signal, Dense) and signal.repeated:
            return Dense(layer(self.dense(signal)), repeated=True)
        return Dense(layer(self.dense(signal)))

    def norm(self, norm: nn.BatchNorm1d | nn.BatchNorm2d, signal: Signal) -> Signal:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        return self.normalise(norm, signal, norm.running_mean, torch.rsqrt(norm.running_var + norm.eps))

    def normalise(self, norm: nn.Module, signal: Signal, mean: Tensor, invstd: Tensor) -> Signal:
        """Fold `weight (signal - mean) invstd + bias` into a signal."""
        assert isinstance(norm.weight, Tensor)
        assert isinstance(norm.bias, Tensor)
        scale = norm.weight * invstd
        shift = norm.bias - mean * scale
        if isinstance(signal, Spikes):
            signal = Affine((Term(None, signal),))
        if isinstance(signal, Affine):
            return signal.normalised(scale, shift)
        if signal.scale is not None and signal.shift is not None:
            scale, shift = signal.scale * scale, signal.shift * scale + shift
        return Dense(signal.currents, signal.repeated, scale, shift)

    def time_variance(self, signal: Signal, weights: list[float]) -> Tensor | float:
        """Variance over time of the currents, per channel."""
        if isinstance(signal, Dense) and signal.repeated:
            return 0.0
        if isinstance(signal, Spikes):
            signal = Affine((Term(None, signal),))
        if isinstance(signal, Affine):
            return self.trains.time_variance(signal, weights)
        return variance_over_time(self.dense(signal), weights)

    def neuron(self, neuron: Neuron, signal: Signal) -> Spikes:
        if isinstance(signal, Spikes):
            signal = Affine((Term(None, signal),))
        return self.trains.fire(signal, neuron)

    def add(self, left: Signal, right: Signal) -> Signal:
        left, right = (Affine((Term(None, s),)) if isinstance(s, Spikes) else s for s in (left, right))
        if isinstance(left, Affine) and isinstance(right, Affine):
            return left + right
        return Dense(self.steps(left) + self.steps(right))

    def read(self, rate: Rate, signal: Spikes) -> Tensor:
        return self.trains.weigh(signal, weights_of(rate))

    def dense(self, signal: Signal) -> Tensor:
        """The signal's values, `(T*B, ...)`, or `(B, ...)` if they are repeated."""
        if isinstance(signal, Spikes):
            return self.trains.values(signal)
        if isinstance(signal, Affine):
            return self.trains.currents(signal)
        x = signal.currents
        if signal.scale is None or signal.shift is None:
            return x
        return x * per_channel(signal.scale, x) + per_channel(signal.shift, x)

    def steps(self, signal: Signal) -> Tensor:
        """The signal's values at every step, `(T*B, ...)`."""
        x = self.dense(signal)
        if isinstance(signal, Dense) and signal.repeated:
            return x.repeat(self.timesteps, *[1] * (x.dim() - 1))
        return x


def weights_of(rate: Rate) -> list[float]:
    """Weights of the T steps in a representation; they sum to 1."""
    if rate.tau is None or rate.dt is None:
        return [1.0 / rate.timesteps] * rate.timesteps
    return lif_weights(rate.timesteps, rate.tau, rate.dt)
