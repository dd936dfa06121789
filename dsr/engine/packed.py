"""`Trains` on packed bits: `spikes.c` called through ctypes. float32 on a processor with AVX-512."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dsr.engine import kernels
from dsr.engine.trains import Affine, Dense, Spikes, Term, Trains, amplitude, sample
from dsr.neurons import Neuron

LANES, WORD, TILE, GROUP = 16, 32, 4, 4


class _Term(ctypes.Structure):
    _fields_ = (
        ("spikes", ctypes.c_void_p),
        ("values", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("channels", "height", "width", "kernel", "stride", "padding")),
    )


class _Layer(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("timesteps", "batch", "channels", "height", "width")),
        *((name, ctypes.c_float) for name in ("leak", "gain", "level", "threshold")),
    )


def serves(x: Tensor) -> bool:
    """Whether the compiled kernels can be used for what starts with `x`."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and kernels.library() is not None


def packable(layer: nn.Module) -> bool:
    """Whether the kernels know this linear layer; others get unpacked values."""
    if isinstance(layer, nn.Linear):
        return True
    return (
        isinstance(layer, nn.Conv2d)
        and layer.groups == 1
        and layer.dilation == (1, 1)
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
        and all(len(set(pair)) == 1 for pair in (layer.kernel_size, layer.stride, layer.padding))
    )


