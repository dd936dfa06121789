"""`Trains` on packed bits: calls `spikes.c` through ctypes. float32, on processors with AVX-512 or AVX2."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from dsr.engine import kernels
from dsr.engine.layout import (
    GROUP,
    TILE,
    WORD,
    LayerOfC,
    TermOfC,
    as_c,
    channels_and_pixels,
    extents,
    geometry,
    output_of,
    padded_batch,
    whole_tiles,
)
from dsr.engine.processes import several
from dsr.engine.signals import Affine, Dense, Spikes, Term
from dsr.engine.trains import Trains, amplitude, sample
from dsr.neurons import Neuron


def serves(x: Tensor) -> bool:
    """Whether the compiled kernels can be used for the input `x` of a network."""
    plain = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return plain and x.numel() > 0 and kernels.library() is not None


def trains_for(x: Tensor, timesteps: int, compute: torch.dtype | None) -> Trains:
    """Return packed trains if the compiled kernels serve `x` and no other precision is requested, else torch's."""
    if compute is None and serves(x):
        return PackedTrains(timesteps)
    return Trains(timesteps, compute)


_empty = partial(torch.empty, dtype=torch.float32, device="cpu")  # independent of torch's defaults
_tensor = partial(torch.tensor, dtype=torch.float32, device="cpu")


