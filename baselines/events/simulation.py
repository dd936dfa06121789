"""Event-driven simulation of a converted network: a spike adds its weights to the membranes that it reaches.

Everything between two layers of neurons is affine. A layer's current is therefore its drive (the current without any
spike) plus a row of weights for every spike that arrives. Norms, pools and amplitudes are folded into both beforehand.
`events.c` then computes a step, layer by layer, in time proportional to the number of spikes:

    v += drive,   v += rows of the spikes that arrive,   s = [v >= theta],   v -= theta s
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from baselines.events.maps import maps
from baselines.events.membranes import READ_ALL, Driven, Layer, Map, Presimulation, State, Term
from baselines.events.paths import Reach, Silent, Unsupported, paths, reach, without_idle_pools

SOURCE = Path(__file__).with_name("events.c")
LARGEST = 2**16  # an event has 16 bits each for channel and pixel
IMAGES = 32
"""Images per thread: few enough that their membranes stay in the cache, and all of them reuse a layer's weights."""


class Passed(NamedTuple):
    """A run after `timesteps` steps: logits `(B, classes)`, and spike counts so far, summed over all images.

    `emitted`: spikes of each layer of neurons by pixel, `(H, W)` or `()`; `by_step`: the same by step, `(timesteps,)`;
    `pooled`: nonzero values by pixel of what enters linear layers: of pools in front of them, under the pool's name,
    and of sums, under the layer's.
    """

    timesteps: int
    logits: Tensor
    emitted: dict[str, Tensor]
    by_step: dict[str, Tensor]
    pooled: dict[str, Tensor]


class Program:
    """A traced network in evaluation mode, prepared. Its parameters must not change, except the neurons' own currents.

    `neuron`: the type of its neurons, which are `Driven`; `example`: an image `(1, C, H, W)`, float32 on a CPU;
    `library`: the compiled `events.c`. Raises `paths.Unsupported` for a network that cannot be simulated by events.
    """

    @torch.no_grad()
    def __init__(self, graph: fx.GraphModule, neuron: type[nn.Module], example: Tensor, library: ctypes.CDLL) -> None:
        self.graph, self.neuron, self.library = graph, neuron, library
        leading, silent = paths(graph, neuron), Silent(graph, neuron)
        logits = silent.run(example)
        self.layers: dict[str, Layer] = {}
        self.maps: dict[str, Map] = {}
        names = {module: name for name, module in graph.named_modules()}
        for name, current in (*silent.currents.items(), ("", logits)):
            driven = cast(Driven, graph.get_submodule(name)) if name else None
            if driven and not driven.threshold > 0:
                raise Unsupported(f"{name}: the threshold {driven.threshold.item():g} is not positive")
            layer = Layer(tuple(current.shape[1:]), driven, [])
            leading[name] = [without_idle_pools(path, self.layers[path.source].shape) for path in leading[name]]
            for path in leading[name]:
                source = self.layers[path.source]
                assert source.neuron
                layer.terms.append(_term(path.source, reach(path, source.shape, source.neuron.threshold), layer.width))
            if max(layer.pixels, layer.width) > LARGEST:
                raise Unsupported(f"{name}: {layer.pixels} pixels, {layer.width} channels; at most {LARGEST} allowed")
            self.layers[name] = layer
            self.maps |= maps(leading[name], self.layers, names)

    def run(self, images: Tensor, stops: Sequence[int], first: Presimulation = READ_ALL) -> Iterator[Passed]:
        """Simulate images `(B, C, H, W)`; yield the results of runs that end after each of the `stops` (ascending).

        All `stops` count the steps of `first`, too, and are later than these.
        """
        passed = [list(self._some(some, stops, first)) for some in images.split(IMAGES * torch.get_num_threads())]
        for at in zip(*passed, strict=True):
            counts = (_added(dicts) for dicts in zip(*((p.emitted, p.by_step, p.pooled) for p in at), strict=True))
            yield Passed(at[0].timesteps, torch.cat([some.logits for some in at]), *counts)

    def mean_emitted(self, name: str, images: Tensor, steps: int) -> Tensor:
        """Return what the layer of neurons `name` emits per step, averaged over images and pixels, `(C,)`."""
        total = torch.zeros(self.layers[name].shape[0], dtype=torch.float32)
        for some in images.split(IMAGES * torch.get_num_threads()):
            state = self._begin(some)
            for _ in range(steps):
                state.step(name)
            total += state.layers[name].by_channel.sum(0)[: len(total)]
        layer = self.layers[name]
        assert layer.neuron
        return total * layer.neuron.threshold / (steps * len(images) * layer.pixels)

    def _some(self, images: Tensor, stops: Sequence[int], first: Presimulation) -> Iterator[Passed]:
        state = self._begin(images)
        for step in range(1, stops[-1] + 1):
            state.step()
            state.count(step)
            if step == first.steps:
                state.restart(first.margin)
            if step in stops:
                yield Passed(step, state.logits(step - first.steps), state.emitted(), state.by_step(), state.pooled())

    @torch.no_grad()
    def _begin(self, images: Tensor) -> State:
        norms = (module for module in self.graph.modules() if isinstance(module, _BatchNorm))
        assert not any(norm.training for norm in norms), "norms in training mode would take statistics without spikes"
        silent = Silent(self.graph, self.neuron)
        logits = silent.run(images)
        return State(self.layers, self.maps, silent.currents, logits, self.library)


def _added(dicts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([one[name] for one in dicts]).sum(0) for name in dicts[0]}


def _term(source: str, by: Reach, width: int) -> Term:
    """Convert a reach to the kernel's format: matrices by channel, neighbours in one run, offsets in floats."""
    identity = by.weight.dim() == 2
    weight = by.weight.transpose(0, 1)
    if not identity:
        weight = nn.functional.pad(weight, (0, width - weight.shape[2]))
    begins = torch.ones(len(by.to), dtype=torch.bool)
    if not identity:
        begins[1:] = (by.to[1:] != by.to[:-1] + 1) | (by.matrix[1:] != by.matrix[:-1] + 1)
        begins[by.first[by.first < len(by.to)]] = True
    at = begins.nonzero().flatten()
    length = torch.diff(at, append=at.new_tensor([len(by.to)]))
    first = torch.cat([at.new_zeros(1), begins.cumsum(0)])[by.first]
    floats = (by.to[at] * width, by.matrix[at] * (1 if identity else width), length * width)
    return Term(source, first.int(), torch.stack(floats, 1).int(), weight.contiguous(), identity)
