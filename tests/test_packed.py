"""Packed bits and compiled kernels against their definition in torch."""

from __future__ import annotations

import pytest
import torch
from invented_spikes import KINDS, NEURONS, STEPS, needs_kernels, seeded
from torch import Tensor, nn

import dsr
from dsr.engine import packed
from dsr.engine.signals import Affine, Dense, Spikes, Term
from dsr.engine.trains import Trains

GEOMETRIES = [
    # inputs, outputs, kernel, stride, padding, height, width, images
    (4, 5, 3, 1, 1, 33, 30, 20),
    (5, 9, 3, 1, 1, 6, 5, 3),
    (32, 32, 3, 1, 1, 4, 4, 16),
    (33, 70, 3, 2, 1, 7, 7, 37),
    (16, 8, 1, 2, 0, 6, 6, 64),
    (8, 36, 5, 1, 2, 5, 9, 100),
    (3, 2, 2, 2, 0, 20, 3, 1),
]


def both(timesteps: int = STEPS) -> tuple[packed.PackedTrains, Trains]:
    return packed.PackedTrains(timesteps), Trains(timesteps)


def spikes_of(dense: Tensor) -> tuple[Spikes, Spikes]:
    """The same spikes in both formats, amplitude 0.8."""
    neuron = dsr.IF(STEPS, threshold=0.8)
    bits, plain = (trains.fire(Dense(dense), neuron) for trains in both())
    return bits, plain


@needs_kernels
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("kind", KINDS)
def test_packed_spikes_fire_convolve_and_weigh_as_defined(kind, geometry):
    inputs, outputs, kernel, stride, padding, height, width, count = geometry
    bits, plain = spikes_of(seeded(STEPS * count, inputs, height, width))
    ours, defined = both()
    assert torch.equal(ours.values(bits), defined.values(plain))
    assert 0 < (defined.values(plain) > 0).float().mean() < 1
    assert torch.equal(ours.count(bits), defined.count(plain))
    assert torch.equal(defined.count(plain), (defined.values(plain).unflatten(0, (STEPS, -1)) > 0).sum((1, 2)))
    assert torch.allclose(ours.weigh(bits, [0.1, 0.2, 0.3, 0.4]), defined.weigh(plain, [0.1, 0.2, 0.3, 0.4]), atol=1e-6)

    torch.manual_seed(0)
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding)
    scale, shift = seeded(outputs).abs() + 0.5, seeded(outputs, seed=2) * 0.1
    affine = [Affine((Term(layer, s, scale),), shift) for s in (bits, plain)]
    with torch.no_grad():
        found, expected = ours.currents(affine[0]), defined.currents(affine[1])
        assert torch.allclose(found, expected, atol=1e-4)
        spread = [t.time_variance(a, [0.1, 0.2, 0.3, 0.4]) for t, a in zip((ours, defined), affine, strict=True)]
        assert torch.allclose(*spread, rtol=1e-3)
        neuron = NEURONS[KINDS.index(kind)]()
        emitted = [t.values(t.fire(a, neuron)) for t, a in zip((ours, defined), affine, strict=True)]
    assert ((emitted[0] > 0) != (emitted[1] > 0)).float().mean() < 1e-3  # sums in another order
    assert torch.equal(emitted[0].unique(), emitted[1].unique())


def sums_in_order(layer: nn.Conv2d, on: Tensor, scale: Tensor, start: Tensor) -> Tensor:
    """`start` plus a convolution of spikes, in float32 additions as the kernels do them: for each tap of the kernel and
    each 4 input channels, one of the sum of their selected weights."""
    weight, total = layer.weight * scale.view(-1, 1, 1, 1), start
    padded = nn.functional.pad(on.float(), [layer.padding[0]] * 4)
    edge, stride = layer.kernel_size[0], layer.stride[0]
    for ky in range(edge):
        for kx in range(edge):
            rows, columns = (
                slice(k, k + (n - 1) * stride + 1, stride) for k, n in zip((ky, kx), start.shape[2:], strict=True)
            )
            for group in range(0, layer.in_channels, 4):
                entry = torch.zeros_like(start)
                for i in range(group, min(group + 4, layer.in_channels)):
                    entry = entry + padded[:, i : i + 1, rows, columns] * weight[:, i, ky, kx].view(1, -1, 1, 1)
                total = total + entry
    return total


