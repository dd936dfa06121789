"""The structure of a network for counting operations: which neurons feed a layer, and which neurons it feeds.

The structure is read from the network's graph (`torch.fx`), so whether a layer's input is spikes follows from its
connections (`origins`), never from values. Each layer of neurons is assigned to one of the layers that feed it, and so
is the constant of its current, into which biases and norms fold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from benchmarks.networks.parts import DirectCoding, FewBits, Leaky, MixesSteps, Stateful
from benchmarks.operations import geometry
from benchmarks.operations.geometry import Geometry, pooled
from benchmarks.operations.origins import (
    GATES,
    LINEAR,
    NORMS,
    Kind,
    Path,
    Tracer,
    before_norms,
    current_of,
    emitted_kind,
    heights,
    is_addition,
    is_folded,
    is_neuron,
    kind_of,
    module_of,
    paths_to,
    spikes,
)

TEMPORAL = "temporal"
"""The operation of a layer that weighs the steps of a current, and the end of its name."""
INPUT = "input"
"""The `origin` of a layer that is fed by the images."""


@dataclass(frozen=True)
class Source:
    """What feeds a layer: a layer of neurons or a gate, by name, or the images.

    `fanout` `(H, W)` or `()`: operations per spike or nonzero value, by pixel; `additions`: how often such a value is
    added up in pools and sums in front of the layer, None without any.
    """

    name: str
    fanout: Tensor
    additions: Tensor | None = None


@dataclass(frozen=True)
class Layer:
    """A layer that performs operations: a convolution, a linear layer, an addition of spikes, or a pool before neurons.

    Pixels in front of neurons are one, too, without any operation but the neurons' updates. So are neurons that weigh
    the currents of all steps (PSN): their products are multiply-accumulates of every step.

    `sources`: what feeds it, several if its input is a sum; none if it is fed by a current, or by pixels that are one.
    `pool`: the average pool directly in front of it, the last of those folded into the layer; `behind_pools`:
    operations per nonzero value of its input, where that is a pooled map or a sum. `neuron`: name of the neurons
    assigned to the layer; `biases`: constants it adds, norms folded. `bits`: of each value of its input, if that is an
    activation of few bits, which no pool or sum has widened; None: float32.
    """

    name: str
    sources: tuple[Source, ...]
    kind: Kind
    geometry: Geometry
    dense_macs: int = 0
    padded_macs: int = 0
    pool: str | None = None
    behind_pools: Tensor | None = None
    neuron: str | None = None
    biases: int = 0
    bits: int | None = None

    @property
    def origin(self) -> str | None:
        """What feeds it, the parts of a sum joined by " + "; None for a current."""
        return " + ".join(source.name for source in self.sources) or None

    @property
    def spiking(self) -> bool:
        """Whether it accumulates: spikes, or the spikes that a sum consists of."""
        return self.kind != "mac"

    @property
    def temporal(self) -> bool:
        """Whether it weighs the steps of a current."""
        return self.geometry.operation == TEMPORAL

    @property
    def graded(self) -> bool:
        """Whether it multiplies at every step: values of neurons that do not spike (ReLU), or currents of all steps."""
        return self.temporal or (self.origin not in (None, INPUT) and not self.spiking)

    @property
    def summed(self) -> bool:
        """Whether the values that enter it, of a sum, can be seen at the layer alone."""
        return self.behind_pools is not None and self.pool is None

    @property
    def fanout(self) -> Tensor:
        """Operations per spike or nonzero value of its only source."""
        (source,) = self.sources
        return source.fanout


@dataclass(frozen=True)
class Structure:
    """A network's layers, the number of neurons per image and step of each layer of neurons, and those that spike.

    `gates` pass spikes on, one for several; of those that pass sums of spikes, `heights` has the height of a spike.
    `states`: how many numbers a step updates of a neuron, where that is not its membrane alone; `leaks`: how many of
    them it multiplies, where the neuron says so.
    """

    layers: list[Layer]
    neurons: dict[str, int]
    spiking: frozenset[str]
    gates: frozenset[str] = frozenset()
    heights: Mapping[str, float] = field(default_factory=dict)
    states: Mapping[str, int] = field(default_factory=dict)
    leaks: Mapping[str, int] = field(default_factory=dict)

    def updates(self, neurons: str) -> int:
        """Return the numbers that a step updates of a layer of neurons, per image."""
        return self.neurons[neurons] * self.states.get(neurons, 1)

    def multiplied(self, neurons: str) -> int | None:
        """Return how many of these leak, which is a multiplication each; None where the neuron does not say."""
        return self.neurons[neurons] * self.leaks[neurons] if neurons in self.leaks else None


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
    of_sums = [gate for gate in gates if emitted_kind(graph, gate) == "sum"]
    one = {str(gate.target): heights(graph, [Path(gate)]).pop() for gate in of_sums}
    modules: dict[str, object] = {str(node.target): module_of(graph, node) for node in nodes}
    states = {name: module.states() for name, module in modules.items() if isinstance(module, Stateful)}
    leaks = {name: module.leaks() for name, module in modules.items() if isinstance(module, Leaky)}
    return Structure(booked, neurons, spiking, frozenset(str(node.target) for node in gates), one, states, leaks)


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
            if not is_folded(graph, node):
                yield from ((node, layer) for layer in _shortcuts(graph, node, shapes))
        elif is_neuron(graph, node):
            for index, operand in enumerate(node.all_input_nodes):
                if operand.op == "placeholder" and _integrates(graph, node):
                    shape = shapes[node][1:]
                    yield node, Layer(f"{node.target}.pixels", (), "mac", geometry.of_channels("add", (), shape))
                paths = paths_to(graph, before_norms(graph, operand))
                if any(path.pools for path in paths) and all(path.pools for path in paths):
                    name = f"{node.target}.pooled" + (f".{index}" if index else "")
                    yield node, _pool(graph, name, paths, shapes)
            neuron: object = module_of(graph, node)
            if isinstance(neuron, MixesSteps):
                yield node, _weighed(str(node.target), neuron, shapes[node])


def _integrates(graph: fx.GraphModule, neuron: fx.Node) -> bool:
    """Return whether a step updates anything; random spikes are drawn."""
    module: object = module_of(graph, neuron)
    return not isinstance(module, Stateful) or module.states() > 0


def _shortcuts(graph: fx.GraphModule, addition: fx.Node, shapes: dict[fx.Node, torch.Size]) -> Iterator[Layer]:
    """Yield what spikes cost that are added to a current, as identity shortcuts do: one AC per spike."""
    for index, operand in enumerate(addition.all_input_nodes):
        paths = paths_to(graph, operand)
        if len(paths) == 1 and (kind := kind_of(graph, paths)) != "mac":
            shape = shapes[paths[0].origin][1:]
            source = Source(str(paths[0].origin.target), geometry.paths(None, shape, ()))
            yield Layer(f"{addition.name}.{index}", (source,), kind, geometry.of_channels("add", (), shape))


def _pool(graph: fx.GraphModule, name: str, paths: Sequence[Path], shapes: dict[fx.Node, torch.Size]) -> Layer:
    """Return a pool in front of neurons: one AC per window that contains the spike.

    Adding up graded values is not a synaptic operation.
    """
    kind, pools = kind_of(graph, paths), [_modules(graph, path) for path in paths]
    sources = []
    for path, through in zip(paths, pools, strict=True):
        windows = geometry.paths(None, shapes[path.origin][1:], through)
        graded = (torch.zeros_like(windows), windows)
        sources.append(Source(str(path.origin.target), *((windows,) if kind != "mac" else graded)))
    alike = len({path.pools for path in paths}) == 1
    output = pooled(shapes[paths[0].origin][1:], pools[0])
    sizes = geometry.of_channels("pool", pools[0] if alike else [one for some in pools for one in some], output)
    return Layer(name, tuple(sources), kind, _with_copies(graph, paths, sizes))


def _weighed(name: str, neuron: MixesSteps, emitted: torch.Size) -> Layer:
    """Return what neurons do that weigh steps, products per step rounded up; `emitted`: `(T, C, ...)`, of one image."""
    products = neuron.products()
    macs = -(-products * emitted[1:].numel() // emitted[0])
    sizes = replace(geometry.of_channels(TEMPORAL, (), emitted[1:]), weights=products)
    return Layer(f"{name}.{TEMPORAL}", (), "mac", sizes, macs, macs)


def _linear_map(graph: fx.GraphModule, node: fx.Node, module: nn.Module, shapes: dict[fx.Node, torch.Size]) -> Layer:
    source = node.all_input_nodes[0]
    paths = _through_pools(graph, paths_to(graph, source), shapes)
    first = isinstance(module, DirectCoding)
    layer = module.layer if isinstance(module, DirectCoding) else module
    assert isinstance(layer, geometry.Weighted)
    own = geometry.operations(layer, shapes[source][-3 if first else 1 :], shapes[node][1:], ())
    linear = Layer(
        f"{node.target}.layer" if first else str(node.target),
        (Source(INPUT, own.fanout),) if first or source.op == "placeholder" else (),
        kind_of(graph, paths),
        _with_copies(graph, paths, geometry.of_layer(layer, shapes[node][1:])),
        own.dense,
        own.padded,
        biases=0 if layer.bias is None else layer.bias.numel(),
    )
    return _fed(graph, linear, layer, paths, shapes, own.fanout, shapes[node][1:]) if paths else linear


def _fed(
    graph: fx.GraphModule,
    linear: Layer,
    layer: geometry.Weighted,
    paths: Sequence[Path],
    shapes: dict[fx.Node, torch.Size],
    per_input: Tensor,
    output: torch.Size,
) -> Layer:
    """Return a linear layer with the sources of its input; `per_input`: operations per value that enters it."""
    found = [geometry.operations(layer, shapes[p.origin][1:], output, _modules(graph, p)) for p in paths]
    sources = tuple(
        Source(str(path.origin.target), counts.fanout, _additions(graph, path, shapes, len(paths) > 1))
        for path, counts in zip(paths, found, strict=True)
    )
    linear = replace(linear, sources=sources, bits=_bits(graph, paths))
    last = {path.pools[-1:] for path in paths}
    if len(last) == 1 and (pool := last.pop()):
        return replace(linear, pool=str(pool[0].target), behind_pools=found[0].behind_pools)
    return replace(linear, behind_pools=per_input) if linear.kind == "sum" or len(paths) > 1 else linear


def _bits(graph: fx.GraphModule, paths: Sequence[Path]) -> int | None:
    """Return the bits of the values of one activation, without pools; None: float32, or spikes."""
    module: object = module_of(graph, paths[0].origin)
    alone = len(paths) == 1 and not paths[0].pools
    return module.activation_bits() if alone and isinstance(module, FewBits) else None


def _additions(graph: fx.GraphModule, path: Path, shapes: dict[fx.Node, torch.Size], summed: bool) -> Tensor | None:
    """Return how often a value at the path's beginning is added up on its way, by pixel."""
    return geometry.paths(None, shapes[path.origin][1:], _modules(graph, path)) if path.pools or summed else None


def _through_pools(graph: fx.GraphModule, paths: Sequence[Path], shapes: dict[fx.Node, torch.Size]) -> tuple[Path, ...]:
    """Return the paths without pools that leave a map as it is, which has the size that they would bring it to."""

    def works(pool: fx.Node) -> bool:
        same = shapes[pool] == shapes[pool.all_input_nodes[0]]
        return not (same and isinstance(module_of(graph, pool), nn.AdaptiveAvgPool2d))

    return tuple(Path(path.origin, tuple(filter(works, path.pools))) for path in paths)


def _modules(graph: fx.GraphModule, path: Path) -> list[nn.Module]:
    return [graph.get_submodule(str(pool.target)) for pool in path.pools]


def _with_copies(graph: fx.GraphModule, paths: Sequence[Path], sizes: Geometry) -> Geometry:
    """Count a layer's weights once for every height of the spikes that it sums, because heights fold into weights."""
    copies = len(heights(graph, paths)) if len(paths) > 1 else 1
    return replace(sizes, weights=sizes.weights * max(1, copies))


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
