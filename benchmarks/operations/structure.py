"""A network's structure as operations see it: which layer is fed by which neuron, and which neuron it feeds.

Read off the network's graph (`torch.fx`), so that whether a layer's input is spikes follows from what it is connected
to. A layer of neurons is booked with one of the layers that feed it, and so is the constant of its folded current.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from benchmarks.networks.parts import DirectCoding
from benchmarks.operations import geometry
from benchmarks.operations.connections import (
    LINEAR,
    NORMS,
    Tracer,
    before_norms,
    current_of,
    is_addition,
    is_neuron,
    module_of,
    origin_of,
    spikes,
)
from benchmarks.operations.geometry import Geometry
from benchmarks.operations.pools import pooled

INPUT = "input"
"""The origin of a layer that is fed by the images themselves."""


@dataclass(frozen=True)
class Layer:
    """One place where operations happen. `fanout` (H, W) or (): operations per nonzero value of the origin there.

    `origin`: the neuron it is fed by, "input", or None if it is neither; `pool`: the last of the pools that are folded
    into it, `behind_pools`: operations per nonzero value of that pool's map, `in_pools`: additions that the pools make
    per value of the origin. `neuron`: the layer of neurons booked here; `biases`: constants it adds, norms folded.
    """

    name: str
    origin: str | None
    spiking: bool
    geometry: Geometry
    dense_macs: int
    padded_macs: int
    fanout: Tensor
    pool: str | None = None
    behind_pools: Tensor | None = None
    in_pools: Tensor | None = None
    neuron: str | None = None
    biases: int = 0

    @property
    def graded(self) -> bool:
        """Whether its inputs are what neurons emit, and no spikes."""
        return self.origin not in (None, INPUT) and not self.spiking


@dataclass(frozen=True)
class Structure:
    """All operations of a network, its neurons with their number per image and step, and which of them spike."""

    layers: list[Layer]
    neurons: dict[str, int]
    spiking: frozenset[str]


def structure(network: nn.Module, example: Tensor) -> Structure:
    """Trace a network; `example` is one image `(1, C, H, W)`. The network must be in evaluation mode."""
    graph = fx.GraphModule(network, Tracer().trace(network))
    shapes = _Shapes(graph)
    with torch.no_grad():
        shapes.run(example)
    nodes = [node for node in graph.graph.nodes if is_neuron(graph, node)]
    neurons = {str(node.target): shapes.of[node][1:].numel() for node in nodes}
    spiking = frozenset(str(node.target) for node in nodes if spikes(module_of(graph, node)))
    return Structure(_booked(graph, nodes, shapes.of, list(_layers(graph, shapes.of))), neurons, spiking)


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


def _layers(graph: fx.GraphModule, shapes: dict[fx.Node, torch.Size]) -> Iterator[tuple[fx.Node, Layer]]:
    """Layers in the order in which they run, each with the node of the graph that it is."""
    for node in graph.graph.nodes:
        module = module_of(graph, node)
        if isinstance(module, LINEAR):
            yield node, _linear_map(graph, node, module, shapes)
        elif is_addition(node):
            for index, operand in enumerate(node.all_input_nodes):
                origin, _ = origin_of(graph, operand)
                if origin and spikes(module_of(graph, origin)):  # an identity shortcut: one AC per spike
                    yield node, _by_channel("add", f"{node.name}.{index}", origin, shapes[origin], [])
        elif is_neuron(graph, node):
            origin, pools = origin_of(graph, before_norms(graph, node.all_input_nodes[0]))
            if origin and pools:
                layers = [module_of(graph, pool) for pool in pools]
                of = _by_channel("pool", f"{node.target}.pooled", origin, shapes[origin], layers)
                # one AC for every window a spike lies in; adding up graded values is no synaptic operation
                graded = replace(of, spiking=False, fanout=torch.zeros_like(of.fanout), in_pools=of.fanout)
                yield node, of if spikes(module_of(graph, origin)) else graded


def _by_channel(operation: str, name: str, origin: fx.Node, shape: torch.Size, pools: list[Any]) -> Layer:
    sizes = geometry.of_channels(operation, pools, pooled(shape[1:], pools))
    return Layer(name, str(origin.target), True, sizes, 0, 0, geometry.paths(None, shape[1:], pools))


def _linear_map(graph: fx.GraphModule, node: fx.Node, module: nn.Module, shapes: dict[fx.Node, torch.Size]) -> Layer:
    source = node.all_input_nodes[0]
    origin, nodes = origin_of(graph, source)
    first = isinstance(module, DirectCoding)
    layer = module.layer if isinstance(module, DirectCoding) else module
    assert isinstance(layer, nn.Conv2d | nn.Linear)
    pools = [graph.get_submodule(str(pool.target)) for pool in nodes]
    shape = shapes[origin or source][-3 if first else 1 :]
    of = geometry.operations(layer, shape, shapes[node][1:], pools)
    named = INPUT if first or source.op == "placeholder" else None
    made = Layer(
        f"{node.target}.layer" if first else str(node.target),
        str(origin.target) if origin else named,
        origin is not None and spikes(module_of(graph, origin)),
        geometry.of_layer(layer, shapes[node][1:]),
        of.dense,
        of.padded,
        of.fanout,
        biases=0 if layer.bias is None else layer.bias.numel(),
    )
    if not pools:
        return made
    in_pools = geometry.paths(None, shape, pools)
    return replace(made, pool=str(nodes[-1].target), behind_pools=of.behind_pools, in_pools=in_pools)


def _booked(
    graph: fx.GraphModule,
    neurons: list[fx.Node],
    shapes: dict[fx.Node, torch.Size],
    layers: list[tuple[fx.Node, Layer]],
) -> list[Layer]:
    """Book every layer of neurons, and the one constant per channel of its current, with the first layer that feeds it.

    Norms fold into the layers before them and leave a constant, as biases do; where currents are added it is one.
    """
    booked = [layer for _, layer in layers]
    for neuron in neurons:
        behind = current_of(graph, neuron)
        feeding = [i for i, (node, _) in enumerate(layers) if node in behind]
        linear = [i for i in feeding if isinstance(module_of(graph, layers[i][0]), LINEAR)]
        constant = any(isinstance(module_of(graph, node), NORMS) for node in behind)
        constant |= any(booked[i].biases > 0 for i in linear)
        bears = next((i for i in linear + feeding if booked[i].neuron is None), None)
        for i in (i for i in linear if booked[i].neuron is None):
            booked[i] = replace(booked[i], biases=0)
        if bears is not None:
            biases = shapes[neuron][1] if constant else 0
            booked[bears] = replace(booked[bears], neuron=str(neuron.target), biases=biases)
    return booked