@needs_kernels
@pytest.mark.parametrize("geometry", [*GEOMETRIES, (20, 17, 3, 1, 1, 5, 4, 150), (16, 24, 3, 1, 1, 4, 4, 130)])
@pytest.mark.parametrize("timesteps", [STEPS, 11])
def test_sums_are_the_same_bits_on_every_processor(geometry, timesteps):
    inputs, outputs, kernel, stride, padding, height, width, count = geometry
    neuron, (ours, defined) = dsr.IF(timesteps, threshold=0.8), both(timesteps)
    dense = Dense(seeded(timesteps * count, inputs, height, width))
    on = defined.values(defined.fire(dense, neuron)) > 0
    torch.manual_seed(0)
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding)
    scale, shift = seeded(outputs).abs() + 0.5, seeded(outputs, seed=2) * 0.1
    with torch.no_grad():
        spikes = ours.fire(dense, neuron)
        passed = ours.fire(Dense(ours.currents(Affine((Term(layer, spikes, scale),), shift))), neuron)
        identity = Term(None, passed, seeded(outputs, seed=3))
        affine = Affine((Term(layer, spikes, scale), identity), shift)
        found, fired = ours.currents(affine), ours.values(ours.fire(affine, neuron)) > 0
        expected = sums_in_order(layer, on, scale * spikes.amplitude, shift.view(1, -1, 1, 1).expand_as(found))
        expected = expected + (ours.values(passed) > 0) * (identity.scale * passed.amplitude).view(1, -1, 1, 1)
        plain = Affine((Term(layer, defined.fire(dense, neuron), scale),), shift)
        weights = [1 / timesteps] * timesteps
        spread = [t.time_variance(Affine((a.terms[0],)), weights) for t, a in ((ours, affine), (defined, plain))]
    assert torch.equal(found, expected)
    assert torch.allclose(*spread, rtol=1e-3)
    membrane = torch.zeros_like(expected[:count])
    threshold, dynamics = neuron.threshold.item(), neuron.dynamics()
    assert (dynamics.leak, dynamics.gain) == (1, 1)  # a product with a leak would be rounded with the sum
    for step, current in enumerate(expected.split(count)):
        membrane = membrane + current
        spike = membrane >= torch.tensor(neuron.alpha * threshold)
        assert torch.equal(fired[step * count : (step + 1) * count], spike)
        membrane = torch.where(spike, membrane - threshold, membrane)


@needs_kernels
def test_packed_terms_add_up_and_identity_passes_spikes_on():
    bits, plain = spikes_of(seeded(STEPS * 20, 40, 5, 5))
    layer = nn.Conv2d(40, 40, 3, padding=1)
    scale = seeded(40)
    with torch.no_grad():
        found, expected = (
            trains.currents(Affine((Term(layer, s, scale), Term(None, s, scale.flip(0)), Term(None, s)), layer.bias))
            for trains, s in zip(both(), (bits, plain), strict=True)
        )
    assert torch.allclose(found, expected, atol=1e-4)


@needs_kernels
@pytest.mark.parametrize("shape", [(9, 7), (33, 10, 3, 3), (64, 5, 8, 8)])
@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_packed_neurons_on_dense_currents_fire_as_defined(kind, repeated, shape):
    images, channels = shape[:2]
    x = seeded(images * (1 if repeated else STEPS), *shape[1:])
    current = Dense(x, repeated, seeded(channels).abs(), seeded(channels, seed=3))
    neuron = NEURONS[KINDS.index(kind)]()
    found, expected = (trains.values(trains.fire(current, neuron)) for trains in both())
    assert ((found > 0) != (expected > 0)).float().mean() < 1e-3
    assert 0 < (expected > 0).float().mean() < 1


@needs_kernels
@pytest.mark.parametrize("shape", [(9, 7), (6, 10, 3, 3), (5, 3, 17, 4)])
def test_compiled_backward_passes_are_the_ones_defined(shape):
    ours, defined = both()
    images, channels = shape[:2]
    dense, grad = seeded(STEPS * images, *shape[1:]) * 3 + 5, seeded(*shape, seed=1)
    weights = [0.1, 0.2, 0.3, 0.4]
    assert torch.allclose(ours.sum_over_time(dense, weights), defined.sum_over_time(dense, weights), atol=1e-5)
    for found, expected in zip(ours.moments(dense), defined.moments(dense), strict=True):
        assert torch.allclose(found, expected, rtol=1e-5)
    mean, variance = defined.moments(dense)
    invstd, weight = torch.rsqrt(variance + 1e-5), seeded(channels)
    pairs = zip(
        ours.norm_backward(grad, dense, mean, invstd, weight),
        defined.norm_backward(grad, dense, mean, invstd, weight),
        strict=True,
    )
    assert all(torch.allclose(found, expected, rtol=1e-3, atol=1e-4) for found, expected in pairs)

    current = Dense(dense, scale=invstd, shift=-mean * invstd)
    for closed in (False, True):
        states = [t.clamp_state(current, weights, torch.tensor(0.3), closed) for t in (ours, defined)]
        assert (states[0] != states[1]).float().mean() < 1e-2
        assert set(states[1].unique().tolist()) == {0, 1, 2}
    at_current, saturated = ours.clamp_backward(grad, states[1], 0.5)
    expected, total = defined.clamp_backward(grad, states[1], 0.5)
    assert torch.allclose(at_current, expected)
    assert torch.allclose(saturated, total, atol=1e-4)


