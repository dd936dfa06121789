"""The operations that engines need on spike trains, in plain torch for any device and dtype.

Spikes are stored as 0 or 1; `amplitude` is the height of the neuron's spikes and folds into the next weights. Dense
tensors over time are `(T*B, ...)`, row `t*B + b`; features without pixels are `(T*B, C)`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsr.dynamics import Dynamics, fire, simulate
from dsr.engine.processes import summed
from dsr.engine.signals import Affine, Dense, Spikes, Term, all_but_channels, per_channel
from dsr.neurons import Neuron
from dsr.precision import in_hardware, multiplied, operand, rounds, weight_gradient
from dsr.representation import at_every_step, unfold, weighted_sum


class Trains:
    """Operations on spike trains of T steps."""

    def __init__(self, timesteps: int) -> None:
        self.timesteps = timesteps

    def fire(self, current: Affine | Dense, neuron: Neuron) -> Spikes:
        """Simulate a layer of neurons on its currents."""
        if isinstance(current, Affine) and not current.terms[0].spikes.data.is_cuda:
            # step by step, so that data stay in the processor's cache; a GPU is faster with all steps at once
            dynamics = neuron.dynamics()
            steps = simulate(self._streamed(current), neuron.threshold, neuron.alpha, dynamics.leak, dynamics.gain)
            return self._spikes(torch.cat([spikes.bool() for spikes in steps]), neuron)
        repeated = isinstance(current, Dense) and current.repeated
        x = self.currents(current) if isinstance(current, Affine) else current.scaled(current.currents)
        return self._integrate(x.expand(self.timesteps, *x.shape) if repeated else unfold(x, self.timesteps), neuron)

    def fire_and_clamp(self, current: Dense, neuron: Neuron) -> tuple[Spikes, Tensor]:
        """Simulate a layer of neurons; also return the state of the clamp of its representation."""
        dynamics = neuron.dynamics()
        state = self.clamp_state(current, dynamics.weights, dynamics.ceiling(neuron.threshold), dynamics.closed)
        return self.fire(current, neuron), state

    def currents(self, affine: Affine) -> Tensor:
        """Return the currents, `(T*B, ...)`."""
        total = None
        for term in affine.terms:
            value = self._linear(term)
            total = value if total is None else total.add_(value)
        assert total is not None
        return total if affine.shift is None else total.add_(per_channel(affine.shift, total))

    def values(self, spikes: Spikes) -> Tensor:
        """Return the emitted values, 0 or the amplitude, `(T*B, ...)`."""
        return spikes.data.to(spikes.amplitude.dtype) * spikes.amplitude

    def weigh(self, spikes: Spikes, weights: Sequence[float]) -> Tensor:
        """Return the weighted sum of the emitted values over time, `(B, ...)`."""
        return self.sum_over_time(self.values(spikes), weights)

    def count(self, spikes: Spikes) -> Tensor:
        """Count spikes by step and pixel, over images and channels: `(T, H, W)` or `(T,)`, int64."""
        pixels = spikes.data.shape[2:]
        steps = spikes.data.contiguous().view(self.timesteps, -1, pixels.numel())
        if pixels.numel() % 8 or steps.is_cuda:
            return steps.sum(1).view(self.timesteps, *pixels)
        # eight pixels per word: 255 rows of zeros and ones add up without a carry
        sums = (rows.sum(1).view(torch.uint8).long() for rows in steps.view(torch.int64).split(255, 1))
        return torch.stack(list(sums)).sum(0).view(self.timesteps, *pixels)

    def dropped(self, spikes: Spikes, share: float) -> tuple[Spikes, Tensor]:
        """Drop a random share of the spikes, scale the rest by 1 / (1 - share); also return the mask `(T*B, ...)`."""
        kept = torch.rand(spikes.data.shape, device=spikes.data.device) >= share
        return replace(spikes, data=spikes.data & kept, amplitude=spikes.amplitude / (1.0 - share)), kept

    def sum_over_time(self, dense: Tensor, weights: Sequence[float]) -> Tensor:
        """Return the weighted sum over time, `(T*B, ...) -> (B, ...)`."""
        return weighted_sum(dense, dense.new_tensor(weights))

    def sums(self, dense: Tensor, weights: Sequence[float]) -> tuple[Tensor, Tensor]:
        """Return the weighted sum over time, and the sum per channel over all rows and pixels."""
        return self.sum_over_time(dense, weights), dense.sum(all_but_channels(dense))

    def moments(self, dense: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and biased variance per channel."""
        variance, mean = torch.var_mean(dense, all_but_channels(dense), correction=0)
        return mean, variance

    def time_variance(self, affine: Affine, weights: Sequence[float]) -> Tensor:
        """Return `variance_over_time` of the currents at a sample of images and pixels."""
        steps = unfold(self.currents(affine), self.timesteps)
        images, skip = sample(steps.shape[1], tuple(steps.shape[2:]))
        steps = steps[:, :images].flatten(0, 1)
        return variance_over_time(steps[:, :, skip // 2 :: skip] if steps.dim() > 2 else steps, weights)

    def clamp_state(self, current: Dense, weights: Sequence[float], ceiling: Tensor, closed: bool) -> Tensor:
        """Return the clamp's state at the weighted mean current: 0 below, 1 open, 2 saturated; `(B, ...)` uint8.

        `closed`: whether a mean of exactly 0 or exactly the ceiling counts as open.
        """
        mean = current.currents if current.repeated else self.sum_over_time(current.currents, weights)
        mean = current.scaled(mean)
        saturated = mean > ceiling
        is_open = (mean >= 0) & ~saturated if closed else (mean > 0) & (mean < ceiling)
        return is_open.to(torch.uint8) + 2 * saturated.to(torch.uint8)

    def clamp_backward(self, grad: Tensor, state: Tensor, factor: float) -> tuple[Tensor, Tensor]:
        """Return `factor * grad` where the clamp is open, and the sum of `grad` where it is saturated."""
        return grad * (state == 1) * factor, (grad * (state == 2)).sum()

    def norm_backward(
        self, grad: Tensor, dense: Tensor, mean: Tensor, invstd: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Backward of a batch norm: `grad` `(B, ...)` is the same at every step, `dense` `(S*B, ...)` the norm's input.

        Returns the gradients of input, weight and bias. `mean` and `invstd` are those of all processes' batch.
        """
        grad, over = at_every_step(grad, dense.shape[0] // grad.shape[0]), all_but_channels(dense)
        count = summed(grad.new_tensor(dense.numel() / dense.shape[1]))
        normed = (dense - per_channel(mean, dense)) * per_channel(invstd, dense)
        grad_bias, grad_weight = grad.sum(over), (grad * normed).sum(over)
        mean_grad, mean_product = (per_channel(summed(g) / count, dense) for g in (grad_bias, grad_weight))
        centred = grad - mean_grad - normed * mean_product
        return centred * per_channel(weight * invstd, dense), grad_weight, grad_bias

    def weight_gradient(self, layer: nn.Conv2d | nn.Linear, grad: Tensor, spikes: Spikes) -> Tensor:
        """Return the gradient of a layer's weights from its output's at every step and the spikes it received."""
        values = self.values(replace(spikes, amplitude=torch.ones_like(spikes.amplitude)))  # exact in any precision
        return weight_gradient(layer, grad, values) * spikes.amplitude

    def norm_and_clamp_backward(
        self, grad: Tensor, state: Tensor, factor: float, dense: Tensor, mean: Tensor, invstd: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Backward of a batch norm with a clamp behind it: `clamp_backward`, then `norm_backward`.

        Returns the gradients of input, weight and bias, and the sum of `grad` where the clamp is saturated.
        """
        at_norm, saturated = self.clamp_backward(grad, state, factor)
        return *self.norm_backward(at_norm, dense, mean, invstd, weight), saturated

    def _linear(self, term: Term) -> Tensor:
        """Return a term's values; scale and amplitude fold into the weights, after these have been rounded."""
        spikes, layer = term.spikes, term.layer
        wide = spikes.amplitude.dtype
        scale = spikes.amplitude if term.scale is None else term.scale * spikes.amplitude
        if layer is None:
            x = spikes.data.to(wide)
            return x * (per_channel(scale, x) if scale.dim() else scale)
        if rounds(layer) and layer.training and in_hardware(spikes.data.device):
            x = _multiply(layer, spikes.data.bfloat16(), operand(layer.weight)).to(wide)
            return x * (per_channel(scale, x) if scale.dim() else scale)
        weight = multiplied(layer)
        return _multiply(layer, spikes.data.to(wide), weight * scale.view(-1, *[1] * (weight.dim() - 1)))

    def _streamed(self, affine: Affine) -> Iterator[Tensor]:
        for step in range(self.timesteps):
            yield self.currents(replace(affine, terms=tuple(_at(term, step) for term in affine.terms)))

    def _integrate(self, currents: Tensor, neuron: Neuron) -> Spikes:
        dynamics = neuron.dynamics()
        emitted, one = torch.empty_like(currents, dtype=torch.bool), torch.ones((), device=currents.device)
        fire(currents, emitted, neuron.threshold, one, neuron.alpha, dynamics.leak, dynamics.gain)
        return self._spikes(emitted.flatten(0, 1), neuron)

    def _spikes(self, data: Tensor, neuron: Neuron) -> Spikes:
        images = data.shape[0] // self.timesteps
        return Spikes(data, images, tuple(data.shape[1:]), amplitude(neuron, neuron.dynamics()))


def _multiply(layer: nn.Conv2d | nn.Linear, x: Tensor, weight: Tensor) -> Tensor:
    if isinstance(layer, nn.Linear):
        return F.linear(x, weight)
    return F.conv2d(x, weight, None, layer.stride, layer.padding, layer.dilation, layer.groups)


def _at(term: Term, step: int) -> Term:
    """Return a term's part of one step."""
    rows = slice(step * term.spikes.images, (step + 1) * term.spikes.images)
    return replace(term, spikes=replace(term.spikes, data=term.spikes.data[rows]))


def sample(images: int, shape: tuple[int, ...]) -> tuple[int, int]:
    """Choose the sample for a variance over time: the number of images, and n for every n-th row of pixels.

    The sample has at least 16 images and 256 values per channel, if available, and rows are skipped above 4096 values.
    """
    _, height, width = shape if len(shape) == 3 else (0, 1, 1)
    images = min(images, max(16, -(-256 // (height * width))))
    return images, min(height, max(1, images * height * width // 4096))


def variance_over_time(dense: Tensor, weights: Sequence[float]) -> Tensor:
    """Weighted variance over time about each neuron's weighted mean, averaged per channel, `(T*B, C, ...) -> (C,)`."""
    steps = unfold(dense, len(weights))
    weight = steps.new_tensor(weights).view(-1, *[1] * (steps.dim() - 1))
    variance = (weight * (steps - (weight * steps).sum(0)) ** 2).sum(0)
    return variance.mean(all_but_channels(variance))


def amplitude(neuron: Neuron, dynamics: Dynamics) -> Tensor:
    """Return the height of the neuron's spikes."""
    return neuron.threshold.detach() / dynamics.dt
