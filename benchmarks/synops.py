"""Synaptic operations, counted exactly: accumulates where a layer's input is spikes, multiply-accumulates elsewhere.

For a layer fed by spikes  ACs = sum over spikes of (output positions whose window covers that pixel) x C_out / groups,
so borders and strides count as they are. Whether an input is spikes is read off the network's graph (does it come from
a spiking neuron, through nothing but pools?), never guessed from values: amplitudes fold into the next weights, norms
into the layer before. A pool between neuron and layer folds into the layer. Where a pool leads to a neuron, a spike
costs one AC per window it lies in; where spikes are added to a current (identity shortcut), one. Layers fed by graded
values (ReLU) count their nonzero inputs as multiply-accumulates. The first layer's MACs are dense; they
count once for a static image.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.structure import Layer, spikes, structure


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


@dataclass
class Counter:
    """Attach to a network with `counting`, run images through it, then ask for `per_image`.

    `inputs`: how many different inputs the first layer has: 1 for an image, T for frames.
    """

    network: nn.Module
    timesteps: int
    layers: list[Layer]
    neurons: dict[str, int]
    nonzero: dict[str, Tensor] = field(default_factory=dict)
    images: int = 0
    inputs: int = 1

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
        spiking = [name for name in self.neurons if spikes(self.network.get_submodule(name))]
        first = sum(la.dense_macs for la in self.layers if la.origin is None)
        graded = sum(done[la.name] for la in self.layers if la.origin and not la.spiking) / self.images
        updates = self.timesteps * sum(self.neurons[name] for name in spiking)
        emitted = sum(int(self.nonzero[name].sum()) for name in spiking)
        return SynOps(
            dense_macs_per_step=sum(layer.dense_macs for layer in self.layers),
            padded_macs_per_step=sum(layer.padded_macs for layer in self.layers),
            analog_macs=first * self.inputs + graded,
            analog_macs_every_step=first * self.timesteps + graded,
            acs=sum(done[la.name] for la in self.layers if la.origin and la.spiking) / self.images,
            neuron_updates=updates,
            firing_rate=emitted / (updates * self.images) if updates else None,
        )

    def _operations(self, layer: Layer) -> int:
        if layer.origin is None or layer.fanout is None:
            return layer.dense_macs * self.images * self.inputs
        return int((self.nonzero[layer.origin].cpu() * layer.fanout).sum())


@contextmanager
def counting(network: nn.Module, example: Tensor, timesteps: int) -> Iterator[Counter]:
    """Count all that passes through `network` (in evaluation mode) meanwhile.

    `example`: one image `(1, C, H, W)` or its frames `(T, 1, C, H, W)`.
    """
    found = structure(network, example)
    inputs = len(example) if example.dim() == 5 else 1
    counter = Counter(network, timesteps, found.layers, found.neurons, inputs=inputs)
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