@needs_kernels
@pytest.mark.parametrize("shape", [(9, 7), (6, 10, 3, 3), (5, 3, 17, 4), (64, 40, 1, 1)])
def test_compiled_norm_and_clamp_are_the_ones_defined(shape):
    ours, defined = both()
    images, channels = shape[:2]
    grad = seeded(*shape, seed=1)
    mean, invstd, weight = seeded(channels), seeded(channels, seed=2).abs() + 0.1, seeded(channels, seed=3)
    for repeated in (False, True):
        dense = seeded(images * (1 if repeated else STEPS), *shape[1:]) * 2
        current, neuron = Dense(dense, repeated, invstd, -mean * invstd), NEURONS[repeated]()
        (spikes, state), (plain, expected) = (t.fire_and_clamp(current, neuron) for t in (ours, defined))
        assert (state != expected).float().mean() < 1e-2
        assert set(expected.unique().tolist()) == {0, 1, 2}
        assert (ours.values(spikes) != defined.values(plain)).float().mean() < 1e-2
        found, wanted = (
            t.norm_and_clamp_backward(grad, expected, 0.7, dense, mean, invstd, weight) for t in (ours, defined)
        )
        for one, other in zip(found, wanted, strict=True):
            assert torch.allclose(one, other, rtol=1e-3, atol=1e-3)


@needs_kernels
def test_sums_do_not_depend_on_the_number_of_threads():
    dense, grad = seeded(STEPS * 40, 10, 9, 9), seeded(40, 10, 9, 9, seed=1)
    layer, neuron = nn.Conv2d(10, 40, 3, bias=False).requires_grad_(False), NEURONS[0]()
    found = []
    for threads in (1, 3):
        trains = packed.PackedTrains(STEPS)
        trains.threads = threads
        mean, variance = trains.moments(dense)
        state = trains.clamp_state(Dense(dense), [0.25] * STEPS, torch.tensor(0.5), closed=True)
        backward = trains.norm_and_clamp_backward(grad, state, 1.0, dense, mean, variance, variance)
        found.append(
            (mean, variance, *trains.sums(dense, [0.25] * STEPS), *trains.clamp_backward(grad, state, 1.0), *backward)
        )
        convolved = Affine((Term(layer, trains.fire(Dense(dense), neuron)),))
        found[-1] += trains.currents(convolved), trains.time_variance(convolved, [0.25] * STEPS)
        found[-1] += (trains.values(trains.fire(convolved, neuron)),)
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@needs_kernels
@pytest.mark.parametrize("geometry", [(6, 9, 3, 1, 1), (20, 33, 1, 2, 0), (5, 8, 3, 2, 1), (7, 3, 1, 3, 0)])
def test_weight_gradients_from_bits_are_the_ones_defined(geometry):
    inputs, outputs, kernel, stride, padding = geometry
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding)
    bits, plain = spikes_of(seeded(STEPS * 9, inputs, 7, 8))
    ours, defined = both()
    with torch.no_grad():
        grad = seeded(*layer(defined.values(plain)).shape, seed=1)
        found, expected = ours.weight_gradient(layer, grad, bits), defined.weight_gradient(layer, grad, plain)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_the_defined_norm_backward_is_autograds():
    x = seeded(STEPS * 5, 3, 4, 4).double().requires_grad_()
    grad = seeded(5, 3, 4, 4, seed=1).double()
    norm = nn.BatchNorm2d(3).double()
    nn.init.normal_(norm.weight)
    norm(x).backward(grad.repeat(STEPS, 1, 1, 1))
    mean, variance = Trains(STEPS).moments(x.detach())
    found = Trains(STEPS).norm_backward(grad, x.detach(), mean, torch.rsqrt(variance + norm.eps), norm.weight.detach())
    for ours, expected in zip(found, (x.grad, norm.weight.grad, norm.bias.grad), strict=True):
        assert torch.allclose(ours, expected, atol=1e-10)
