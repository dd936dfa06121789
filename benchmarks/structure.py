"""A network's structure as operations see it: which layer is fed by which neuron, and how far a value reaches.

Read off the network's graph (`torch.fx`), so that whether a layer's input is spikes follows from what it is connected
to. `fanout` counts, for every pixel a neuron emits at, the operations one nonzero value there causes in the layer.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from benchmarks.networks.parts import DirectCoding
from benchmarks.pools import POOLS, pooled, sum_pool

TRANSPARENT = (nn.Identity, nn.Dropout, nn.Flatten)
NORMS = (nn.modules.batchnorm._BatchNorm,)


@dataclass(frozen=True)
class Layer:
    """One place where operations happen. `fanout` (H, W) or (): operations per nonzero value of the origin there."""

    name: str
    origin: str | None
    spiking: bool
    dense_macs: int
    padded_macs: int
    fanout: Tensor | None


@dataclass(frozen=True)
class Structure:
    """All operations of a network, and its neurons with their number per image and step."""

    layers: list[Layer]
    neurons: dict[str, int]


def structure(network: nn.Module, example: Tensor) -> Structure:
    """Trace a network; `example` is one image `(1, C, H, W)`. The network must be in evaluation mode."""
    graph = fx.GraphModule(network, Tracer().trace(network))
    shapes = _Shapes(graph)
    with torch.no_grad():
        shapes.run(example)
    nodes = [node for node in graph.graph.nodes if _is_neuron(graph, node)]
    neurons = {str(node.target): shapes.of[node][1:].numel() for node in nodes}
    return Structure(list(_layers(graph, shapes.of)), neurons)


class Tracer(fx.Tracer):
    """Leaves are modules without children (norms, convolutions), spiking neurons and the first layer."""

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        return isinstance(module, DirectCoding) or spikes(module) or not any(module.children())


class _Shapes(fx.Interpreter):
    """Runs one image through the graph and keeps every node's shape."""

    def __init__(self, network: fx.GraphModule) -> None:
        super().__init__(network)
        self.of: dict[fx.Node, torch.Size] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, Tensor):
            self.of[n] = value.shape
        return value


def _layers(graph: fx.GraphModule, shapes: dict[fx.Node, torch.Size]) -> Iterator[Layer]:
    for node in graph.graph.nodes:
        module = _module(graph, node)
        if isinstance(module, DirectCoding):
            shape = shapes[node.all_input_nodes[0]]
            yield _linear_map(node.target + ".layer", module.layer, shape[-3:], shapes[node][1:], None, False, [])
        elif isinstance(module, nn.Conv2d | nn.Linear):
            origin, path = _origin(graph, node.all_input_nodes[0])
            shape = shapes[origin] if origin else shapes[node.all_input_nodes[0]]
            name = str(origin.target) if origin else None
            spiking = origin is not None and spikes(_module(graph, origin))
            yield _linear_map(node.target, module, shape[1:], shapes[node][1:], name, spiking, path)
        elif _is_addition(node):
            yield from _additions(graph, node, shapes)
        elif _is_neuron(graph, node):
            origin, pools = _origin(graph, _before_norms(graph, node.all_input_nodes[0]))
            if origin and pools and spikes(_module(graph, origin)):
                yield _additions_of_pool(f"{node.target}.pooled", origin, shapes[origin], pools)


def _additions(graph: fx.GraphModule, node: fx.Node, shapes: dict[fx.Node, torch.Size]) -> Iterator[Layer]:
    """Identity shortcuts: spikes that are added to a current cost one AC each."""
    for index, operand in enumerate(node.all_input_nodes):
        origin, _ = _origin(graph, operand)
        if origin and spikes(_module(graph, origin)):
            yield _one_each(f"{node.name}.{index}", origin, shapes[origin])


def _one_each(name: str, origin: fx.Node, shape: torch.Size) -> Layer:
    return Layer(name, str(origin.target), True, 0, 0, torch.ones(shape[2:], dtype=torch.int64))


