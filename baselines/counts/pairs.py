"""Runs a network on two signals at once: rates with a graph, and the spike trains that have them without one.

    rate  r = (1 / T) sum_t s_t   (B, ...)      train  s_t   (T*B, ...), row t * B + b

A layer that is linear is called on both: the mean of its outputs is its output for the mean. A part that treats the two
differently has a method `pair`. Backward therefore costs one step and keeps what one step keeps, whatever T; the trains
are dropped as soon as the next layer has read them. A neuron gives the rate that it has measured, with a slope of its
own (`measured`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, fx, nn

from baselines.wrapped import Wrapped

LINEAR = (nn.Conv2d, nn.Linear, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Identity, nn.Flatten)


class Pair(NamedTuple):
    """A rate `(B, ...)` with a graph and its train `(T*B, ...)` without one; or both of currents."""

    rate: Tensor
    train: Tensor


@runtime_checkable
class TreatsPairs(Protocol):
    """A module that does something else with rates than with trains."""

    def pair(self, pair: Pair) -> Pair | Tensor: ...


class Paired(Wrapped):
    """A network that is trained on pairs, and is itself in every other respect.

    `first_layer`: the class of the layer that gets the images, as currents of `timesteps` steps; its attribute `layer`
    is the layer proper. Parameters, buffers and their names are the network's. In training mode the parts are called on
    pairs, without hooks; NotImplementedError for a layer that is neither linear nor has a method `pair`. In evaluation
    mode, and while it is traced, the network itself runs.
    """

    def __init__(self, network: nn.Module, timesteps: int, first_layer: type[nn.Module]) -> None:
        super().__init__(network)
        self.timesteps, self.first_layer = timesteps, first_layer
        self._walk: _Walk | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the traced graph out: copies trace their own."""
        return {**vars(self), "_walk": None}

    def forward(self, x: Tensor) -> Tensor:
        """Images `(B, C, H, W)` or frames `(T, B, C, H, W)` -> logits `(B, classes)`."""
        (network,) = self._hidden
        logits: Tensor
        if not self.training or isinstance(x, fx.Proxy):
            logits = network.forward(x)
            return logits
        self._walk = self._walk or _Walk(network, self.timesteps, self.first_layer)
        logits = self._walk.run(x)
        return logits


class _Tracer(fx.Tracer):
    """Traces down to the first layer, modules that treat pairs, and modules without children."""

    def __init__(self, first_layer: type[nn.Module]) -> None:
        super().__init__()
        self.first_layer = first_layer

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, self.first_layer | TreatsPairs) or not any(m.children())


class _Walk(fx.Interpreter):
    """Walks a network's graph with pairs; values are freed behind their last use."""

    def __init__(self, network: nn.Module, timesteps: int, first_layer: type[nn.Module]) -> None:
        super().__init__(network, graph=_Tracer(first_layer).trace(network))
        self.timesteps, self.first_layer = timesteps, first_layer
        self.extra_traceback = False  # errors are one line

    def run(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().run(*args, **kwargs)
        finally:
            self.env = {}  # the last values would keep their graph alive

    def first(self, layer: nn.Module, x: Tensor) -> Pair:
        """Apply the layer that gets images; a static one gives the same current at every step."""
        current: Tensor = layer(x.mean(0) if x.dim() == 5 else x)
        with torch.no_grad():
            train = layer(x.flatten(0, 1)) if x.dim() == 5 else torch.cat([current] * self.timesteps)
        return Pair(current, train)

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        module = self.fetch_attr(target)
        if isinstance(module, self.first_layer):
            layer = module.layer
            assert isinstance(layer, nn.Module)
            return self.first(layer, *args)
        if isinstance(module, TreatsPairs):
            return module.pair(*args)
        if not isinstance(module, LINEAR):
            raise NotImplementedError(f"{target}: {type(module).__name__} is not linear, and has no method pair")
        return of_both(module, *args)

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if target not in (operator.add, operator.iadd, torch.add):
            raise NotImplementedError(f"{target} is not defined for a pair of rates and trains")
        return of_both(operator.add, *args)

    def call_method(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if target != "flatten":
            raise NotImplementedError(f"{target} is not defined for a pair of rates and trains")
        signal, *dims = args
        return of_both(lambda x: x.flatten(*dims), signal)


def of_both(function: Callable[..., Any], *pairs: Pair) -> Pair:
    """Apply a linear function to the rates, and without a graph to the trains."""
    with torch.no_grad():
        train = function(*(pair.train for pair in pairs))
    return Pair(function(*(pair.rate for pair in pairs)), train)
