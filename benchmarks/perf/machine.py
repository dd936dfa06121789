"""This machine's rates, and the lower bound ("floor") of a training step's time that follows from them.

    floor = convolution passes x (all convolutions of one batch and step, at their measured rate)
          + 6 transfers of 4 bytes per neuron and stored time step / measured copy bandwidth

The passes are forward, input gradient and weight gradient, each at a convolution's rate; the weight gradient of spikes
at that of `dsr.engine.bits` where it is better. A method that stores dense tensors over time needs all of them T times.
The transfers: a current is written and read by the norm, an activation is written, and backward reads both and writes
one. Bit-packed spikes are neglected (1/32 of that). The spiking pass counts at the best rate of the precision, table
lookups included. Everything is channels-last.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

import dsr.precision
from benchmarks.perf.subjects import Setting, batch, device, make, synchronise
from benchmarks.recipes import passes
from benchmarks.spec import Precision
from dsr.engine import bits, packed
from dsr.engine.signals import Affine, Dense, Term
from dsr.neurons import Neuron

COPIED = 256 * 2**20
ROUNDS = 15


@dataclass(frozen=True)
class Rates:
    """Milliseconds of all convolutions of one batch and step; bytes per second of a copy, reads and writes counted.

    `bfloat16_ms` is of the way that this machine takes: its own arithmetic, or rounding and float32 convolutions.
    """

    float32_ms: float
    bfloat16_ms: float
    lookup_ms: float | None
    copied_bytes_per_second: float
    neurons: int
    weights_ms: float | None = None  # the gradients of all weights from spikes, each by the faster way


def measure(network: str, size: int) -> Rates:
    """Measure every convolution of the network separately, at its own shapes, for a batch of `size`."""
    setting = Setting("dsr-if", network, 1, size)
    calls, neurons = _convolutions(setting)
    lookups = [_lookup(layer, x) for layer, x in calls]
    return Rates(
        float32_ms=sum(_time(_dense(layer, x, nn.Conv2d)) for layer, x in calls),
        bfloat16_ms=sum(_time(_dense(layer, x, dsr.precision.Conv2d)) for layer, x in calls),
        lookup_ms=sum(_time(call) for call in lookups if call) if all(lookups) else None,
        copied_bytes_per_second=_bandwidth(),
        neurons=neurons,
        weights_ms=sum(min(_time(call) for call in _weight_gradients(layer, x)) for layer, x in calls),
    )


def floor_ms(subject: str, timesteps: int, size: int, rates: Rates, precision: Precision = "float32") -> float | None:
    """Return the lower bound of a training step's time at these rates, in milliseconds."""
    dense = rates.float32_ms if precision == "float32" else rates.bfloat16_ms
    spiking = min(dense, rates.lookup_ms or dense)
    transfer = 6 * 4 * rates.neurons * size / rates.copied_bytes_per_second * 1e3
    if subject.endswith("-rep"):
        return 3 * dense + transfer + timesteps * spiking
    weights = min(dense, rates.weights_ms or dense)
    if subject in ("dsr-if", "dsr-lif"):
        return timesteps * (spiking + weights + transfer) + dense
    if subject.startswith("stbp-tdbn"):
        return timesteps * (2 * dense + weights + transfer)
    return passes(subject, timesteps) * (3 * dense + transfer)


def _convolutions(setting: Setting) -> tuple[list[tuple[nn.Conv2d, torch.Tensor]], int]:
    """Return every convolution with an input of its shape, and the number of neurons per image."""
    network = make(setting).eval()
    seen: list[tuple[nn.Conv2d, torch.Tensor]] = []
    neurons = [0]
    hooks: list[RemovableHandle] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            hooks.append(module.register_forward_pre_hook(lambda m, x: seen.append((m, (x[0] > 0).float()))))
        if isinstance(module, Neuron):
            hooks.append(module.register_forward_hook(lambda m, x, out: neurons.append(out[0].numel())))
    with torch.no_grad():
        network(batch(setting.batch)[0])
    for hook in hooks:
        hook.remove()
    return seen, sum(neurons)


def _dense(layer: nn.Conv2d, x: torch.Tensor, kind: type[nn.Conv2d]) -> Callable[[], object]:
    """Return the convolution by a kind of layer, in training mode."""
    layer = copy.deepcopy(layer).train()
    layer.__class__ = kind
    x = x.contiguous(memory_format=torch.channels_last)
    return lambda: layer(x)


def _weight_gradients(layer: nn.Conv2d, x: torch.Tensor) -> list[Callable[[], object]]:
    """Return the ways in which the gradient of a layer's weights can be computed from its spikes."""
    with torch.no_grad():
        grad = torch.randn_like(layer(x))
    ways: list[Callable[[], object]] = [lambda: dsr.precision.weight_gradient(layer, grad, x)]
    if bits.serves(layer) and x.device.type == "cpu":
        packed_bits = bits.pack(x)
        ways.append(lambda: bits.weight_gradient(layer, grad, packed_bits))
    return ways


def _lookup(layer: nn.Conv2d, x: torch.Tensor) -> Callable[[], object] | None:
    """Return the convolution and the neurons behind it on bit-packed spikes; None if there is no such kernel."""
    if not packed.serves(x):
        return None
    trains, neuron = packed.PackedTrains(1), dsr.IF(1, threshold=1.0)
    spikes = trains.fire(Dense(x), neuron)
    current = Affine((Term(layer, spikes),))
    return lambda: trains.fire(current, neuron)


def _bandwidth() -> float:
    source = torch.empty(COPIED // 4, device=device())
    target = torch.empty_like(source)
    return 2 * COPIED / (_time(lambda: target.copy_(source)) / 1e3)


@torch.no_grad()
def _time(call: Callable[[], object]) -> float:
    """Return the shortest time in milliseconds, because a lower bound is the best case."""
    call()
    durations = []
    for _ in range(ROUNDS):
        synchronise()
        start = time.perf_counter()
        call()
        synchronise()
        durations.append(time.perf_counter() - start)
    return min(durations) * 1e3