class PackedTrains(Trains):
    """Spikes of 32 channels are the bits of an int32; `data` is `(T, words, H, W, images padded to 16)`."""

    def __init__(self, timesteps: int) -> None:
        super().__init__(timesteps)
        library = kernels.library()
        assert library is not None, kernels.reason()
        self.library, self.entries = library, library.entries()
        self.threads = torch.get_num_threads()

    def fire(self, current: Affine | Dense, neuron: Neuron) -> Spikes:
        if isinstance(current, Dense):
            return self._fire_dense(current, neuron)
        images, shape = output_of(current.terms[0])
        gain = neuron.dynamics().gain
        terms, values = self._terms(current, gain)
        spikes = self._unset(images, shape, neuron)
        shift = whole_tiles(current.shift, shape[0], gain)
        self._call("fire", self._layer(spikes, neuron), terms, len(values), shift, spikes.data)
        return spikes

    def _fire_dense(self, current: Dense, neuron: Neuron) -> Spikes:
        x = current.currents.contiguous()
        images = x.shape[0] if current.repeated else x.shape[0] // self.timesteps
        spikes = self._unset(images, tuple(x.shape[1:]), neuron)
        layer = self._layer(spikes, neuron)
        self._call("fire_dense", layer, x, *_scale_and_shift(current), spikes.data, images, current.repeated)
        return spikes

    def currents(self, affine: Affine) -> Tensor:
        images, shape = output_of(affine.terms[0])
        out = _empty(self.timesteps * images, *shape)
        terms, values = self._terms(affine, 1.0)
        layer = LayerOfC(self.timesteps, padded_batch(images), *channels_and_pixels(shape))
        self._call("currents", layer, terms, len(values), whole_tiles(affine.shift, shape[0], 1.0), out, images)
        return out

    def time_variance(self, affine: Affine, weights: Sequence[float]) -> Tensor:
        count, shape = output_of(affine.terms[0])
        channels, height, width = channels_and_pixels(shape)
        images, skip = sample(count, shape)
        rows = -(-(height - skip // 2) // skip)
        sums = _empty(-(-channels // TILE), rows, TILE, dtype=torch.float64)
        terms, values = self._terms(affine, 1.0)
        layer = LayerOfC(self.timesteps, padded_batch(count), channels, height, width)
        self._call("time_variance", layer, terms, len(values), _tensor(weights), images, skip, sums)
        return (sums.sum(1).flatten()[:channels] / (images * rows * width)).float()

    def values(self, spikes: Spikes) -> Tensor:
        out = _empty(self.timesteps, spikes.images, *spikes.shape)
        for data, to in zip(spikes.data, out, strict=True):
            self._weigh(data, spikes, spikes.amplitude.view(1), to)
        return out.flatten(0, 1)

    def count(self, spikes: Spikes) -> Tensor:
        counts = _empty(self.timesteps, *spikes.shape[1:], dtype=torch.int64)
        layer = LayerOfC(self.timesteps, padded_batch(spikes.images), *channels_and_pixels(spikes.shape))
        self._call("count", layer, spikes.data, spikes.images, counts)
        return counts

    def weigh(self, spikes: Spikes, weights: Sequence[float]) -> Tensor:
        out = _empty(spikes.images, *spikes.shape)
        self._weigh(spikes.data, spikes, _tensor(weights) * spikes.amplitude, out)
        return out

    def _weigh(self, data: Tensor, spikes: Spikes, weights: Tensor, out: Tensor) -> None:
        layer = LayerOfC(len(weights), padded_batch(spikes.images), *channels_and_pixels(spikes.shape))
        self._call("weigh", layer, data, weights, out, spikes.images)

    def sum_over_time(self, dense: Tensor, weights: Sequence[float]) -> Tensor:
        steps = len(weights)
        out = _empty(dense.shape[0] // steps, *dense.shape[1:])
        self._call("sum_over_time", dense.contiguous(), steps, out.numel(), _tensor(weights), out)
        return out

    def moments(self, dense: Tensor) -> tuple[Tensor, Tensor]:
        mean, variance = _empty(2, dense.shape[1])
        self._call("moments", dense.contiguous(), *extents(dense), mean, variance)
        return mean, variance

    def clamp_state(self, current: Dense, weights: Sequence[float], ceiling: Tensor, closed: bool) -> Tensor:
        x = current.currents.contiguous()
        steps = _tensor([1.0]) if current.repeated else _tensor(weights)
        state = _empty(x.shape[0] // len(steps), *x.shape[1:], dtype=torch.uint8)
        place = (len(steps), *extents(state))
        self._call("clamp_state", x, *place, steps, *_scale_and_shift(current), ceiling.item(), closed, state)
        return state

    def clamp_backward(self, grad: Tensor, state: Tensor, factor: float) -> tuple[Tensor, Tensor]:
        out = torch.empty_like(grad, memory_format=torch.contiguous_format)
        saturated = self._call("clamp_backward", grad.contiguous(), state, grad.numel(), factor, out)
        return out, grad.new_tensor(saturated)

    def norm_backward(
        self, grad: Tensor, dense: Tensor, mean: Tensor, invstd: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        if several():
            return super().norm_backward(grad, dense, mean, invstd, weight)
        grad, dense = grad.contiguous(), dense.contiguous()
        out, grad_weight, grad_bias = torch.empty_like(dense), torch.empty_like(mean), torch.empty_like(mean)
        place = (dense.shape[0] // grad.shape[0], *extents(grad))
        given = (mean, invstd, weight.contiguous(), out, grad_weight, grad_bias)
        self._call("norm_backward", grad, dense, *place, *given)
        return out, grad_weight, grad_bias

    def _call(self, function: str, *arguments: Any) -> Any:
        return getattr(self.library, function)(*map(as_c, (*arguments, self.threads)))

    def _terms(self, affine: Affine, gain: float) -> tuple[ctypes.Array[TermOfC], list[Tensor]]:
        """Return the terms in the kernels' format, and their values, which must live as long."""
        values = [self._values(term, gain) for term in affine.terms]
        terms = [
            TermOfC(
                term.spikes.data.data_ptr(),
                value.data_ptr(),
                *channels_and_pixels(term.spikes.shape),
                *((0, 1, 0) if term.layer is None else geometry(term.layer)),
            )
            for term, value in zip(affine.terms, values, strict=True)
        ]
        return (TermOfC * len(terms))(*terms), values

    def _values(self, term: Term, gain: float) -> Tensor:
        """Return a layer's lookup tables times scale, amplitude and gain; for an identity one value per channel."""
        factor = term.spikes.amplitude * gain
        channels = term.spikes.shape[0] if term.layer is None else term.layer.weight.shape[0]
        scale = factor.repeat(channels) if term.scale is None else (term.scale * factor).contiguous()
        if term.layer is None:
            return scale
        weight = term.layer.weight.detach().contiguous()
        outputs, inputs = weight.shape[:2]
        taps = weight[0, 0].numel()
        table = _empty(-(-outputs // TILE) * taps * -(-inputs // GROUP) * TILE * self.entries)
        self._call("tabulate", weight, scale, outputs, inputs, taps, table)
        return table

    def _unset(self, images: int, shape: tuple[int, ...], neuron: Neuron) -> Spikes:
        """Allocate spikes; a kernel writes all of them."""
        channels, height, width = channels_and_pixels(shape)
        words = -(-channels // WORD)
        data = _empty(self.timesteps, words, height, width, padded_batch(images), dtype=torch.int32)
        return Spikes(data, images, shape, amplitude(neuron, neuron.dynamics()))

    def _layer(self, spikes: Spikes, neuron: Neuron) -> LayerOfC:
        dynamics, threshold = neuron.dynamics(), neuron.threshold.item()
        place = (self.timesteps, padded_batch(spikes.images), *channels_and_pixels(spikes.shape))
        return LayerOfC(*place, dynamics.leak, dynamics.gain, neuron.alpha * threshold, threshold)


def _scale_and_shift(current: Dense) -> tuple[Tensor, Tensor]:
    x = current.currents
    if current.scale is None or current.shift is None:
        return x.new_ones(x.shape[1]), x.new_zeros(x.shape[1])
    return current.scale.contiguous(), current.shift.contiguous()
