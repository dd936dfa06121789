"""STBP's norm and neuron in one pass, against the plain modules differentiated by autograd."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from invented_spikes import seeded
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from baselines import stbp
from baselines.fused import Fused
from baselines.fused.kernels import moments
from baselines.stbp import normed, reading
from baselines.stbp.tdbn import ThresholdBatchNorm2d
from benchmarks.networks import build
from benchmarks.networks.parts import DirectCoding
from dsr.engine import bits
from dsr.engine.kernels import load

LIBRARY, REASON = load(normed.SOURCE, *normed.INCLUDED)
pytestmark = pytest.mark.skipif(LIBRARY is None, reason=f"no compiled kernels: {REASON}")

KINDS = list(itertools.product(["rectangle", "triangle"], ["hard", "soft"], [False, True]))
SHAPES = [  # T, B, C, H, W
    (1, 3, 16, 5, 4),
    (2, 3, 1, 3, 3),
    (5, 2, 3, 4, 5),
    (20, 3, 10, 1, 1),
    (3, 4, 40, 2, 3),
    (2, 5, 16, 20, 20),  # more than one strip
    (20, 1, 48, 9, 7),
]


class Part(nn.Module):
    """A norm and a neuron that have been trained a little."""

    def __init__(self, steps: int, channels: int, kind: tuple = ("rectangle", "hard", False)) -> None:
        super().__init__()
        self.norm = ThresholdBatchNorm2d(channels, alpha=0.7)
        self.neuron = stbp.LIF(steps, 0.5, 0.4, 1.3, *kind)
        with torch.no_grad():
            self.norm.weight.copy_(2 + 0.5 * seeded(channels, seed=5))
            self.norm.bias.copy_(0.2 * seeded(channels, seed=6))

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        return self.neuron(self.norm(x if residual is None else x + residual))

    def fused(self) -> normed.NormedNeuron:
        return normed.NormedNeuron(self.norm, self.neuron, normed.Kernels(LIBRARY), reading.gradients)


def unpacked(bits: Tensor, channels: int) -> Tensor:
    """Bits to spikes, channel by channel."""
    words = bits.to(torch.int32)
    return torch.stack([words[..., c // 16] >> c % 16 & 1 for c in range(channels)], 1).float()


def compare(part: Part, inputs: list[Tensor], grad: Tensor) -> None:
    """Values, running statistics and every gradient of the fused part are those of the plain one."""
    other = copy.deepcopy(part)
    leaves = [[x.clone().requires_grad_() for x in inputs] for _ in range(2)]
    found, expected = part.fused()(*leaves[0]), other(*leaves[1])
    assert 0.05 < expected.mean() < 0.8
    assert torch.equal(found.dense, expected)
    assert torch.equal(unpacked(found.bits, grad.shape[1]), expected)
    for name, buffer in other.norm.named_buffers():
        assert torch.allclose(part.norm.get_buffer(name), buffer, atol=1e-6), name
    found.dense.backward(grad)
    expected.backward(grad)
    gradients = [(x.grad, y.grad) for x, y in zip(leaves[0], leaves[1], strict=True)]
    gradients += [(x.grad, y.grad) for x, y in zip(part.parameters(), other.parameters(), strict=True)]
    for mine, theirs in gradients:
        assert theirs.abs().max() > 0
        assert torch.allclose(mine, theirs, atol=2e-5 * theirs.abs().max().item(), rtol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_norm_and_neuron_in_one_pass_are_norm_and_neuron(kind, shape):
    steps, batch, *size = shape
    x = 3 * seeded(steps * batch, *size) + 1
    compare(Part(steps, size[0], kind), [x], seeded(*x.shape, seed=1))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("last", [False, True])
def test_a_residual_is_added_before(shape, last):
    steps, batch, *size = shape
    x, residual, grad = (seeded(steps * batch, *size, seed=seed) for seed in range(3))
    if last:
        x = x.contiguous(memory_format=torch.channels_last)
    compare(Part(steps, size[0]), [x, residual], grad)


def test_moments_are_accurate_where_the_mean_is_large():
    x = (1e3 + seeded(40, 16, 16, 16)).contiguous(memory_format=torch.channels_last)
    _, found = moments(LIBRARY, x)
    exact = x.double().permute(1, 0, 2, 3).flatten(1)
    assert torch.allclose(found.mean.double(), exact.mean(1), rtol=1e-7)
    assert torch.allclose(found.variance.double(), exact.var(1), rtol=1e-5)


def test_two_threads_give_the_same_spikes_and_gradients():
    x, grad = seeded(2 * 8, 16, 20, 20), seeded(2 * 8, 16, 20, 20, seed=1)
    found = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            part, leaf = Part(2, 16), x.clone().requires_grad_()
            spikes = part.fused()(leaf).dense
            spikes.backward(grad)
            found.append((spikes, leaf.grad, part.norm.weight.grad))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0][0], found[1][0])
    assert all(torch.allclose(one, other, rtol=1e-4, atol=1e-5) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("channels", [1, 3, 16, 40])
def test_bits_become_the_spikes_they_stand_for(channels):
    spikes = Part(2, channels).fused()(seeded(6, channels, 3, 2))
    assert torch.equal(reading.unpacked(spikes.bits, spikes.dense.shape), spikes.dense)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolution_of_bits_is_the_convolution_of_spikes(stride, bias):
    spikes = Part(2, 10).fused()(seeded(6, 10, 6, 5))
    dense = spikes.dense.detach()
    layer = nn.Conv2d(10, 7, 3, stride, padding=1, bias=bias)
    other, mine, theirs = copy.deepcopy(layer), dense.clone().requires_grad_(), dense.clone().requires_grad_()
    found, expected = normed.Spikes(mine, spikes.bits, spikes.by).convolution(layer), other(theirs)
    assert torch.allclose(found, expected, atol=1e-6)
    grad = seeded(*expected.shape)
    found.backward(grad)
    expected.backward(grad)
    assert torch.allclose(mine.grad, theirs.grad, atol=1e-5)
    assert all(
        torch.allclose(p.grad, q.grad, atol=1e-5) for p, q in zip(layer.parameters(), other.parameters(), strict=True)
    )


def test_a_layer_keeps_its_input_and_bits():
    """4 bytes per neuron and step for the current, an eighth of a byte for its spike."""
    part, layer = Part(4, 32), nn.Conv2d(32, 32, 3, padding=1)
    x = seeded(4 * 5, 32, 8, 8).contiguous(memory_format=torch.channels_last).requires_grad_()
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        part.fused()(x).convolution(layer)
    weights = layer.weight.numel() * 4
    assert 4.1 < (sum(kept.values()) - weights) / x.numel() < 4.2


def test_what_the_kernels_do_not_support_is_done_by_the_modules():
    part = Part(2, 3)
    assert part.fused()(seeded(6, 3, 4, 4).double().float()).bits is not None
    part.norm.eval()
    assert part.fused()(seeded(6, 3, 4, 4)).bits is None
    part.norm.train()
    assert part.fused()(seeded(6, 3, 4, 4), seeded(6, 3, 1, 1)).bits is None
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        Part(1, 3).fused()(seeded(1, 3, 1, 1))
    with pytest.raises(RuntimeError, match=r"sizes .2, -1."):
        part.fused()(seeded(5, 3, 4, 4))
    assert part.double().fused()(seeded(6, 3, 4, 4).double()).bits is None


@pytest.mark.parametrize("by", [reading.gradients, bits.gradients])
@pytest.mark.parametrize("method", ["stbp-tdbn", "stbp-tdbn-spikes"])
def test_a_fused_network_has_the_gradients_and_statistics_of_the_plain_one_while_it_trains(method, by):
    torch.manual_seed(0)
    made = build("preact-resnet-tiny", method, 3, 10)
    plain = made._hidden[0].train()
    for layer in plain.modules():
        if isinstance(layer, ThresholdBatchNorm2d):
            nn.init.constant_(layer.weight, 3.0)  # neurons fire
    network = Fused(copy.deepcopy(plain), DirectCoding, LIBRARY, normed.factories(by)).train()
    oracle = plain.double()  # in float32 the plain network's own rounding moves spikes, too
    optimizer, images = torch.optim.SGD(oracle.parameters(), 0.05), seeded(8, 3, 16, 16)
    for _ in range(3):
        network.load_state_dict(oracle.state_dict())  # a spike that rounding adds would grow into another training
        oracle.load_state_dict(network.state_dict())
        for one, x in ((network, images), (oracle, images.double())):
            one.zero_grad()
            nn.functional.cross_entropy(one(x), torch.arange(8)).backward()
        for (name, mine), theirs in zip(network.named_parameters(), oracle.parameters(), strict=True):
            largest = max(theirs.grad.abs().max().item(), 1e-2)  # biases before norms have no gradient but rounding
            assert torch.allclose(mine.grad.double(), theirs.grad, rtol=1e-4, atol=1e-4 * largest), name
        for (name, mine), theirs in zip(network.named_buffers(), oracle.buffers(), strict=True):
            assert torch.allclose(mine.double(), theirs.double(), rtol=1e-4, atol=1e-6), name
        assert oracle.stages[1][0].conv1.weight.grad.abs().max() > 1e-3
        optimizer.step()
