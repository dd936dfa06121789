"""Synaptic operations, counted exactly: accumulates where a layer's input is spikes, multiply-accumulates elsewhere.

For a layer fed by spikes  ACs = sum over spikes of (output positions whose window covers that pixel) x C_out / groups,
so borders and strides count as they are. Whether an input is spikes is read off the network's graph (does it come from
a spiking neuron, through nothing but pools?), never guessed from values: amplitudes fold into the next weights, norms
into the layer before. A pool between neuron and layer folds into the layer. Where a pool leads to a neuron, and where
spikes are added to a current (identity shortcut), a spike costs one AC. Layers fed by graded values (ReLU) count their
nonzero inputs as multiply-accumulates. The first layer's MACs are dense; they count once for a static image.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from benchmarks.networks.parts import DirectCoding

POOLS = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)
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
class LedgerRow:
    """One layer's line in `ledger.csv`; `operations` and `origin_nonzero` are totals over all images and steps."""

    layer: str
    origin: str
    kind: str
    operations: int
    images: int
    dense_macs_per_step: int
    padded_macs_per_step: int
    origin_nonzero: int | None


@dataclass(frozen=True)
class SynOps:
    """Per image. MACs of a spiking network are its analog layers'; of an ANN, those with nonzero input."""

    dense_macs_per_step: int
    padded_macs_per_step: int
    analog_macs: float
    analog_macs_every_step: float
    acs: float
    neuron_updates: int
    firing_rate: float | None


class Tracer(fx.Tracer):
    """Leaves are modules without children (neurons, norms, convolutions) and the first layer."""

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        return isinstance(module, DirectCoding) or not any(module.children())


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


@dataclass
class Counter:
    """Attach to a network with `counting`, run images through it, then ask for `per_image`."""

    network: nn.Module
    timesteps: int
    layers: list[Layer] = field(default_factory=list)
    nonzero: dict[str, Tensor] = field(default_factory=dict)
    neurons: dict[str, int] = field(default_factory=dict)
    images: int = 0

    def ledger(self) -> list[LedgerRow]:
        """Per layer: operations over all images seen, and what is needed to check them."""
        return [
            LedgerRow(
                layer=layer.name,
                origin=layer.origin or "input",
                kind="ac" if layer.spiking else "mac",
                operations=self._operations(layer),
                images=self.images,
                dense_macs_per_step=layer.dense_macs,
                padded_macs_per_step=layer.padded_macs,
                origin_nonzero=int(self.nonzero[layer.origin].sum()) if layer.origin else None,
            )
            for layer in self.layers
        ]

    def per_image(self) -> SynOps:
        """Totals of all layers, divided by the images seen. Exact integers until that division."""
        done = {layer.name: self._operations(layer) for layer in self.layers}
        spiking = [name for name in self.neurons if _spikes(self.network.get_submodule(name))]
        first = sum(la.dense_macs for la in self.layers if la.origin is None)
        graded = sum(done[la.name] for la in self.layers if la.origin and not la.spiking) / self.images
        updates = self.timesteps * sum(self.neurons[name] for name in spiking)
        emitted = sum(int(self.nonzero[name].sum()) for name in spiking)
        return SynOps(
            dense_macs_per_step=sum(layer.dense_macs for layer in self.layers),
            padded_macs_per_step=sum(layer.padded_macs for layer in self.layers),
            analog_macs=first + graded,
            analog_macs_every_step=first * self.timesteps + graded,
            acs=sum(done[la.name] for la in self.layers if la.origin and la.spiking) / self.images,
            neuron_updates=updates,
            firing_rate=emitted / (updates * self.images) if updates else None,
        )

    def _operations(self, layer: Layer) -> int:
        if layer.origin is None or layer.fanout is None:
            return layer.dense_macs * self.images
        return int((self.nonzero[layer.origin].cpu() * layer.fanout).sum())


