"""A network that trains with norms, residual additions and neurons fused, and is itself in every other respect."""

from __future__ import annotations

import ctypes
from typing import Any, Self

import torch
from torch import Tensor, distributed, fx, nn

from baselines.fused.graph import Factories, fused

OWN = ("_modules", "_parameters", "_buffers", "_non_persistent_buffers_set")
"""What a fused network shares with the network it runs."""


class Fused(nn.Module):
    """A network whose norms, additions and neurons are fused in training mode (`baselines.fused.graph`).

    Layers, parameters, buffers and their names are the network's. `first_layer`: layers that are not traced further;
    `library`: compiled kernels for the `factories`. The network itself runs in evaluation mode, without a library, for
    input other than float32 on a CPU, under autocast, in one of several processes that train together, while it is
    traced, if a layer has hooks, and if its graph cannot be traced. If layers are exchanged the graph is traced again.
    """

    def __init__(
        self, network: nn.Module, first_layer: type[nn.Module], library: ctypes.CDLL | None, factories: Factories
    ) -> None:
        super().__init__()
        vars(self).update({name: vars(network)[name] for name in OWN})
        # hidden in tuples, because registered modules would give every parameter a second name
        self._hidden, self._arguments = (network,), (first_layer, library, factories)
        self._traced: _Traced | None = None
        self.train(network.training)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle the network; copies trace their own graphs."""
        own = {name: value for name, value in vars(self).items() if name not in (*OWN, "_hidden", "_traced")}
        return type(self), (self._hidden[0], *self._arguments), own

    def train(self, mode: bool = True) -> Self:
        self._hidden[0].training = mode
        return super().train(mode)

    def forward(self, x: Tensor) -> Tensor:
        (network,) = self._hidden
        graph = self.graph() if self.training and self._is_supported(x) else None
        logits: Tensor = network.forward(x) if graph is None else graph(x)
        return logits

    def graph(self) -> fx.GraphModule | None:
        """Return the network with fused layers, for training mode; None if the network itself has to run."""
        first_layer, library, factories = self._arguments
        if library is None or _several():
            return None
        if self._traced is None or self._traced.is_outdated():
            self._traced = _Traced(self._hidden[0], first_layer, library, factories)
        return None if self._traced.is_hooked() else self._traced.graph

    def _is_supported(self, x: Tensor) -> bool:
        traced = torch.jit.is_tracing() or torch.compiler.is_compiling()  # type: ignore[attr-defined]
        if type(x) is not Tensor or traced:
            return False
        return x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")


class _Traced:
    """A fused graph (None if the network cannot be traced) and the layers that the network had then."""

    def __init__(
        self, network: nn.Module, first_layer: type[nn.Module], library: ctypes.CDLL, factories: Factories
    ) -> None:
        self.layers = tuple(network.modules())
        self.children = [(layer._modules, dict(layer._modules)) for layer in self.layers]
        self.graph: fx.GraphModule | None
        try:
            self.graph = fused(network, first_layer, library, factories)
        except Exception:  # whatever a foreign layer does with a value that is not a tensor
            self.graph = None

    def is_outdated(self) -> bool:
        return any(now != then for now, then in self.children)

    def is_hooked(self) -> bool:
        """Whether a layer has hooks, which expect it to run."""
        kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
        return any(vars(layer)[kind] for layer in self.layers for kind in kinds)


def _several() -> bool:
    """Whether this process trains together with others, whose norms have statistics over all of them."""
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1
