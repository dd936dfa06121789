"""The structure of a network for counting operations: which neurons feed a layer, and which neurons it feeds.

The structure is read from the network's graph (`torch.fx`), so whether a layer's input is spikes follows from its
connections, never from values. Each layer of neurons is assigned to one of the layers that feed it, and so is the
constant of its current, into which biases and norms fold.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from benchmarks.networks.parts import DirectCoding, FedBack, SpikingNeuron, Stateful
from benchmarks.operations import geometry
from benchmarks.operations.geometry import POOLS, Geometry, pooled

TRANSPARENT = (nn.Identity, nn.Dropout, nn.Flatten)
NORMS = (nn.modules.batchnorm._BatchNorm,)
LINEAR = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, DirectCoding)
GATES = (nn.MaxPool2d, FedBack)
"""What passes them is spikes if spikes come: layers behind accumulate. They have no membrane to update.

A maximum of spikes is a spike if one of them is. Spikes that are fed back pass at all steps but the last.
"""

INPUT = "input"
"""The `origin` of a layer that is fed by the images."""


@dataclass(frozen=True)
class Layer:
    """A layer that performs operations: a convolution, a linear layer, an addition of spikes, or a pool before neurons.

    `origin`: name of the neurons that feed it, "input", or None if neither does; `fanout` `(H, W)` or `()`: operations
    per nonzero value of the origin, by pixel; `pool`: the last of the average pools folded into the layer;
    `behind_pools`: operations per nonzero value of that pool's output; `in_pools`: additions in the pools per value of
    the origin. `neuron`: name of the neurons assigned to the layer; `biases`: constants it adds, norms folded.
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
        """Whether its inputs come from neurons that emit graded values instead of spikes (ReLU)."""
        return self.origin not in (None, INPUT) and not self.spiking


@dataclass(frozen=True)
class Structure:
    """A network's layers, the number of neurons per image and step of each layer of neurons, and those that spike.

    `gates` pass spikes on: maxima, one for several, and what is fed back. `states`: how many numbers a step updates of
    a neuron, where that is not its membrane alone.
    """

    layers: list[Layer]
    neurons: dict[str, int]
    spiking: frozenset[str]
    gates: frozenset[str] = frozenset()
    states: Mapping[str, int] = field(default_factory=dict)

    def updates(self, neurons: str) -> int:
        """Return the updates per image and step of a layer of neurons."""
        return self.neurons[neurons] * self.states.get(neurons, 1)


def structure(network: nn.Module, example: Tensor) -> Structure:
    """Trace a network in evaluation mode; `example` is one image `(1, C, H, W)` or its frames `(T, 1, C, H, W)`."""
    graph = fx.GraphModule(network, Tracer().trace(network))
    shapes = _Shapes(graph)
    with torch.no_grad():
        shapes.run(example)
    sources = [node for node in graph.graph.nodes if is_neuron(graph, node)]
    gates = [node for node in sources if isinstance(module_of(graph, node), GATES)]
    nodes = [node for node in sources if node not in gates]
    neurons = {str(node.target): shapes.by_node[node][1:].numel() for node in nodes}
    spiking = frozenset(str(node.target) for node in nodes if spikes(module_of(graph, node)))
    booked = _booked(graph, nodes, shapes.by_node, list(_layers(graph, shapes.by_node)))
    modules: dict[str, object] = {str(node.target): module_of(graph, node) for node in nodes}
    states = {name: module.states() for name, module in modules.items() if isinstance(module, Stateful)}
    return Structure(booked, neurons, spiking, frozenset(str(node.target) for node in gates), states)


class _Shapes(fx.Interpreter):
    """Runs one image through the graph and stores every node's output shape."""

    def __init__(self, network: fx.GraphModule) -> None:
        super().__init__(network)
        self.by_node: dict[fx.Node, torch.Size] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, Tensor):
            self.by_node[n] = value.shape
        return value


def _layers(graph: fx.GraphModule, shapes: dict[fx.Node, torch.Size]) -> Iterator[tuple[fx.Node, Layer]]:
    """Yield the layers in the order in which they run, each with its node of the graph."""
    for node in graph.graph.nodes:
        module = module_of(graph, node)
        if isinstance(module, LINEAR):
            yield node, _linear_map(graph, node, module, shapes)
        elif is_addition(node):
            for index, operand in enumerate(node.all_input_nodes):
                origin, _ = origin_of(graph, operand)
                if origin and emits_spikes(graph, origin):  # identity shortcut: one AC per spike
                    yield node, _by_channel("add", f"{node.name}.{index}", origin, shapes[origin], [])
        elif is_neuron(graph, node):
            origin, pools = origin_of(graph, before_norms(graph, node.all_input_nodes[0]))
            if origin and pools:
                layers = [module_of(graph, pool) for pool in pools]
                pool = _by_channel("pool", f"{node.target}.pooled", origin, shapes[origin], layers)
                # one AC per window that contains the spike; adding up graded values is not a synaptic operation
                graded = replace(pool, spiking=False, fanout=torch.zeros_like(pool.fanout), in_pools=pool.fanout)
                yield node, pool if emits_spikes(graph, origin) else graded


def _by_channel(operation: str, name: str, origin: fx.Node, shape: torch.Size, pools: list[Any]) -> Layer:
    sizes = geometry.of_channels(operation, pools, pooled(shape[1:], pools))
    return Layer(name, str(origin.target), True, sizes, 0, 0, geometry.paths(None, shape[1:], pools))