@contextmanager
def counting(network: nn.Module, example: Tensor, timesteps: int) -> Iterator[Counter]:
    """Count all that passes through `network` (in evaluation mode) meanwhile. `example`: one image `(1, C, H, W)`."""
    counter = Counter(network, timesteps)
    graph = fx.GraphModule(network, Tracer().trace(network))
    shapes = _Shapes(graph)
    with torch.no_grad():
        shapes.run(example)
    counter.layers = list(_layers(graph, shapes.of))
    for node in graph.graph.nodes:
        if _is_neuron(graph, node):
            counter.neurons[node.target] = shapes.of[node][1:].numel()
    hooks = [network.get_submodule(name).register_forward_hook(_count(counter, name)) for name in counter.neurons]
    hooks.append(network.register_forward_pre_hook(_count_images(counter)))
    try:
        yield counter
    finally:
        for hook in hooks:
            hook.remove()


def _count(counter: Counter, name: str) -> Any:
    """Add up the nonzero outputs of a neuron per pixel (or in total, for features without pixels)."""

    def hook(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        count = torch.count_nonzero(output, dim=(0, 1))
        counter.nonzero[name] = counter.nonzero.get(name, torch.zeros_like(count)) + count

    return hook


def _count_images(counter: Counter) -> Any:
    def hook(module: nn.Module, inputs: tuple[Tensor]) -> None:
        counter.images += inputs[0].shape[1 if inputs[0].dim() == 5 else 0]

    return hook


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
            spiking = origin is not None and _spikes(_module(graph, origin))
            yield _linear_map(node.target, module, shape[1:], shapes[node][1:], name, spiking, path)
        elif _is_addition(node):
            yield from _additions(graph, node, shapes)
        elif _is_neuron(graph, node):
            origin, path = _origin(graph, node.all_input_nodes[0])
            if origin and path and _spikes(_module(graph, origin)):
                yield _one_each(f"{node.target}.pooled", origin, shapes[origin])


def _additions(graph: fx.GraphModule, node: fx.Node, shapes: dict[fx.Node, torch.Size]) -> Iterator[Layer]:
    """Identity shortcuts: spikes that are added to a current cost one AC each."""
    for index, operand in enumerate(node.all_input_nodes):
        origin, _ = _origin(graph, operand)
        if origin and _spikes(_module(graph, origin)):
            yield _one_each(f"{node.name}.{index}", origin, shapes[origin])


def _one_each(name: str, origin: fx.Node, shape: torch.Size) -> Layer:
    return Layer(name, str(origin.target), True, 0, 0, torch.ones(shape[2:], dtype=torch.int64))


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
    own = _paths(layer, _pooled(shape, pools), []) * per_value
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
            x = _sum_pool(pool, x)
        if isinstance(layer, nn.Conv2d):
            kernel = torch.ones(1, 1, *layer.kernel_size, dtype=torch.float64)
            x = F.conv2d(x, kernel, None, layer.stride, layer.padding, layer.dilation)
        (paths,) = torch.autograd.grad(x.sum(), pixels)
    return paths[0, 0].round().long()


def _sum_pool(pool: nn.Module, x: Tensor) -> Tensor:
    if isinstance(pool, nn.AvgPool2d):
        return F.avg_pool2d(x, pool.kernel_size, pool.stride, pool.padding, pool.ceil_mode, divisor_override=1)
    if isinstance(pool, nn.AdaptiveAvgPool2d) and pool.output_size in (1, (1, 1)):
        return x.sum((2, 3), keepdim=True)
    raise NotImplementedError(f"SynOps through {pool} are not defined")


def _pooled(shape: torch.Size, pools: list[nn.Module]) -> torch.Size:
    if len(shape) == 1 or not pools:
        return shape
    x = torch.zeros(1, *shape)
    for pool in pools:
        x = pool(x)
    return x.shape[1:]


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


def _is_neuron(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Any layer that is neither linear, norm, pool nor transparent, and is not the readout's last step."""
    module = _module(graph, node)
    linear = (nn.Conv2d, nn.Linear, DirectCoding)
    if module is None or isinstance(module, linear + POOLS + TRANSPARENT + NORMS):
        return False
    return any(user.op != "output" for user in node.users)


def _spikes(module: nn.Module | None) -> bool:
    return hasattr(module, "spike_amplitude")


def _is_addition(node: fx.Node) -> bool:
    return node.op == "call_function" and node.target in (operator.add, operator.iadd, torch.add)


def _is_reshape(node: fx.Node) -> bool:
    return node.target in ("flatten", "view", "reshape", torch.flatten)


def _module(graph: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return graph.get_submodule(str(node.target)) if node.op == "call_module" else None