class PackedTrains(Trains):
    """Spikes of 32 channels are the bits of an int32; `data` is `(T, words, H, W, images padded to 16)`."""

    def __init__(self, timesteps: int) -> None:
        super().__init__(timesteps)
        library = kernels.library()
        assert library is not None, kernels.reason()
        self.library = library
        self.threads = ctypes.c_int64(torch.get_num_threads())

    def fire(self, current: Affine | Dense, neuron: Neuron) -> Spikes:
        if isinstance(current, Dense):
            return self._fire_dense(current, neuron)
        images, shape = _output(current.terms[0])
        gain = neuron.dynamics().gain
        terms, keep = self._terms(current, gain)
        shift = _padded(current.shift, shape[0], gain)
        spikes = self._silent(images, shape, neuron)
        self.library.fire(
            ctypes.byref(self._layer(spikes, neuron)),
            terms,
            _count(len(terms)),
            _at(shift),
            _at(spikes.data),
            self.threads,
        )
        del keep
        return spikes

    def _fire_dense(self, current: Dense, neuron: Neuron) -> Spikes:
        x = current.currents.contiguous()
        channels = x.shape[1]
        scale = x.new_ones(channels) if current.scale is None else current.scale.contiguous()
        shift = x.new_zeros(channels) if current.shift is None else current.shift.contiguous()
        images = x.shape[0] if current.repeated else x.shape[0] // self.timesteps
        spikes = self._silent(images, tuple(x.shape[1:]), neuron)
        self.library.fire_dense(
            ctypes.byref(self._layer(spikes, neuron)),
            _at(x),
            _at(scale),
            _at(shift),
            _at(spikes.data),
            _count(images),
            _count(current.repeated),
            self.threads,
        )
        return spikes

    def currents(self, affine: Affine) -> Tensor:
        images, shape = _output(affine.terms[0])
        out = torch.empty(self.timesteps * images, *shape)
        terms, keep = self._terms(affine, 1.0)
        shift = _padded(affine.shift, shape[0], 1.0)
        layer = _Layer(self.timesteps, _padded_batch(images), *_pixels(shape))
        self.library.currents(
            ctypes.byref(layer), terms, _count(len(terms)), _at(shift), _at(out), _count(images), self.threads
        )
        del keep
        return out

    def time_variance(self, affine: Affine, weights: Sequence[float]) -> Tensor:
        count, shape = _output(affine.terms[0])
        channels, height, width = _pixels(shape)
        terms, keep = self._terms(affine, 1.0)
        images, skip = sample(count, shape)
        rows = -(-(height - skip // 2) // skip)
        partial = torch.empty(-(-channels // TILE), rows, TILE, dtype=torch.float64)
        layer = _Layer(self.timesteps, _padded_batch(count), channels, height, width)
        self.library.time_variance(
            ctypes.byref(layer),
            terms,
            _count(len(terms)),
            _at(steps := torch.tensor(weights)),
            _count(images),
            _count(skip),
            _at(partial),
            self.threads,
        )
        del keep, steps
        per_channel = partial.sum(1).flatten()[:channels] / (images * rows * width)
        return per_channel.float()

    def values(self, spikes: Spikes) -> Tensor:
        out = torch.empty(self.timesteps, spikes.images, *spikes.shape)
        for data, to in zip(spikes.data, out, strict=True):
            self._weigh(data, spikes, spikes.amplitude.view(1), to)
        return out.flatten(0, 1)

    def weigh(self, spikes: Spikes, weights: Sequence[float]) -> Tensor:
        out = torch.empty(spikes.images, *spikes.shape)
        self._weigh(spikes.data, spikes, torch.tensor(weights) * spikes.amplitude, out)
        return out

    def _weigh(self, data: Tensor, spikes: Spikes, weights: Tensor, out: Tensor) -> None:
        layer = _Layer(len(weights), _padded_batch(spikes.images), *_pixels(spikes.shape))
        self.library.weigh(ctypes.byref(layer), _at(data), _at(weights), _at(out), _count(spikes.images), self.threads)

    def sum_over_time(self, dense: Tensor, weights: Sequence[float]) -> Tensor:
        dense, steps = dense.contiguous(), len(weights)
        out = torch.empty(dense.shape[0] // steps, *dense.shape[1:])
        scales = torch.tensor(weights)
        self.library.sum_over_time(_at(dense), _count(steps), _count(out.numel()), _at(scales), _at(out), self.threads)
        return out

    def moments(self, dense: Tensor) -> tuple[Tensor, Tensor]:
        dense = dense.contiguous()
        mean, variance = torch.empty(2, dense.shape[1])
        self.library.moments(_at(dense), *_rows(dense), _at(mean), _at(variance), self.threads)
        return mean, variance

    def clamp_state(self, current: Dense, weights: Sequence[float], ceiling: Tensor, closed: bool) -> Tensor:
        x = current.currents.contiguous()
        steps = torch.ones(1) if current.repeated else torch.tensor(weights)
        scale = x.new_ones(x.shape[1]) if current.scale is None else current.scale.contiguous()
        shift = x.new_zeros(x.shape[1]) if current.shift is None else current.shift.contiguous()
        _, channels, pixels = _rows(x)
        state = torch.empty(x.shape[0] // len(steps), *x.shape[1:], dtype=torch.uint8)
        self.library.clamp_state(
            _at(x),
            _count(len(steps)),
            _count(state.shape[0]),
            channels,
            pixels,
            _at(steps),
            _at(scale),
            _at(shift),
            ctypes.c_float(ceiling.item()),
            _count(closed),
            _at(state),
            self.threads,
        )
        return state

    def clamp_backward(self, grad: Tensor, state: Tensor, factor: float) -> tuple[Tensor, Tensor]:
        grad = grad.contiguous()
        out = torch.empty_like(grad)
        saturated = self.library.clamp_backward(
            _at(grad), _at(state), _count(grad.numel()), ctypes.c_float(factor), _at(out), self.threads
        )
        return out, grad.new_tensor(saturated)

    def norm_backward(
        self, grad: Tensor, dense: Tensor, mean: Tensor, invstd: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        grad, dense = grad.contiguous(), dense.contiguous()
        out, grad_weight, grad_bias = torch.empty_like(dense), torch.empty_like(mean), torch.empty_like(mean)
        steps, (images, channels, pixels) = dense.shape[0] // grad.shape[0], _rows(grad)
        at = [_at(x) for x in (mean, invstd, weight.contiguous(), out, grad_weight, grad_bias)]
        self.library.norm_backward(_at(grad), _at(dense), _count(steps), images, channels, pixels, *at, self.threads)
        return out, grad_weight, grad_bias

    def _terms(self, affine: Affine, gain: float) -> tuple[ctypes.Array[_Term], list[Tensor]]:
        """The terms as the kernels want them, and the tables that must live as long."""
        made = [self._term(term, gain) for term in affine.terms]
        return (_Term * len(made))(*(term for term, _ in made)), [values for _, values in made]

    def _term(self, term: Term, gain: float) -> tuple[_Term, Tensor]:
        spikes, layer = term.spikes, term.layer
        channels, height, width = _pixels(spikes.shape)
        if layer is None:
            values, kernel, stride, padding = self._scale(term, channels, gain), 0, 1, 0
        else:
            values = self._tabulate(layer, self._scale(term, layer.weight.shape[0], gain))
            kernel, stride, padding = _geometry(layer)
        made = _Term(spikes.data.data_ptr(), values.data_ptr(), channels, height, width, kernel, stride, padding)
        return made, values

    def _scale(self, term: Term, channels: int, gain: float) -> Tensor:
        factor = term.spikes.amplitude * gain
        return factor.repeat(channels) if term.scale is None else (term.scale * factor).contiguous()

    def _tabulate(self, layer: nn.Conv2d | nn.Linear, scale: Tensor) -> Tensor:
        weight = layer.weight.detach().contiguous()
        outputs, inputs = weight.shape[:2]
        taps = weight[0, 0].numel()
        table = torch.empty(-(-outputs // TILE) * taps * -(-inputs // GROUP) * TILE * 2**GROUP)
        self.library.tabulate(
            _at(weight), _at(scale), _count(outputs), _count(inputs), _count(taps), _at(table), self.threads
        )
        return table

    def _silent(self, images: int, shape: tuple[int, ...], neuron: Neuron) -> Spikes:
        channels, height, width = _pixels(shape)
        data = torch.empty(
            self.timesteps, -(-channels // WORD), height, width, _padded_batch(images), dtype=torch.int32
        )
        return Spikes(data, images, shape, amplitude(neuron, neuron.dynamics()))

    def _layer(self, spikes: Spikes, neuron: Neuron) -> _Layer:
        of, threshold = neuron.dynamics(), neuron.threshold.item()
        place = (self.timesteps, _padded_batch(spikes.images), *_pixels(spikes.shape))
        return _Layer(*place, of.leak, of.gain, neuron.alpha * threshold, threshold)


def _at(x: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(x.data_ptr())


def _count(value: int) -> ctypes.c_int64:
    return ctypes.c_int64(value)


def _padded_batch(images: int) -> int:
    return -(-images // LANES) * LANES


def _padded(shift: Tensor | None, channels: int, gain: float) -> Tensor:
    """The shift of whole tiles of channels; a channel that is not there gets 0 and never fires."""
    out = torch.zeros(-(-channels // TILE) * TILE)
    if shift is not None:
        torch.mul(shift.detach(), gain, out=out[:channels])
    return out


def _pixels(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(C, H, W); features without pixels have one."""
    return shape if len(shape) == 3 else (shape[0], 1, 1)


def _rows(dense: Tensor) -> tuple[ctypes.c_int64, ctypes.c_int64, ctypes.c_int64]:
    return _count(dense.shape[0]), _count(dense.shape[1]), _count(dense[0, 0].numel())


def _geometry(layer: nn.Conv2d | nn.Linear) -> tuple[int, int, int]:
    """Kernel, stride and padding."""
    if isinstance(layer, nn.Linear):
        return 1, 1, 0
    assert not isinstance(layer.padding, str)
    return layer.kernel_size[0], layer.stride[0], layer.padding[0]


def _output(term: Term) -> tuple[int, tuple[int, ...]]:
    """Number of images and shape of what a term gives."""
    spikes, layer = term.spikes, term.layer
    if layer is None:
        return spikes.images, spikes.shape
    if isinstance(layer, nn.Linear):
        return spikes.images, (layer.out_features,)
    kernel, stride, padding = _geometry(layer)
    pixels = [(size + 2 * padding - kernel) // stride + 1 for size in spikes.shape[1:]]
    return spikes.images, (layer.out_channels, *pixels)
