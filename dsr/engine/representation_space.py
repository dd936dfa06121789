"""Differentiation in representation space: spikes go forward without a graph, gradients go through representations.

Two signals pass through the network: the representation r `(B, ...)` with a graph, and spikes without one.

    linear layers   act on both; a convolution of the mean is the mean of the convolutions
    norms           divide by the standard deviation of the currents over images, pixels and time, so that currents
                    have the same scale as in `dsr.engine.exact`. The variance over time is not visible in a
                    representation; it is measured on the spikes and has no gradient. The spikes' currents get the same
                    affine map
    dropout         drops spikes, or values behind pools, independently at each step; its gradient is the (weighted)
                    share of steps kept
    neurons         simulate T steps; their value is the measured representation, their gradient that of the clamp:
                    dL/dI = G / tau where 0 <= I / tau <= ceiling, dL/dV = c sum G where I / tau > ceiling

with the (weighted) mean current I and the ceiling V (IF) or V / dt (LIF). c is 1 for IF. For LIF it is dt, not the
clamp's own 1 / dt, as in `dsr.neurons`, so that the ceilings of both move at the same rate for the same learning rate.
Backward costs one time step, and its memory does not grow with T.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from dsr.dynamics import Dynamics
from dsr.engine import inference
from dsr.engine.exact_functions import NormAndNeuron
from dsr.engine.graph import Engine, EngineNetwork, track
from dsr.engine.inference import Inference
from dsr.engine.processes import moments_of_all
from dsr.engine.signals import Dense, Spikes, folded
from dsr.engine.trains import Trains
from dsr.neurons import Neuron
from dsr.representation import Rate


class Normed(NamedTuple):
    """A current `(B, ...)`, and a norm with the given statistics that is applied together with the neuron behind it."""

    current: Tensor
    norm: nn.BatchNorm1d | nn.BatchNorm2d
    mean: Tensor
    invstd: Tensor


class Signal(NamedTuple):
    """The signal between layers: the representation `(B, ...)`, and the signal of the spiking pass."""

    representation: Tensor | Normed
    spiking: inference.Signal


class RepresentationSpace(EngineNetwork):
    """A network of DSR neurons, differentiated in representation space in training mode.

    In evaluation mode it computes the network's own function. Parameters, buffers and their names are the network's.
    `first_layer` is the class of the layer that receives analog input; its attribute `layer` is the layer proper.
    Images `(B, C, H, W)` are repeated at every step; frames are `(T, B, C, H, W)`. Layers may round their operands
    (`dsr.precision`).
    """

    def __init__(self, network: nn.Module, first_layer: type[nn.Module]) -> None:
        spiking = Inference(network, first_layer)
        super().__init__(network, _Training(network, first_layer, spiking), spiking, (first_layer,))


class _Training(Engine):
    kind = "representation space"

    def __init__(self, network: nn.Module, first_layer: type[nn.Module], spiking: Inference) -> None:
        super().__init__(network, first_layer)
        self.spiking = spiking

    def serves(self, x: Tensor) -> bool:
        if self.has_pre_hooks():
            raise NotImplementedError(f"layers with forward pre-hooks (pruning) cannot be trained in {self.kind}")
        if torch.is_autocast_enabled(x.device.type):
            raise NotImplementedError(f"autocast cannot be used in {self.kind}; use dsr.precision instead")
        return True

    def prepare(self, x: Tensor) -> None:
        super().prepare(x)
        if self.drops:  # packed spikes cannot be dropped
            self.trains = Trains(self.timesteps)
        self.spiking.trains = self.trains

    def first(self, layer: nn.Module, x: Tensor) -> Signal:
        if x.dim() == 5:
            with torch.no_grad():
                spiking = self.spiking.first(layer, x)
            return Signal(layer(self.timing(x.flatten(0, 1))), spiking)
        current = layer(x)
        return Signal(current, Dense(current.detach(), repeated=True))

    def linear(self, layer: nn.Module, signal: Signal) -> Signal:
        with torch.no_grad():
            spiking = self.spiking.linear(layer, signal.spiking)
        return Signal(layer(self._value(signal)), spiking)

    def rowwise(self, layer: nn.Module, signal: Signal) -> Signal:
        with torch.no_grad():
            spiking = self.spiking.rowwise(layer, signal.spiking)
        return Signal(layer(self._value(signal)), spiking)

    def norm(self, norm: nn.BatchNorm1d | nn.BatchNorm2d, signal: Signal) -> Signal:
        current = self._value(signal)
        if not norm.training:
            with torch.no_grad():
                spiking = self.spiking.norm(norm, signal.spiking)
            return Signal(norm(current), spiking)
        with torch.no_grad():
            mean, variance = self.trains.moments(current.detach())
            variance += self.spiking.time_variance(signal.spiking)  # each process samples for itself
            count = current.numel() // current.shape[1] * self.timesteps
            mean, variance, count = moments_of_all(mean, variance, count)
            track(norm, mean, variance, count)
            invstd = torch.rsqrt(variance + norm.eps)
            spiking = self.spiking.normalise(norm, signal.spiking, mean, invstd)
        return Signal(Normed(current, norm, mean, invstd), spiking)

    def neuron(self, neuron: Neuron, signal: Signal) -> Signal:
        dynamics = neuron.dynamics()
        with torch.no_grad():
            spikes = self.spiking.neuron(neuron, signal.spiking)
            measured = self.trains.weigh(spikes, dynamics.weights)
        if isinstance(signal.representation, Normed):
            return Signal(self._norm_and_clamp(signal.representation, neuron, measured, dynamics), spikes)
        value: Tensor = _Clamp.apply(signal.representation, neuron.threshold, measured, dynamics, self.trains)
        return Signal(value, spikes)

    def _norm_and_clamp(self, normed: Normed, neuron: Neuron, measured: Tensor, dynamics: Dynamics) -> Tensor:
        current, norm, mean, invstd = normed
        with torch.no_grad():
            scaled = Dense(current.detach(), True, *folded(norm.weight, norm.bias, mean, invstd))
            state = self.trains.clamp_state(scaled, [1.0], dynamics.ceiling(neuron.threshold), closed=True)
        given = (norm.weight, norm.bias, neuron.threshold, mean, invstd, state, measured, dynamics, self.trains, True)
        value: Tensor = NormAndNeuron.apply(current, *given)
        return value

    def _value(self, signal: Signal) -> Tensor:
        """Return the representation; apply a norm that has no neuron behind it."""
        if not isinstance(signal.representation, Normed):
            return signal.representation
        current, norm, mean, invstd = signal.representation
        value: Tensor = _Norm.apply(current, norm.weight, norm.bias, mean, invstd, self.trains)
        return value

    def dropout(self, layer: nn.Dropout, signal: Signal) -> Signal:
        with torch.no_grad():
            spikes, kept = self._dropped(signal.spiking, layer.p)
            measured = self.trains.sum_over_time(self.spiking.steps(spikes), self.weights)
            share = self.trains.sum_over_time(kept.to(measured.dtype), self.weights) / (1.0 - layer.p)
        passed = share * self._value(signal)
        return Signal(measured + (passed - passed.detach()), spikes)

    def _dropped(self, signal: inference.Signal, share: float) -> tuple[inference.Signal, Tensor]:
        if isinstance(signal, Spikes):
            return self.trains.dropped(signal, share)
        values = self.spiking.steps(signal)
        kept = torch.rand_like(values) >= share
        return Dense(values * kept / (1.0 - share)), kept

    def add(self, left: Signal, right: Signal) -> Signal:
        with torch.no_grad():
            spiking = self.spiking.add(left.spiking, right.spiking)
        return Signal(self._value(left) + self._value(right), spiking)

    def read(self, rate: Rate, signal: Signal) -> Tensor:
        return self._value(signal)


class _Norm(torch.autograd.Function):
    """Batch norm with given statistics; its gradient includes mean and variance over images, not variance over time."""

    @staticmethod
    def forward(
        ctx: Any, current: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, invstd: Tensor, trains: Trains
    ) -> Tensor:
        ctx.save_for_backward(current, weight, mean, invstd)
        ctx.trains = trains
        return Dense(current, True, *folded(weight, bias, mean, invstd)).scaled(current)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        current, weight, mean, invstd = ctx.saved_tensors
        return *ctx.trains.norm_backward(grad, current, mean, invstd, weight), None, None, None


class _Clamp(torch.autograd.Function):
    """Its value is the measured representation, its gradient that of the clamp at the mean current."""

    @staticmethod
    def forward(
        ctx: Any, mean: Tensor, threshold: Tensor, measured: Tensor, dynamics: Dynamics, trains: Trains
    ) -> Tensor:
        state = trains.clamp_state(Dense(mean, repeated=True), [1.0], dynamics.ceiling(threshold), closed=True)
        ctx.save_for_backward(state)
        ctx.dynamics, ctx.trains = dynamics, trains
        return measured

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (state,) = ctx.saved_tensors
        grad_mean, saturated = ctx.trains.clamp_backward(grad, state, 1.0 / ctx.dynamics.tau)
        return grad_mean, ctx.dynamics.threshold_gain * saturated, None, None, None
