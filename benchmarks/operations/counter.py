"""Synaptic operations, counted exactly: accumulates where a layer's input is spikes, multiply-accumulates elsewhere.

For a layer fed by spikes  ACs = sum over spikes of (output positions whose window covers that pixel) x C_out / groups,
which is exact at borders and for any stride. Whether an input is spikes is read from the network's graph (it comes from
a spiking neuron through pools alone), never from values: amplitudes fold into the next weights, norms into the layer
before. A pool between neurons and a layer folds into the layer. So does a sum of spikes (residual blocks that add
spikes): a value of k times their height is k spikes, and each is accumulated by itself. If a pool leads to neurons, a
spike costs one AC per window that contains it. If spikes are added to a current (identity shortcut), each costs one AC.
Layers fed by graded values (ReLU), or by a sum of them, count their nonzero inputs as multiply-accumulates. The first
layer's MACs are dense and count once for a static image. Neurons that weigh the currents of all steps (PSN) multiply
each of them, which counts at every step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor, nn

from benchmarks.operations.ledger import ledger, operations, rates
from benchmarks.operations.ledger_rows import LedgerRow, RateRow
from benchmarks.operations.structure import Structure, structure
from benchmarks.operations.tally import Tally, tallying


@dataclass(frozen=True)
class SynOps:
    """Operations per image. MACs are those of the analog layers of a spiking network, or of an ANN with nonzero input.

    `analog_macs` counts the first layer once per distinct input, `analog_macs_every_step` once per time step.
    `firing_rate` is spikes per neuron and step; None without spiking neurons. `quantized_macs`: those of `analog_macs`
    whose activation has few bits, `activation_bits`; None where none has.
    """

    dense_macs_per_step: int
    padded_macs_per_step: int
    analog_macs: float
    analog_macs_every_step: float
    acs: float
    neuron_updates: int
    firing_rate: float | None
    quantized_macs: float | None = None
    activation_bits: int | None = None


@dataclass(frozen=True)
class Counter:
    """The counts of a network. `inputs`: distinct inputs of the first layer per image, 1 or T (frames)."""

    structure: Structure
    tally: Tally
    inputs: int = 1

    @property
    def images(self) -> int:
        """Number of images counted so far."""
        return self.tally.images

    def ledger(self) -> list[LedgerRow]:
        """Return one row per layer: operations over all images, and the numbers they are computed from."""
        return ledger(self.structure, self.tally, self.inputs)

    def rates(self) -> list[RateRow]:
        """Return spikes per layer of neurons and step."""
        return list(rates(self.structure, self.tally))

    def per_image(self) -> SynOps:
        """Return the totals of all layers divided by the number of images; exact integers until that division."""
        layers, images, steps = self.structure.layers, self.images, self.tally.timesteps
        done = {layer.name: operations(layer, self.tally, self.inputs) for layer in layers}
        first = sum(layer.dense_macs for layer in layers if not layer.spiking and not layer.graded)
        graded = sum(done[layer.name] for layer in layers if layer.graded) / images
        neurons = sum(self.structure.neurons[name] for name in self.structure.spiking)
        emitted = sum(self.tally.total(name) for name in self.structure.spiking)
        few = [layer for layer in layers if layer.bits]
        return SynOps(
            dense_macs_per_step=sum(layer.dense_macs for layer in layers),
            padded_macs_per_step=sum(layer.padded_macs for layer in layers),
            analog_macs=first * self.inputs + graded,
            analog_macs_every_step=first * steps + graded,
            acs=sum(done[layer.name] for layer in layers if layer.spiking) / images,
            neuron_updates=steps * sum(map(self.structure.updates, self.structure.spiking)),
            firing_rate=emitted / (neurons * steps * images) if neurons else None,
            quantized_macs=sum(done[layer.name] for layer in few) / images if few else None,
            activation_bits=max((layer.bits for layer in few if layer.bits), default=None),
        )


@contextmanager
def counting(network: nn.Module, example: Tensor, timesteps: int) -> Iterator[Counter]:
    """Count everything that passes through `network` (in evaluation mode) inside the context.

    `example`: one image `(1, C, H, W)` or its frames `(T, 1, C, H, W)`.
    """
    traced = structure(network, example)
    with tallying(network, traced, timesteps) as tally:
        yield Counter(traced, tally, inputs_of(example))


def inputs_of(x: Tensor) -> int:
    """Return the number of distinct inputs of the first layer per image: 1 for images, T for frames."""
    return len(x) if x.dim() == 5 else 1
