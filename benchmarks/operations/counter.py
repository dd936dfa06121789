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
from dataclasses import dataclass

from torch import Tensor, nn

from benchmarks.operations.ledger import LedgerRow, RateRow, ledger, operations, rates
from benchmarks.operations.structure import Structure, structure
from benchmarks.operations.tally import Tally, tallying


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


@dataclass(frozen=True)
class Counter:
    """What has been counted of a network. `inputs`: how many its first layer has, 1 for an image, T for frames."""

    found: Structure
    tally: Tally
    inputs: int = 1

    @property
    def images(self) -> int:
        """How many have been seen."""
        return self.tally.images

    def ledger(self) -> list[LedgerRow]:
        """Per layer: operations over all images seen, and what is needed to check them."""
        return ledger(self.found, self.tally, self.inputs)

    def rates(self) -> list[RateRow]:
        """Spikes per layer of neurons and step."""
        return list(rates(self.found, self.tally))

    def per_image(self) -> SynOps:
        """Totals of all layers, divided by the images seen. Exact integers until that division."""
        layers, images, steps = self.found.layers, self.images, self.tally.timesteps
        done = {layer.name: operations(layer, self.tally, self.inputs) for layer in layers}
        first = sum(layer.dense_macs for layer in layers if not layer.spiking and not layer.graded)
        graded = sum(done[layer.name] for layer in layers if layer.graded) / images
        updates = steps * sum(self.found.neurons[name] for name in self.found.spiking)
        emitted = sum(self.tally.total(name) for name in self.found.spiking)
        return SynOps(
            dense_macs_per_step=sum(layer.dense_macs for layer in layers),
            padded_macs_per_step=sum(layer.padded_macs for layer in layers),
            analog_macs=first * self.inputs + graded,
            analog_macs_every_step=first * steps + graded,
            acs=sum(done[layer.name] for layer in layers if layer.spiking) / images,
            neuron_updates=updates,
            firing_rate=emitted / (updates * images) if updates else None,
        )


@contextmanager
def counting(network: nn.Module, example: Tensor, timesteps: int) -> Iterator[Counter]:
    """Count all that passes through `network` (in evaluation mode) meanwhile.

    `example`: one image `(1, C, H, W)` or its frames `(T, 1, C, H, W)`.
    """
    found = structure(network, example)
    with tallying(network, found, timesteps) as tally:
        yield Counter(found, tally, inputs_of(example))


def inputs_of(x: Tensor) -> int:
    """How many inputs the first layer has for each image."""
    return len(x) if x.dim() == 5 else 1