def _linear_map(graph: fx.GraphModule, node: fx.Node, module: nn.Module, shapes: dict[fx.Node, torch.Size]) -> Layer:
    source = node.all_input_nodes[0]
    origin, nodes = origin_of(graph, source)
    first = isinstance(module, DirectCoding)
    layer = module.layer if isinstance(module, DirectCoding) else module
    assert isinstance(layer, geometry.Weighted)
    nodes = [pool for pool in nodes if not is_idle(graph, pool, shapes)]
    pools = [graph.get_submodule(str(pool.target)) for pool in nodes]
    shape = shapes[origin or source][-3 if first else 1 :]
    counts = geometry.operations(layer, shape, shapes[node][1:], pools)
    fed_by_images = INPUT if first or source.op == "placeholder" else None
    linear = Layer(
        f"{node.target}.layer" if first else str(node.target),
        str(origin.target) if origin else fed_by_images,
        origin is not None and emits_spikes(graph, origin),
        geometry.of_layer(layer, shapes[node][1:]),
        counts.dense,
        counts.padded,
        counts.fanout,
        biases=0 if layer.bias is None else layer.bias.numel(),
    )
    if not pools:
        return linear
    in_pools = geometry.paths(None, shape, pools)
    return replace(linear, pool=str(nodes[-1].target), behind_pools=counts.behind_pools, in_pools=in_pools)


def _booked(
    graph: fx.GraphModule,
    neurons: list[fx.Node],
    shapes: dict[fx.Node, torch.Size],
    layers: list[tuple[fx.Node, Layer]],
) -> list[Layer]:
    """Assign every layer of neurons, and the constant of its current, to the first free layer that feeds it.

    Norms fold into the layers before them and leave one constant per channel, as biases do. If several currents are
    added, their constants add up to one.
    """
    booked = [layer for _, layer in layers]
    for neuron in neurons:
        behind = current_of(graph, neuron)
        feeding = [i for i, (node, _) in enumerate(layers) if node in behind]
        linear = [i for i in feeding if isinstance(module_of(graph, layers[i][0]), LINEAR)]
        constant = any(isinstance(module_of(graph, node), NORMS) for node in behind)
        constant |= any(booked[i].biases > 0 for i in linear)
        chosen = next((i for i in linear + feeding if booked[i].neuron is None), None)
        for i in (i for i in linear if booked[i].neuron is None):
            booked[i] = replace(booked[i], biases=0)
        if chosen is not None:
            biases = shapes[neuron][1] if constant else 0
            booked[chosen] = replace(booked[chosen], neuron=str(neuron.target), biases=biases)
    return booked


class Tracer(fx.Tracer):
    """Traces down to modules without children (norms, convolutions), spiking neurons and the first layer."""

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        return isinstance(module, LINEAR) or spikes(module) or not any(module.children())


def current_of(graph: fx.GraphModule, neuron: fx.Node) -> set[fx.Node]:
    """Return the neuron and all nodes between it and the neurons or inputs before it, up to the first linear layers.

    The linear layers are included.
    """
    current, pending = {neuron}, [neuron.all_input_nodes[0]]
    while pending:
        node = pending.pop()
        if not is_neuron(graph, node) and node.op != "placeholder":
            current.add(node)
            pending += [] if isinstance(module_of(graph, node), LINEAR) else node.all_input_nodes
    return current


def origin_of(graph: fx.GraphModule, node: fx.Node) -> tuple[fx.Node | None, list[fx.Node]]:
    """Return the neuron that a value comes from through pools alone, and those pools in order; None without one."""
    pools: list[fx.Node] = []
    while not is_neuron(graph, node):
        module = module_of(graph, node)
        if isinstance(module, POOLS):
            pools.insert(0, node)
        elif not isinstance(module, TRANSPARENT) and not is_reshape(node):
            return None, []
        node = node.all_input_nodes[0]
    return node, pools


def is_idle(graph: fx.GraphModule, pool: fx.Node, shapes: dict[fx.Node, torch.Size]) -> bool:
    """Whether a pool leaves a map as it is, which has the size already that the pool would bring it to."""
    same = shapes[pool] == shapes[pool.all_input_nodes[0]]
    return same and isinstance(module_of(graph, pool), nn.AdaptiveAvgPool2d)


def before_norms(graph: fx.GraphModule, node: fx.Node) -> fx.Node:
    """Skip norms backwards: a norm is an affine map per channel, folds into a layer and performs no operations."""
    while isinstance(module_of(graph, node), NORMS):
        node = node.all_input_nodes[0]
    return node


def is_neuron(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a node is a layer of neurons or a gate: not linear, norm, average pool or transparent.

    The readout's last step is none.
    """
    module = module_of(graph, node)
    if module is None or isinstance(module, LINEAR + POOLS + TRANSPARENT + NORMS):
        return False
    return any(user.op != "output" for user in node.users)


def spikes(module: nn.Module | None) -> bool:
    """Whether a module is a spiking neuron: it has a `spike_amplitude`."""
    return isinstance(module, SpikingNeuron)


def emits_spikes(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a node is a spiking neuron, or a gate that nothing but such neurons feed."""
    if not isinstance(module_of(graph, node), GATES):
        return spikes(module_of(graph, node))
    origin, pools = origin_of(graph, node.all_input_nodes[0])
    return origin is not None and not pools and emits_spikes(graph, origin)


def is_addition(node: fx.Node) -> bool:
    return node.op == "call_function" and node.target in (operator.add, operator.iadd, torch.add)


def is_reshape(node: fx.Node) -> bool:
    return node.target in ("flatten", "view", "reshape", torch.flatten)


def module_of(graph: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return graph.get_submodule(str(node.target)) if node.op == "call_module" else None
