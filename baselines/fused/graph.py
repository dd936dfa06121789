"""Finds where a norm and a neuron follow each other in a network's graph (`torch.fx`) and puts one call in their place.

    neuron(norm(x))      ->  call(x)
    neuron(norm(x + y))  ->  call(x, y)
    neuron(norm(x) + z)  ->  call(x, None, z)      and both sums at once

A norm or a sum that anything else reads stays as it is.
"""

from __future__ import annotations

import ctypes
import operator
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

Call = Callable[..., Any]
"""`call(x, residual=None)` returns neuron(norm(x + residual)), differentiable.

It reads its norm and neuron anew each time and falls back to them for input that its kernels do not support. A call
with an attribute `adds_after = True` takes a third map, which is added behind the norm. One with `pairs = True` returns
a `Pair` instead of a tensor.
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

    def forward(self, x: Tensor, *others: Tensor | None) -> Any:
        return self.call(x, *others)


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
        place = _place(graph, node) if type(module_of(graph, node)) in factories else None
        if place is None:
            continue
        norm, neuron = module_of(graph, place.norm), module_of(graph, node)
        assert isinstance(norm, _BatchNorm)
        assert neuron is not None
        call = factories[type(neuron)](norm, neuron, library)
        if call is not None and (len(place.operands) < 3 or getattr(call, "adds_after", False)):
            _replace(graph, place, call)
    graph.recompile()
    return graph


class _Place(NamedTuple):
    """Where a call goes: before `at`, a node of `replaced`, which are in the order in which they can be erased."""

    norm: fx.Node
    operands: tuple[fx.Node | None, ...]
    at: fx.Node
    replaced: tuple[fx.Node, ...]


def _place(graph: fx.GraphModule, neuron: fx.Node) -> _Place | None:
    """Return the norm in front of a neuron and what is added before and behind it; None without such a norm."""
    if len(neuron.args) != 1 or neuron.kwargs:
        return None
    (source,) = neuron.args
    assert isinstance(source, fx.Node)
    if _is_norm(graph, source):
        operands, sums = _operands(source)
        return _Place(source, operands, (*sums, source)[0], (neuron, source, *sums))
    for norm, other in (source.args, source.args[::-1]) if _is_sum(source) else ():
        assert isinstance(norm, fx.Node)
        assert isinstance(other, fx.Node)
        if _is_norm(graph, norm) and norm is not other:
            operands, sums = _operands(norm)
            both = operands if len(operands) == 2 else (*operands, None)
            return _Place(norm, (*both, other), source, (neuron, source, norm, *sums))
    return None


def _operands(norm: fx.Node) -> tuple[tuple[fx.Node, ...], tuple[fx.Node, ...]]:
    """Return what a norm reads: the operands of a sum, and the sum; or its input, and nothing."""
    (current,) = norm.args
    assert isinstance(current, fx.Node)
    return (current.args, (current,)) if _is_sum(current) else ((current,), ())  # type: ignore[return-value]


def _replace(graph: fx.GraphModule, place: _Place, call: Call) -> None:
    with graph.graph.inserting_before(place.at):
        made = _called(graph, f"fused_{place.norm.name}", _Called(call), place.operands)
        dense = graph.graph.call_function(getattr, (made, "dense")) if getattr(call, "pairs", False) else made
    place.replaced[0].replace_all_uses_with(dense)
    for node in place.replaced:
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


def _is_norm(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a node is a norm that nothing but one node reads."""
    return isinstance(module_of(graph, node), _BatchNorm) and len(node.args) == len(node.users) == 1 and not node.kwargs


def _is_sum(node: fx.Node) -> bool:
    """Whether a node is a sum of two values that nothing but one node reads."""
    nodes = len(node.args) == 2 and all(isinstance(argument, fx.Node) for argument in node.args)
    sums = node.op == "call_function" and node.target in (operator.add, torch.add)
    return sums and nodes and len(node.users) == 1 and not node.kwargs


def module_of(graph: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return graph.get_submodule(str(node.target)) if node.op == "call_module" else None
