"""A run's synaptic operations, layer by layer: the numbers that energy models need, and those they are computed from.

    operations  =  sum over sources and pixels of  (spikes or nonzero values of the source)  x  (fanout)

All are exact integers, totals over all images and steps; norms and amplitudes are folded into the weights. A layer
behind a pool or a sum of spikes is counted twice: count A, `operations`, folds pool and sum into the layer, so that
each spike accumulates; count B, `operations_graded_pool`, multiplies the nonzero values that enter the layer, after
`pool_additions`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from benchmarks.operations.ledger_rows import LedgerRow, RateRow
from benchmarks.operations.structure import INPUT, Layer, Structure
from benchmarks.operations.tally import Tally


def ledger(structure: Structure, tally: Tally, inputs: int) -> list[LedgerRow]:
    """Return one row per layer; `inputs` is the first layer's number of distinct inputs per image, 1 or T (frames)."""
    return [_row(layer, structure, tally, inputs) for layer in structure.layers]


def rates(structure: Structure, tally: Tally) -> Iterator[RateRow]:
    """Yield the spikes of every layer of spiking neurons at every step (1, 2, ...)."""
    for name in (name for name in structure.neurons if name in structure.spiking):
        for step, spikes in enumerate(tally.by_step[name].tolist(), 1):
            yield RateRow(name, step, spikes, structure.neurons[name], tally.images)


def operations(layer: Layer, tally: Tally, inputs: int) -> int:
    """Return count A of one layer. A layer that is not fed by neurons is dense, at every step if it weighs steps.

    A layer fed by graded values through a pool or a sum has count B, because an ANN multiplies what these put out.
    """
    if layer.origin in (None, INPUT):
        return layer.dense_macs * tally.images * (tally.timesteps if layer.temporal else inputs)
    graded = _behind_pools(layer, tally) if layer.graded else None
    return _reached(layer, tally) if graded is None else graded


def _reached(layer: Layer, tally: Tally) -> int:
    return sum(int((tally.by_pixel[source.name].cpu() * source.fanout).sum()) for source in layer.sources)


def _row(layer: Layer, structure: Structure, tally: Tally, inputs: int) -> LedgerRow:
    done = operations(layer, tally, inputs)
    repeats = None if layer.spiking else tally.timesteps if layer.graded else inputs
    once = done // inputs if layer.origin in (None, INPUT) and not layer.temporal else None
    return LedgerRow(
        layer=layer.name,
        origin=layer.origin or "",
        kind=layer.kind,
        **asdict(layer.geometry),
        biases=layer.biases,
        timesteps=tally.timesteps,
        analog_repeats=repeats,
        images=tally.images,
        dense_macs_per_step=layer.dense_macs,
        padded_macs_per_step=layer.padded_macs,
        operations=done,
        operations_every_step=done if once is None else once * tally.timesteps,
        operations_nonzero=_reached(layer, tally) if layer.origin else None,
        input_nonzero=sum(tally.total(source.name) for source in layer.sources) if layer.origin else None,
        bias_accumulates=layer.biases * _pixels(layer) * (repeats or tally.timesteps) * tally.images,
        **_of_pool(layer, tally),
        **_of_neuron(layer, structure, tally),
    )


def _pixels(layer: Layer) -> int:
    return layer.geometry.out_height * layer.geometry.out_width


def _of_pool(layer: Layer, tally: Tally) -> dict[str, Any]:
    """Return count B, and what it takes: additions in pools and sums, and the nonzero values that enter the layer."""
    added = [(source, source.additions) for source in layer.sources if source.additions is not None]
    graded = _behind_pools(layer, tally)
    found: dict[str, Any] = {}
    if added:
        found["pool_additions"] = sum(int((tally.by_pixel[one.name].cpu() * times).sum()) for one, times in added)
    if graded is not None:
        found |= {"operations_graded_pool": graded, "pooled_nonzero": int(tally.by_pixel[_entering(layer)].sum())}
    return found


def _behind_pools(layer: Layer, tally: Tally) -> int | None:
    """Return count B; None for a layer without a pool or a sum in front."""
    if layer.behind_pools is None:
        return None
    return int((tally.by_pixel[_entering(layer)].cpu() * layer.behind_pools).sum())


def _entering(layer: Layer) -> str:
    """Return the name under which the nonzero values that enter a layer are tallied."""
    return layer.pool or layer.name


def _of_neuron(layer: Layer, structure: Structure, tally: Tally) -> dict[str, Any]:
    if not layer.neuron:
        return {}
    neurons, spiking = structure.neurons[layer.neuron], layer.neuron in structure.spiking
    counted: dict[str, Any] = {"neuron": layer.neuron, "output_neurons": neurons}
    counted["output_nonzero"] = tally.total(layer.neuron)
    if spiking:
        times = tally.timesteps * tally.images
        counted["neuron_updates"] = structure.updates(layer.neuron) * times
        leaks = structure.multiplied(layer.neuron)
        counted["neuron_leaks"] = None if leaks is None else leaks * times
    return counted
