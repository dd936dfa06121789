"""Parts beside neuron, norm and head that a method may put into a network: input coding, pools, dropout, step norms."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from baselines import coding, conversion, stbp
from baselines.dropout import DropoutOverTime
from baselines.stbp.stepwise import StepwiseBatchNorm2d
from benchmarks.networks import NETWORKS
from benchmarks.networks.parts import Parts
from benchmarks.operations.counter import counting
from benchmarks.operations.structure import INPUT, structure

T, CLASSES = 3, 7


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def spiking(**changes: object) -> Parts:
    def readout(features: int, classes: int, reencode: bool = True) -> nn.Module:
        return stbp.SpikeReadout(features, classes, lambda: stbp.LIF(T), T)

    plain = Parts(T, lambda: stbp.LIF(T), lambda features, branches=1: nn.BatchNorm2d(features), readout)
    return replace(plain, **changes)  # type: ignore[arg-type]


def seen(network: nn.Module, channels: int = 3) -> nn.Module:
    network(noise(8, channels, 32, 32))
    return network.eval()


def test_bernoulli_spikes_have_the_pixels_as_their_mean_and_sign() -> None:
    torch.manual_seed(0)
    x = torch.tensor([-1.5, -1.0, -0.3, 0.0, 0.2, 0.7, 1.0, 2.0]).view(1, 1, 2, 4).expand(50, 1, 2, 4)
    for mode in (True, False):
        spikes = coding.Bernoulli(400).train(mode)(x + 1e-4 * noise(50, 1, 1, 1))
        assert set(spikes.unique().tolist()) == {-1.0, 0.0, 1.0}
        rates = spikes.view(400, 50, 8).mean((0, 1))
        assert rates.tolist() == pytest.approx([-1, -1, -0.3, 0, 0.2, 0.7, 1, 1], abs=0.01)  # 20,000 draws each


def test_evaluation_draws_alike_whatever_else_is_evaluated() -> None:
    coder, x = coding.Bernoulli(5).eval(), 0.5 * noise(4, 3, 8, 8)
    together = coder(x).view(5, 4, -1)
    alone = torch.stack([coder(image[None]).view(5, -1) for image in x], 1)
    assert torch.equal(together, alone)
    assert torch.equal(coder(x), coder(x))
    assert not torch.equal(coder(x[:1]), coder(x[:1] + 1e-6))


def test_what_evaluation_draws_is_independent_between_images_steps_and_pixels() -> None:
    """Uniform in ten bins, and without correlation along any axis, within four standard deviations."""
    x = torch.rand(20, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    drawn = coding.hashed(coding.at_every_step(x, 40), 40).view(40, 20, 256)
    assert 0 <= drawn.min() <= drawn.max() < 1
    count = drawn.numel()
    bins = torch.histc(drawn, 10, 0, 1) / count
    assert (bins - 0.1).abs().max() < 4 * (0.09 / count) ** 0.5
    centred = (drawn - 0.5) * 12**0.5
    for axis in range(3):
        pairs = centred.narrow(axis, 0, drawn.shape[axis] - 1) * centred.narrow(axis, 1, drawn.shape[axis] - 1)
        assert abs(pairs.mean().item()) < 4 / pairs.numel() ** 0.5


def test_a_neuron_behind_each_pixel_fires_as_its_value_says() -> None:
    """0.3 at every step reaches 1 at steps 4, 7 and 10."""
    coder = coding.Integrated(10, nn.Sequential(Steps(10, conversion.IF(10, 1.0))))
    spikes = coder(torch.full((1, 1, 1, 1), 0.3)).flatten()
    assert spikes.tolist() == [0, 0, 0, 1, 0, 0, 1, 0, 0, 1]


class Steps(nn.Module):
    """Runs a neuron that keeps its membrane one step at a time."""

    def __init__(self, timesteps: int, neuron: nn.Module) -> None:
        super().__init__()
        self.timesteps, self.neuron = timesteps, neuron

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.neuron(step) for step in x.chunk(self.timesteps)])


def test_a_coded_first_layer_accumulates_and_nothing_multiplies() -> None:
    network = seen(NETWORKS["preact-resnet-tiny"](spiking(coding=lambda: coding.Bernoulli(T)), CLASSES, 3))
    x = 0.5 * noise(4, 3, 32, 32, seed=1)
    layers = structure(network, x[:1]).layers
    assert INPUT not in {layer.origin for layer in layers}
    assert layers[0].spiking
    with counting(network, x[:1], T) as counter, torch.no_grad():
        network(x)
    spikes = coding.Bernoulli(T).eval()(x)
    first = network.stem[1]
    reached = nn.functional.conv2d((spikes != 0).double(), torch.ones_like(first.weight).double(), padding=1).sum()
    assert counter.ledger()[0].operations == int(reached)
    assert counter.per_image().analog_macs == 0


def test_behind_a_maximum_of_spikes_layers_accumulate_what_passes() -> None:
    """The ledger counts the pool's spikes, at the next layer's fanout, and the pool has no membranes."""
    network = seen(NETWORKS["vgg11-narrow"](spiking(pool=lambda *size: nn.MaxPool2d(*size)), CLASSES, 3))
    x = noise(2, 3, 32, 32, seed=1)
    traced = structure(network, x[:1])
    pools = [name for name, module in network.named_modules() if isinstance(module, nn.MaxPool2d)]
    assert traced.gates == set(pools)
    assert not traced.gates & (traced.neurons.keys() | traced.spiking)
    passed = dict[str, Tensor]()
    for name in pools:
        network.get_submodule(name).register_forward_hook(
            lambda module, inputs, output, name=name: passed.update({name: output})
        )
    with counting(network, x[:1], T) as counter, torch.no_grad():
        network(x)
    behind = {row.origin: row for row in counter.ledger() if row.origin in pools}
    assert len(behind) == len(pools)
    layers = {layer.name: layer for layer in traced.layers}
    for name, row in behind.items():
        assert row.kind == "ac"
        counted = (passed[name] != 0).double()
        assert row.input_nonzero == counted.sum()
        layer = network.get_submodule(row.layer)
        if isinstance(layer, nn.Conv2d):
            kernel = torch.ones_like(layer.weight).double()
            assert row.operations == int(nn.functional.conv2d(counted, kernel, padding=1).sum())
        assert layers[row.layer].spiking
    assert counter.per_image().analog_macs == traced.layers[0].dense_macs


def test_behind_a_maximum_of_graded_values_layers_multiply() -> None:
    graded = spiking(neuron=nn.ReLU, pool=lambda *size: nn.MaxPool2d(*size))
    network = seen(NETWORKS["vgg11-narrow"](graded, CLASSES, 3))
    traced = structure(network, noise(1, 3, 32, 32))
    assert all(layer.graded for layer in traced.layers if layer.origin in traced.gates)


def test_a_mask_is_the_same_at_every_step_and_another_for_every_image() -> None:
    torch.manual_seed(0)
    layer = DropoutOverTime(0.25, 4)
    dropped = layer(torch.ones(4 * 3, 500)).view(4, 3, 500)
    assert torch.equal(dropped, dropped[:1].expand(4, 3, 500))
    assert not torch.equal(dropped[0, 0], dropped[0, 1])
    assert dropped.unique().tolist() == [0.0, pytest.approx(1 / 0.75)]
    assert dropped[0].eq(0).double().mean().item() == pytest.approx(0.25, abs=0.05)
    assert torch.equal(layer.eval()(torch.ones(12, 5)), torch.ones(12, 5))


def test_a_norm_of_each_step_is_batch_norm_called_once_a_step() -> None:
    ours, theirs, x = StepwiseBatchNorm2d(4, T), nn.BatchNorm2d(4), noise(T * 5, 4, 6, 6)
    expected = torch.cat([theirs(step) for step in x.view(T, 5, 4, 6, 6)])
    assert torch.equal(ours(x), expected)
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name
    assert torch.equal(ours.eval()(x), theirs.eval()(x))
