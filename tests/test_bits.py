"""Spikes as bits, and gradients of convolution weights computed from them, against torch in double precision."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from unittest import mock

import pytest
import torch
from torch import nn
from torch.nn.grad import conv2d_weight

from dsr import IF, precision
from dsr.engine import bits, kernels, packed
from dsr.engine.signals import Dense

pytestmark = pytest.mark.skipif(bits.library() is None, reason=f"no compiled kernels: {kernels.reason()}")

SHAPES = [  # rows, channels in and out, height, width, kernel, padding
    (3, 16, 16, 32, 32, 3, 1),
    (7, 3, 10, 5, 9, 3, 1),
    (2, 40, 24, 7, 6, 1, 0),
    (5, 17, 33, 6, 8, 3, 0),
    (4, 5, 16, 3, 4, 3, 2),
    (90, 32, 130, 2, 2, 3, 1),
    (1, 1, 1, 1, 1, 3, 1),
    (2, 6, 20, 9, 150, 3, 1),
]


def case(shape, rate=0.2):
    rows, inputs, outputs, height, width, kernel, padding = shape
    torch.manual_seed(0)
    layer = nn.Conv2d(inputs, outputs, kernel, padding=padding)
    x = (torch.rand(rows, inputs, height, width) < rate).float().to(memory_format=torch.channels_last)
    return layer, x, torch.randn_like(layer(x))


def in_double(layer, x, grad):
    return conv2d_weight(x.double(), layer.weight.shape, grad.double(), 1, layer.padding).float()


@pytest.mark.parametrize("shape", SHAPES)
def test_bits_are_the_spikes(shape):
    _, x, _ = case(shape)
    packed_bits = bits.pack(x)
    assert packed_bits.shape == (x.shape[0], *x.shape[2:], -(-x.shape[1] // 16))
    found = bits.unpack(packed_bits, x.shape[1])
    assert torch.equal(found, x)
    assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rate", [0.0, 0.2, 1.0])
def test_the_weight_gradient_of_bits_is_the_dense_one(shape, rate):
    layer, x, grad = case(shape, rate)
    expected = in_double(layer, x, grad)
    found = bits.weight_gradient(layer, grad, bits.pack(x))
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5 * (1 + expected.abs().max().item()))


def test_the_weight_gradient_does_not_depend_on_the_memory_format_of_the_gradient():
    layer, x, grad = case(SHAPES[0])
    found = bits.weight_gradient(layer, grad.contiguous(), bits.pack(x))
    assert torch.equal(found, bits.weight_gradient(layer, grad, bits.pack(x)))


def test_two_threads_find_what_one_does():
    layer, x, grad = case(SHAPES[0])
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        found = bits.weight_gradient(layer, grad, bits.pack(x))
    finally:
        torch.set_num_threads(threads)
    assert torch.allclose(found, in_double(layer, x, grad), rtol=1e-4, atol=1e-4)


def test_a_layer_that_rounds_its_operands_rounds_the_gradient():
    layer, x, grad = case(SHAPES[1])
    precision.round_operands(nn.Sequential(layer))
    grad[0, 0, 0, 0], grad[0, 0, 0, 1] = 1e-40, -0.0  # a denormal and a zero with a sign
    found = bits.weight_gradient(layer, grad, bits.pack(x))
    expected = in_double(layer, x, precision.rounded(grad))
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(found, in_double(layer, x, grad), rtol=1e-5, atol=1e-5), "rounding changes nothing here"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_gradient_that_is_no_number_stays_one(value):
    layer, x, grad = case(SHAPES[0], rate=1.0)
    precision.round_operands(nn.Sequential(layer))
    grad[1, 2, 3, 4] = value
    assert not bits.weight_gradient(layer, grad, bits.pack(x)).isfinite().all()


@pytest.mark.parametrize(("channels", "images"), [(3, 5), (32, 16), (40, 20), (70, 1)])
def test_a_packed_spike_train_is_repacked(channels, images):
    torch.manual_seed(0)
    steps, trains = 3, packed.PackedTrains(3)
    spikes = trains.fire(Dense(torch.rand(steps * images, channels, 5, 7)), IF(steps, threshold=1.0))
    found = bits.repack(spikes.data, images, channels)
    assert torch.equal(bits.unpack(found, channels), trains.values(spikes))


def test_only_convolutions_with_stride_1_are_served():
    assert bits.serves(nn.Conv2d(3, 4, 3, padding=1))
    assert bits.serves(nn.Conv2d(3, 4, 1))
    for other in (nn.Conv2d(3, 4, 3, 2), nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(3, 4, 5), nn.Linear(3, 4)):
        assert not bits.serves(other)


def test_the_kernels_for_avx2_find_the_same(tmp_path):
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    target, flags = tmp_path / "bits.so", [f for f in kernels.FLAGS if f != "-march=native"]
    subprocess.run([compiler, *flags, "-march=haswell", bits.SOURCE, "-o", target], check=True)
    library = ctypes.CDLL(str(target))
    for shape in SHAPES:
        layer, x, grad = case(shape)
        with mock.patch.object(bits, "library", return_value=library):
            found = bits.weight_gradient(layer, grad, bits.pack(x))
        expected = in_double(layer, x, grad)
        assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5 * (1 + expected.abs().max().item()))
