"""`Trains` on packed bits: calls `spikes.c` through ctypes. float32, on processors with AVX-512 or AVX2."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from dsr.engine import bits, kernels, layout
from dsr.engine.layout import (
    GROUP,
    LANES,
    PATTERNS,
    TILE,
    WORD,
    ClampOfC,
    LayerOfC,
    TermOfC,
    as_c,
    by_pixel,
    channels_and_pixels,
    extents,
    geometry,
    memory_format,
    output_of,
    padded_batch,
    padded_shift,
)
from dsr.engine.processes import summed
from dsr.engine.signals import Affine, Dense, Spikes, Term
from dsr.engine.trains import Trains, amplitude, sample
from dsr.neurons import Neuron
from dsr.precision import multiplied


def serves(x: Tensor) -> bool:
    """Whether the compiled kernels can be used for the input `x` of a network."""
    plain = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return plain and x.numel() > 0 and kernels.library() is not None


def trains_for(x: Tensor, timesteps: int) -> Trains:
    """Return packed trains if the compiled kernels serve `x`, else torch's."""
    return PackedTrains(timesteps) if serves(x) else Trains(timesteps)


_empty = partial(torch.empty, dtype=torch.float32, device="cpu")  # independent of torch's defaults
_tensor = partial(torch.tensor, dtype=torch.float32, device="cpu")


