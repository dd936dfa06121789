"""The exact engine: the released gradient of DSR at a lower cost.

DSR uses only G = T r(dL/dy), one (weighted) sum over time, of the gradient that reaches a layer of spikes. The input
gradient of the next linear layer therefore needs one convolution, of the sum, instead of T. A layer saves for backward
its spikes as bits, its currents before the norm, and one byte per neuron and image for the state of the clamp. The
norm's output and the emitted floats are never stored.

    a layer that rounds its operands (`dsr.precision`) rounds that sum, not the gradient of each step
    spikes carry a token with a graph, whose gradient is G
    currents `(T*B, ...)` are computed when a norm or neuron needs them, from all their terms at once
    norm and neuron are one function, whose backward is the clamp's and then the norm's
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from dsr.engine import exact_functions as functions
from dsr.engine import layout, packed
from dsr.engine.graph import Engine, EngineNetwork, track
from dsr.engine.inference import Inference
from dsr.engine.processes import moments_of_all
from dsr.engine.signals import Dense, Spikes, folded
from dsr.neurons import Neuron
from dsr.representation import Rate, at_every_step


class Exact(EngineNetwork):
    """A network of DSR neurons with the released code's gradient; arguments as `RepresentationSpace`.

    Without the compiled kernels, and with dropout, the network itself trains faster and is used, unless `always`.
    """

    def __init__(self, network: nn.Module, first_layer: type[nn.Module], always: bool = False) -> None:
        engines = _Training(network, first_layer, always), Inference(network, first_layer)
        super().__init__(network, *engines, (first_layer, always))


class Emitted(NamedTuple):
    """Spikes, and the token `(B, ...)` that receives their gradient; its values have no meaning."""

    spikes: Spikes
    token: Tensor


class Current(NamedTuple):
    """Currents not computed yet: pairs of linear layer (None: identity) and input, whose outputs are added."""

    terms: tuple[tuple[nn.Conv2d | nn.Linear | None, Emitted], ...]


class Normed(NamedTuple):
    """Dense currents with a graph, and a norm that is applied together with the neuron behind it."""

    currents: Dense
    norm: nn.BatchNorm1d | nn.BatchNorm2d


Signal = Emitted | Current | Normed | Dense


class _Training(Engine):
    kind = "the exact engine"

    def __init__(self, network: nn.Module, first_layer: type[nn.Module], always: bool) -> None:
        super().__init__(network, first_layer)
        self.always = always
        self.gradient_weights = [self.timesteps * w for w in self.weights]  # of the steps in G = T r(dL/dy)

    def serves(self, x: Tensor) -> bool:
        return not self.has_pre_hooks() and (self.always or (packed.serves(x) and not self.drops))

    def linear(self, layer: nn.Module, signal: Signal) -> Signal:
        if isinstance(signal, Emitted) and layout.packable(layer):
            assert isinstance(layer, nn.Conv2d | nn.Linear)
            return Current(((layer, signal),))
        return self.rowwise(layer, signal)

    def rowwise(self, layer: nn.Module, signal: Signal) -> Dense:
        dense = self.dense(signal)
        return Dense(layer(dense.currents), dense.repeated)

    def norm(self, norm: nn.BatchNorm1d | nn.BatchNorm2d, signal: Signal) -> Normed:
        return Normed(self.dense(signal), norm)

    def neuron(self, neuron: Neuron, signal: Signal) -> Emitted:
        if isinstance(signal, Normed) and signal.norm.training:
            return self._norm_and_neuron(signal.norm, neuron, signal.currents)
        currents = self.dense(signal)
        with torch.no_grad():
            spikes, state = self.trains.fire_and_clamp(Dense(currents.currents.detach(), currents.repeated), neuron)
        given = (neuron.threshold, state, neuron.dynamics(), self.trains, currents.repeated)
        token = functions.Neuron.apply(currents.currents, *given)
        return Emitted(spikes, token)

    def add(self, left: Signal, right: Signal) -> Signal:
        left, right = (Current(((None, s),)) if isinstance(s, Emitted) else s for s in (left, right))
        if isinstance(left, Current) and isinstance(right, Current):
            return Current(left.terms + right.terms)
        return Dense(self._steps(left) + self._steps(right))

    def read(self, rate: Rate, signal: Emitted) -> Tensor:
        measured = self.trains.weigh(signal.spikes, self.weights)
        value: Tensor = functions.Read.apply(signal.token, measured, self.timesteps * sum(w * w for w in self.weights))
        return value

    def dense(self, signal: Signal) -> Dense:
        """Return a signal's values with a graph."""
        if isinstance(signal, Emitted):
            return Dense(functions.Values.apply(signal.token, signal.spikes, self.gradient_weights, self.trains))
        if isinstance(signal, Normed):
            return Dense(signal.norm(self._steps(signal.currents)))
        if isinstance(signal, Dense):
            return signal
        emitted = tuple(e.spikes for _, e in signal.terms)
        layers = tuple(layer for layer, _ in signal.terms)
        inputs = [x for layer, e in signal.terms for x in (e.token, *_parameters(layer))]
        return Dense(functions.Currents.apply(layers, emitted, self.gradient_weights, self.trains, *inputs))

    def _steps(self, signal: Signal) -> Tensor:
        dense = self.dense(signal)
        return at_every_step(dense.currents, self.timesteps) if dense.repeated else dense.currents

    def _norm_and_neuron(self, norm: nn.BatchNorm1d | nn.BatchNorm2d, neuron: Neuron, current: Dense) -> Emitted:
        x = current.currents
        with torch.no_grad():
            count = x.numel() // x.shape[1] * (self.timesteps if current.repeated else 1)
            mean, variance, count = moments_of_all(*self.trains.moments(x.detach()), count)
            track(norm, mean, variance, count)
            invstd = torch.rsqrt(variance + norm.eps)
            scaled = Dense(x.detach(), current.repeated, *folded(norm.weight, norm.bias, mean, invstd))
            spikes, state = self.trains.fire_and_clamp(scaled, neuron)
        given = (norm.weight, norm.bias, neuron.threshold, mean, invstd, state, functions.token(x, state))
        token = functions.NormAndNeuron.apply(x, *given, neuron.dynamics(), self.trains, current.repeated)
        return Emitted(spikes, token)


def _parameters(layer: nn.Conv2d | nn.Linear | None) -> tuple[Tensor | None, Tensor | None]:
    return (None, None) if layer is None else (layer.weight, layer.bias)
