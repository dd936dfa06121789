"""A trained network as a graph of NIR 1.0 (Neuromorphic Intermediate Representation, Pedersen et al. 2024).

Layers of neurons become nir.IF or nir.LIF, which emit ones. Everything between two of them is affine. Each path from
one to the next becomes pools, a flattening and a Conv2d, Affine or Scale, into which norms, the height of spikes and
constants are folded. Additions become edges into one node. The logits are a (weighted) mean of the values of `Output`
over the steps; the graph's metadata contain the weights, the number of steps and a description of the input.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn.modules.batchnorm import _BatchNorm

from benchmarks.card import neurons, nir_nodes
from benchmarks.card.currents import Current, Term
from benchmarks.card.neurons import NOT
from benchmarks.networks.parts import DirectCoding
from benchmarks.operations.geometry import POOLS
from benchmarks.operations.origins import GATES, TRANSPARENT, Tracer, is_addition, is_reshape, module_of
from benchmarks.spec import BadInput

AVERAGES = ("view", "mean")
"""Methods by which a readout takes the mean over the steps, which is left to the reader of `Output`."""
OF_VOTES = 2
"""The dimension over which a readout takes the mean of the neurons of a class."""


def graph_of(network: nn.Module, example: Tensor, timesteps: int, metadata: dict[str, Any]) -> Any:
    """Return the network's nir.NIRGraph; parameters have the network's dtype.

    `example`: one image `(1, C, H, W)`. The network must be in evaluation mode. Raises BadInput, with the layer and
    the reason, if NIR cannot express the network.
    """
    import nir

    traced = fx.GraphModule(network, Tracer().trace(network))
    with torch.no_grad():
        ShapeProp(traced).propagate(example)
    graph = _Graph(traced, example.dtype)
    graph.run(tuple(example.shape[1:]))
    steps = {"timesteps": timesteps, "readout_weights": np.array(graph.weights or [1.0 / timesteps] * timesteps)}
    return nir.NIRGraph(graph.nodes, graph.edges, metadata={**metadata, **steps})


class _Graph:
    """A graph under construction; `weights` are those of the steps if the readout has its own."""

    def __init__(self, traced: fx.GraphModule, dtype: torch.dtype) -> None:
        self.traced = traced
        self.dtype = torch.zeros(0, dtype=dtype).numpy().dtype
        self.nodes: dict[str, Any] = {}
        self.edges: list[tuple[str, str]] = []
        self.weights: list[float] = []

    def run(self, shape: tuple[int, ...]) -> None:
        import nir

        values: dict[fx.Node, Current] = {}
        for node in self.traced.graph.nodes:
            if node.op == "placeholder":
                self.add("input", nir.Input(np.array(shape)), ())
                values[node] = _plain(("input",), shape)
            elif node.op == "output":
                last = node.all_input_nodes[0]
                sources = self.emit(values[last], _shape(last), "logits")
                self.add("output", nir.Output(np.array(_shape(last))), sources)
            elif node.all_input_nodes and node.all_input_nodes[0] in values and _is_tensor(node):
                values[node] = self.value(node, [values[x] for x in node.all_input_nodes if x in values])

    def value(self, node: fx.Node, inputs: list[Current]) -> Current:
        """Return the output of a node of the traced network for these inputs."""
        module, name, current = module_of(self.traced, node), str(node.target), inputs[0]
        if is_addition(node) and len(inputs) == 2:
            return inputs[0].plus(inputs[1])
        if isinstance(module, DirectCoding):
            module = module.layer
        if isinstance(module, nn.Conv2d | nn.Linear):
            return self.settled(current, node).through(name, module)
        if isinstance(module, _BatchNorm):
            return current.normed(module)
        if isinstance(module, nn.Flatten) or (is_reshape(node) and node.target != "view"):
            return self.settled(current, node).reshaped("flatten", nn.Flatten())
        if isinstance(module, POOLS):
            return self.settled(current, node).reshaped(name, module)
        if node.target == "mean" and node.args[1] == OF_VOTES:
            return self.settled(current, node).through(node.name, _votes(*_shape(node.all_input_nodes[0])))
        if isinstance(module, TRANSPARENT) or (node.op == "call_method" and node.target in AVERAGES):
            return current
        if callable(weights := getattr(module, "weights", None)):  # the layer that reads a representation
            self.weights = list(weights())
            return current
        if module is None or isinstance(module, GATES):
            raise BadInput(f"{NOT}: {name} is not a sum, average or linear layer")
        return self.fires(neurons.of(name, module), name, current, node)

    def fires(self, neuron: neurons.Neuron, name: str, current: Current, node: fx.Node) -> Current:
        """Add a layer of neurons and return its output."""
        shape = _shape(node)
        sources = self.emit(current.shifted(neuron.own), shape, name)
        added = self.add(name, neuron.node(shape, self.dtype), sources)
        return _plain((added,), shape, neuron.height)

    def settled(self, current: Current, node: fx.Node) -> Current:
        """Return a plain current of the same value, adding nodes if necessary."""
        if current.plain:
            return current
        shape = _shape(node.all_input_nodes[0])
        return _plain(self.emit(current, shape, node.all_input_nodes[0].name), shape)

    def emit(self, current: Current, shape: tuple[int, ...], name: str) -> tuple[str, ...]:
        """Add nodes whose outputs sum to the current and return their names; the first linear one has the constant."""
        linear = [i for i, term in enumerate(current.terms) if term.linear is not None]
        with_bias = (linear or [0])[0]
        return tuple(
            node
            for i, term in enumerate(current.terms)
            for node in self.emit_term(term, current.bias if i == with_bias else None, shape, name)
        )

    def emit_term(self, term: Term, bias: Tensor | None, shape: tuple[int, ...], name: str) -> tuple[str, ...]:
        """Add a term's nodes and return the names of the last."""
        sources, size, layer = term.sources, term.shape, term.linear
        for reshaped, by in term.reshaped:
            if isinstance(layer, nn.Linear) and nir_nodes.copies(by, size):
                layer = nir_nodes.of_one_pixel(layer, size[0])
                continue
            node, size = nir_nodes.reshaping(reshaped, by, size)
            sources = (self.add(reshaped, node, sources),)
        if layer is not None:
            return (
                self.add(term.name, nir_nodes.linear(term.name, layer, term.scale, bias, size, self.dtype), sources),
            )
        if bias is None and bool((term.scale == 1).all()):
            return sources
        return (self.add(f"{name}.identity", nir_nodes.identity(term.scale, bias, shape, self.dtype), sources),)

    def add(self, name: str, node: Any, sources: tuple[str, ...]) -> str:
        """Add a node and return its name, in which dots are replaced, because other tools treat them as folders."""
        name = unique = name.replace(".", "_")
        count = 1
        while unique in self.nodes:
            count += 1
            unique = f"{name}_{count}"
        self.nodes[unique] = node
        self.edges += [(source, unique) for source in sources]
        return unique


def _plain(sources: tuple[str, ...], shape: tuple[int, ...], height: float = 1.0) -> Current:
    return Current((Term(sources, shape, torch.tensor(height, dtype=torch.float64)),))


def _votes(classes: int, votes: int) -> nn.Linear:
    """Make the layer that averages the votes of each class's neurons."""
    layer = nn.Linear(classes * votes, classes, bias=False, dtype=torch.float64)
    of_class = torch.eye(classes, dtype=torch.float64).repeat_interleave(votes, 1)
    layer.weight = nn.Parameter(of_class / votes, requires_grad=False)
    return layer


def _is_tensor(node: fx.Node) -> bool:
    return hasattr(node.meta.get("tensor_meta"), "shape")


def _shape(node: fx.Node) -> tuple[int, ...]:
    """Return the shape of a node's output for one image and step."""
    return tuple(node.meta["tensor_meta"].shape[1:])