class PackedTrains(Trains):
    """Spikes of 32 channels are the bits of an int32; `data` is `(T, words, H, W, images padded to 16)`."""

    def __init__(self, timesteps: int) -> None:
        super().__init__(timesteps)
        library = kernels.library()
        assert library is not None, kernels.reason()
        self.library = library
        self.threads = torch.get_num_threads()

    def fire(self, current: Affine | Dense, neuron: Neuron) -> Spikes:
        if isinstance(current, Dense):
            return self._fire_dense(current, neuron)
        images, shape = output_of(current.terms[0])
        gain = neuron.dynamics().gain
        terms, values = self._terms(current, gain)
        spikes = self._unset(images, shape, neuron)
        shift = padded_shift(current.shift, shape[0], gain)
        self._call("fire", self._layer(spikes, neuron), terms, len(values), shift, spikes.data)
        return spikes

    def fire_and_clamp(self, current: Dense, neuron: Neuron) -> tuple[Spikes, Tensor]:
        steps = 1 if current.repeated else self.timesteps
        state = _dense(current.currents.shape[0] // steps, *current.currents.shape[1:], dtype=torch.uint8)
        return self._fire_dense(current, neuron, state), state

    def _fire_dense(self, current: Dense, neuron: Neuron, state: Tensor | None = None) -> Spikes:
        x, dynamics = by_pixel(current.currents), neuron.dynamics()
        images = x.shape[0] if current.repeated else x.shape[0] // self.timesteps
        spikes = self._unset(images, tuple(x.shape[1:]), neuron)
        given = (*_scale_and_shift(current), _tensor(dynamics.weights), state)
        ends = dynamics.ceiling(neuron.threshold).item(), dynamics.closed, current.repeated
        clamp = ClampOfC(*(None if g is None else g.data_ptr() for g in given), *ends)
        self._call("fire_dense", self._layer(spikes, neuron), clamp, x, spikes.data, images)
        return spikes

    def currents(self, affine: Affine) -> Tensor:
        images, shape = output_of(affine.terms[0])
        out = _dense(self.timesteps * images, *shape)
        terms, values = self._terms(affine, 1.0)
        layer = LayerOfC(self.timesteps, padded_batch(images), *channels_and_pixels(shape))
        self._call("currents", layer, terms, len(values), padded_shift(affine.shift, shape[0], 1.0), out, images)
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
        out = _dense(self.timesteps * spikes.images, *spikes.shape)
        for data, to in zip(spikes.data, out.split(spikes.images), strict=True):
            self._weigh(data, spikes, spikes.amplitude.view(1), to)
        return out

    def count(self, spikes: Spikes) -> Tensor:
        counts = _empty(self.timesteps, *spikes.shape[1:], dtype=torch.int64)
        layer = LayerOfC(self.timesteps, padded_batch(spikes.images), *channels_and_pixels(spikes.shape))
        self._call("count", layer, spikes.data, spikes.images, counts)
        return counts

    def weigh(self, spikes: Spikes, weights: Sequence[float]) -> Tensor:
        out = _dense(spikes.images, *spikes.shape)
        self._weigh(spikes.data, spikes, _tensor(weights) * spikes.amplitude, out)
        return out

    def _weigh(self, data: Tensor, spikes: Spikes, weights: Tensor, out: Tensor) -> None:
        layer = LayerOfC(len(weights), padded_batch(spikes.images), *channels_and_pixels(spikes.shape))
        self._call("weigh", layer, data, weights, out, spikes.images)

    def sum_over_time(self, dense: Tensor, weights: Sequence[float]) -> Tensor:
        return self.sums(dense, weights)[0]

    def sums(self, dense: Tensor, weights: Sequence[float]) -> tuple[Tensor, Tensor]:
        steps, channels = len(weights), dense.shape[1]
        out, total = _dense(dense.shape[0] // steps, *dense.shape[1:]), _empty(channels, dtype=torch.float64)
        self._call("sum_over_time", by_pixel(dense), steps, *extents(out), _tensor(weights), out, total)
        return out, total.float()

    def moments(self, dense: Tensor) -> tuple[Tensor, Tensor]:
        mean, variance = _empty(2, dense.shape[1])
        self._call("moments", by_pixel(dense), *extents(dense), mean, variance)
        return mean, variance

    def clamp_state(self, current: Dense, weights: Sequence[float], ceiling: Tensor, closed: bool) -> Tensor:
        x = by_pixel(current.currents)
        steps = _tensor([1.0]) if current.repeated else _tensor(weights)
        state = _dense(x.shape[0] // len(steps), *x.shape[1:], dtype=torch.uint8)
        place = (len(steps), *extents(state))
        self._call("clamp_state", x, *place, steps, *_scale_and_shift(current), ceiling.item(), closed, state)
        return state

    def clamp_backward(self, grad: Tensor, state: Tensor, factor: float) -> tuple[Tensor, Tensor]:
        out, saturated = _dense(*grad.shape), _empty(1, dtype=torch.float64)
        self._call("clamp_backward", by_pixel(grad), by_pixel(state), grad.numel(), factor, out, saturated)
        return out, saturated.float().view(())

    def weight_gradient(self, layer: nn.Conv2d | nn.Linear, grad: Tensor, spikes: Spikes) -> Tensor:
        if not isinstance(layer, nn.Conv2d) or not (bits.serves(layer) or _skips(layer)):
            return super().weight_gradient(layer, grad, spikes)
        received = bits.repack(spikes.data, spikes.images, spikes.shape[0])
        if _skips(layer):
            received = received[:, :: layer.stride[0], :: layer.stride[0]].contiguous()
        return bits.weight_gradient(layer, grad, received) * spikes.amplitude

    def norm_backward(
        self, grad: Tensor, dense: Tensor, mean: Tensor, invstd: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        return self._norm_backward(grad, None, 1.0, dense, mean, invstd, weight)[:3]

    def norm_and_clamp_backward(
        self, grad: Tensor, state: Tensor, factor: float, dense: Tensor, mean: Tensor, invstd: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self._norm_backward(grad, by_pixel(state), factor, dense, mean, invstd, weight)

    def _norm_backward(
        self,
        grad: Tensor,
        state: Tensor | None,
        factor: float,
        dense: Tensor,
        mean: Tensor,
        invstd: Tensor,
        weight: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One pass for the sums per channel, one for the gradient."""
        grad, dense = by_pixel(grad), by_pixel(dense)
        steps, (rows, channels) = dense.shape[0] // grad.shape[0], extents(grad)
        given = (grad, state, factor, dense, steps, rows, channels, mean)
        sums, out = _empty(3, channels, dtype=torch.float64), _dense(*dense.shape)
        self._call("norm_sums", *given, sums)
        count = summed(_tensor([steps * rows], dtype=torch.float64))
        self._call("norm_gradient", *given, invstd, weight.contiguous(), summed(sums), count, out)
        grad_bias, product, saturated = sums.unbind()
        return out, (product * invstd).float(), grad_bias.float(), saturated.sum().float()

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
        weight = by_pixel(multiplied(term.layer))
        outputs, inputs = weight.shape[:2]
        taps = weight[0, 0].numel()
        table = _empty(-(-outputs // LANES) * LANES * taps * -(-inputs // GROUP) * PATTERNS)
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


def _skips(layer: nn.Conv2d) -> bool:
    """Whether a layer is one with stride 1 on every n-th row and column of pixels."""
    return layout.packable(layer) and layer.kernel_size == (1, 1) and layer.padding == (0, 0) and layer.groups == 1


def _dense(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Allocate a tensor with the channels of a pixel side by side."""
    return torch.empty(shape, dtype=dtype, device="cpu", memory_format=memory_format(shape))


def _scale_and_shift(current: Dense) -> tuple[Tensor, Tensor]:
    x = current.currents
    if current.scale is None or current.shift is None:
        return x.new_ones(x.shape[1]), x.new_zeros(x.shape[1])
    return current.scale.contiguous(), current.shift.contiguous()
