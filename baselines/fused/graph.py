"""Finds where a norm and a neuron follow each other in a network's graph (`torch.fx`) and puts one call in their place.

    neuron(norm(x))  ->  call(x, None)          neuron(norm(x + y))  ->  call(x, y)

A norm or a sum that anything else reads stays as it is.
"""

from __future__ import annotations

import ctypes
import operator
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

Call = Callable[[Tensor, Tensor | None], Any]
"""`call(x, residual)` returns neuron(norm(x + residual)), differentiable; `residual` may be None.

It reads its norm and neuron anew each time and falls back to them for input that its kernels do not support. A call
with an attribute `pairs = True` returns a `Pair` instead of a tensor.
"""

Factory = Callable[[_BatchNorm, nn.Module, ctypes.CDLL], Call | None]
"""`factory(norm, neuron, library)` makes the call for one place; None if these two cannot be fused."""

Factories = Mapping[type[nn.Module], Factory]
"""By the exact type of the neuron."""


class Pair(Protocol):
    """A neuron's output in two forms: `dense` for every layer, another one for the convolutions that read it."""

    dense: Tensor

    def convolution(self, layer: nn.Conv2d) -> Tensor:
        """Apply a convolution to the output, differentiable."""


class Tracer(fx.Tracer):
    """Traces down to the first layer, torch's own layers and modules without children."""

    def __init__(self, first_layer: type[nn.Module]) -> None:
        super().__init__()
        self.first_layer = first_layer

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        own = isinstance(m, self.first_layer) or not any(m.children())
        return own or super().is_leaf_module(m, module_qualified_name)


class _Called(nn.Module):
    """A call as a graph's module."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self.call = call

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Any:
        return self.call(x, residual)


class _Reading(nn.Module):
    """A convolution that reads a pair."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, pair: Pair) -> Tensor:
        return pair.convolution(self.layer)


def fused(
    network: nn.Module, first_layer: type[nn.Module], library: ctypes.CDLL, factories: Factories
) -> fx.GraphModule:
    """Trace a network and fuse what can be fused. The result shares the network's layers and frees values early."""
    graph = fx.GraphModule(network, Tracer(first_layer).trace(network))
    for node in list(graph.graph.nodes):
        norm = _norm_before(graph, node, factories)
        if norm is None:
            continue
        neuron, layer = module_of(graph, node), module_of(graph, norm)
        assert neuron is not None
        assert isinstance(layer, _BatchNorm)
        call = factories[type(neuron)](layer, neuron, library)
        if call is not None:
            _replace(graph, node, norm, call)
    graph.recompile()
    return graph


def _norm_before(graph: fx.GraphModule, node: fx.Node, factories: Factories) -> fx.Node | None:
    """Return the norm in front of a neuron that has a factory, if nothing else reads it."""
    if type(module_of(graph, node)) not in factories or len(node.args) != 1 or node.kwargs:
        return None
    norm = node.args[0]
    assert isinstance(norm, fx.Node)
    alone = len(norm.users) == 1 and len(norm.args) == 1 and not norm.kwargs
    return norm if isinstance(module_of(graph, norm), _BatchNorm) and alone else None


def _replace(graph: fx.GraphModule, neuron: fx.Node, norm: fx.Node, call: Call) -> None:
    (current,) = norm.args
    assert isinstance(current, fx.Node)
    operands, first = (current,), norm
    if _is_sum(current) and len(current.users) == 1:
        operands, first = current.args, current  # type: ignore[assignment]
    with graph.graph.inserting_before(first):
        made = _called(graph, f"fused_{norm.name}", _Called(call), operands)
        dense = graph.graph.call_function(getattr, (made, "dense")) if getattr(call, "pairs", False) else made
    neuron.replace_all_uses_with(dense)
    for node in (neuron, norm, current)[: 3 if first is current else 2]:
        graph.graph.erase_node(node)
    if dense is not made:
        _give_pairs(graph, made, dense)


def _give_pairs(graph: fx.GraphModule, pair: fx.Node, dense: fx.Node) -> None:
    """Let convolutions read the pair itself."""
    for user in list(dense.users):
        layer = module_of(graph, user)
        if isinstance(layer, nn.Conv2d) and user.args == (dense,):
            with graph.graph.inserting_before(user):
                reading = _called(graph, f"reading_{user.name}", _Reading(layer), (pair,))
            user.replace_all_uses_with(reading)
            graph.graph.erase_node(user)
    if not dense.users:
        graph.graph.erase_node(dense)


def _called(graph: fx.GraphModule, name: str, module: nn.Module, operands: tuple[Any, ...]) -> fx.Node:
    while hasattr(graph, name):
        name += "_"
    graph.add_submodule(name, module)
    return graph.graph.call_module(name, operands)


def _is_sum(node: fx.Node) -> bool:
    nodes = len(node.args) == 2 and all(isinstance(argument, fx.Node) for argument in node.args)
    return node.op == "call_function" and node.target in (operator.add, torch.add) and nodes and not node.kwargs


def module_of(graph: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return graph.get_submodule(str(node.target)) if node.op == "call_module" else None