def _additions_of_pool(name: str, origin: fx.Node, shape: torch.Size, pools: list[nn.Module]) -> Layer:
    """A pool in front of a neuron: a spike costs one AC for every window that it lies in."""
    return Layer(name, str(origin.target), True, 0, 0, _paths(nn.Identity(), shape[1:], pools))


def _linear_map(
    name: str,
    layer: nn.Module,
    shape: torch.Size,
    output: torch.Size,
    origin: str | None,
    spiking: bool,
    pools: list[nn.Module],
) -> Layer:
    """`shape` (C, H, W) or (C,): the origin's, in front of the pools, so that `fanout` is per value of the origin."""
    if isinstance(layer, nn.Linear):
        per_value, padded = layer.out_features, layer.in_features * layer.out_features
    else:
        assert isinstance(layer, nn.Conv2d)
        per_value = layer.out_channels // layer.groups
        padded = layer.weight.numel() * output[-2:].numel()
    fanout = _paths(layer, shape, pools) * per_value
    own = _paths(layer, pooled(shape, pools), []) * per_value
    channels = layer.in_features if isinstance(layer, nn.Linear) and own.dim() == 0 else shape[0]
    return Layer(name, origin, spiking, int(own.sum()) * channels, padded, fanout)


def _paths(layer: nn.Module, shape: torch.Size, pools: list[nn.Module]) -> Tensor:
    """For every pixel of the input, the number of output positions it reaches through pools and layer."""
    if len(shape) == 1:
        return torch.ones((), dtype=torch.int64)
    with torch.enable_grad():
        pixels = torch.ones(1, 1, *shape[1:], dtype=torch.float64, requires_grad=True)
        x = pixels
        for pool in pools:
            x = sum_pool(pool, x)
        if isinstance(layer, nn.Conv2d):
            kernel = torch.ones(1, 1, *layer.kernel_size, dtype=torch.float64)
            x = F.conv2d(x, kernel, None, layer.stride, layer.padding, layer.dilation)
        (paths,) = torch.autograd.grad(x.sum(), pixels)
    return paths[0, 0].round().long()


def _origin(graph: fx.GraphModule, node: fx.Node) -> tuple[fx.Node | None, list[nn.Module]]:
    """The neuron a value comes from through pools alone, and those pools in order; None if there is no such neuron."""
    pools: list[nn.Module] = []
    while not _is_neuron(graph, node):
        module = _module(graph, node)
        if isinstance(module, POOLS):
            pools.insert(0, module)
        elif not isinstance(module, TRANSPARENT) and not _is_reshape(node):
            return None, []
        node = node.all_input_nodes[0]
    return node, pools


def _before_norms(graph: fx.GraphModule, node: fx.Node) -> fx.Node:
    """Where a current comes from: a norm is an affine map per channel and costs nothing of its own."""
    while isinstance(_module(graph, node), NORMS):
        node = node.all_input_nodes[0]
    return node


def _is_neuron(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Any layer that is neither linear, norm, pool nor transparent, and is not the readout's last step."""
    module = _module(graph, node)
    linear = (nn.Conv2d, nn.Linear, DirectCoding)
    if module is None or isinstance(module, linear + POOLS + TRANSPARENT + NORMS):
        return False
    return any(user.op != "output" for user in node.users)


def spikes(module: nn.Module | None) -> bool:
    """Whether a module is a spiking neuron: it says how high its spikes are."""
    return hasattr(module, "spike_amplitude")


def _is_addition(node: fx.Node) -> bool:
    return node.op == "call_function" and node.target in (operator.add, operator.iadd, torch.add)


def _is_reshape(node: fx.Node) -> bool:
    return node.target in ("flatten", "view", "reshape", torch.flatten)


def _module(graph: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return graph.get_submodule(str(node.target)) if node.op == "call_module" else None
