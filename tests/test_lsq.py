"""LSQ's activation: the paper's equations in numpy, numbers worked out by hand, and what a network of it is billed."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from baselines import lsq, qcfs
from benchmarks.catalogue import passes
from benchmarks.catalogue.quantized import MOST_STEPS
from benchmarks.networks import build
from benchmarks.operations.counter import counting
from benchmarks.operations.structure import structure
from benchmarks.recipes import resolve
from benchmarks.spec import Run

NETWORK = "preact-resnet-tiny"


def by_the_paper(v: np.ndarray, s: float, bits: int, grad: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Values and gradients of Eq. 1 to 3 and Sec. 2.2 for unsigned data `(B, ...)`, case by case."""
    q = 2**bits - 1
    value, grad_v, of_step = np.empty_like(v), np.zeros_like(v), 0.0
    for at in np.ndindex(v.shape):
        share = v[at] / s
        if share <= 0:
            value[at], slope = 0.0, 0.0
        elif share >= q:
            value[at], slope = q * s, float(q)
        else:
            level = math.floor(share + 0.5)
            value[at], slope, grad_v[at] = level * s, level - share, grad[at]
        of_step += grad[at] * slope
    return value, grad_v, of_step / math.sqrt(v[0].size * q)


@pytest.mark.parametrize(("bits", "step", "shape"), [(1, 0.7, (5, 3)), (3, 0.25, (4, 3, 6, 5)), (5, 0.11, (2, 40))])
def test_values_and_gradients_are_those_of_the_papers_equations(bits, step, shape):
    random = np.random.default_rng(0)
    v, grad = random.normal(0.4, 1.2, shape), random.normal(size=shape)
    activation = lsq.Activation(bits, step).double()
    s = activation.step.item()
    x = torch.tensor(v, requires_grad=True)
    out = activation(x)
    out.backward(torch.tensor(grad))
    value, grad_v, of_step = by_the_paper(v, s, bits, grad)
    np.testing.assert_allclose(out.detach(), value, rtol=1e-12)
    np.testing.assert_allclose(x.grad, grad_v, rtol=1e-12)
    assert activation.step.grad.item() == pytest.approx(of_step, rel=1e-10)


def test_numbers_worked_out_by_hand():
    # s = 1/4, Q = 7. x / s = -4, 0.4, 0.6, 1.2, 8: levels 0, 0, 1, 1, 7; of s 0, -0.4, 0.4, -0.2 and 7, in all 6.8
    x = torch.tensor([[-1.0, 0.1, 0.15, 0.3, 2.0]], requires_grad=True)
    activation = lsq.Activation(3, 0.25)
    out = activation(x)
    out.sum().backward()
    assert out.tolist() == [[0.0, 0.0, 0.25, 0.25, 1.75]]
    assert x.grad.tolist() == [[0.0, 1.0, 1.0, 1.0, 0.0]]
    assert activation.step.grad.item() == pytest.approx(6.8 / math.sqrt(5 * 7))


def test_the_gradient_of_the_step_is_scaled_by_activations_of_an_image_and_not_of_a_batch():
    gradients = []
    for copies in (1, 3):
        activation = lsq.Activation(2, 0.5)
        activation(torch.full((copies, 8), 9.0)).sum().backward()
        gradients.append(activation.step.grad.item())
    # Q = 3 for every value above, 8 of them an image
    assert gradients == pytest.approx([24 / math.sqrt(24), 72 / math.sqrt(24)])


def test_a_step_of_either_sign_means_the_same_levels_and_its_size_gets_the_gradient():
    x = torch.linspace(-1, 3, 41).unsqueeze(0)
    outs, gradients = [], []
    for step in (0.3, -0.3):
        activation = lsq.Activation(2, 0.3)
        activation.step.data.fill_(step)
        outs.append(activation(x))
        outs[-1].sum().backward()
        gradients.append(activation.step.grad.item())
    assert torch.equal(*outs)
    assert gradients[0] == -gradients[1] != 0


def test_it_is_qcfs_but_for_the_parameter_that_is_trained():
    x = torch.randn(6, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ours, theirs = lsq.Activation(3, 0.25).double(), qcfs.Activation(7, 1.75).double()
    assert torch.allclose(ours(x), theirs(x))
    ours(x).sum().backward()
    theirs(x).sum().backward()
    # theta = 7 s, and the scale 1 / sqrt(10 x 7)
    assert ours.step.grad.item() == pytest.approx(7 * theirs.threshold.grad.item() / math.sqrt(70))


def test_the_step_starts_by_the_papers_rule_for_a_normal_current():
    x = torch.randn(200_000, generator=torch.Generator().manual_seed(0))
    for bits in (2, 3, 5):
        rule = 2 * x.clamp(min=0).mean().item() / math.sqrt(2**bits - 1)
        assert lsq.Activation(bits).step.item() == pytest.approx(rule, rel=0.01)


@pytest.mark.parametrize(
    ("bits", "step", "said"),
    [
        (0, 1.0, "bits must be from 1 to 16, not 0"),
        (17, 1.0, "bits must be from 1 to 16, not 17"),
        (3, 0.0, "step must be positive, not 0.0"),
        (3, -1.0, "step must be positive, not -1.0"),
    ],
)
def test_other_bits_and_steps_are_refused(bits, step, said):
    with pytest.raises(ValueError, match=f"^{said}$"):
        lsq.Activation(bits, step)


@pytest.mark.parametrize(("timesteps", "bits"), [(1, 1), (2, 2), (3, 2), (5, 3), (7, 3), (8, 4), (20, 5)])
def test_t_sets_the_bits_and_an_image_passes_once(timesteps, bits):
    network = build(NETWORK, "lsq-ann", timesteps, 7)
    activations = [module for module in network.modules() if isinstance(module, lsq.Activation)]
    assert activations
    assert {one.bits for one in activations} == {bits}
    assert passes("lsq-ann", timesteps) == 1


def test_a_network_has_no_more_values_than_its_bits_tell_apart():
    torch.manual_seed(0)
    network, seen = build(NETWORK, "lsq-ann", 2, 7), []
    for module in network.modules():
        if isinstance(module, lsq.Activation):
            module.register_forward_hook(lambda module, inputs, output: seen.append((module.step.item(), output)))
    network(torch.randn(4, 3, 32, 32))
    for step, output in seen:
        levels = output / step
        assert (levels - levels.round()).abs().max() < 1e-5
        assert levels.round().unique().tolist() == [0, 1, 2, 3]


def test_behind_an_activation_weights_meet_few_bits_and_behind_a_pool_or_the_image_they_do_not():
    torch.manual_seed(0)
    network, x = build(NETWORK, "lsq-ann", 5, 7).eval(), torch.randn(3, 3, 32, 32)
    layers = {layer.name: layer for layer in structure(network, x[:1]).layers}
    wide = {name for name, layer in layers.items() if layer.bits is None}
    assert wide == {"stem.layer", "readout.linear"}  # the readout is behind a pool
    assert {layer.bits for layer in layers.values()} == {None, 3}
    with torch.no_grad(), counting(network, x[:1], 1) as counter:
        network(x)
    counted, rows = counter.per_image(), {row.layer: row for row in counter.ledger()}
    assert counted.activation_bits == 3
    few = sum(row.operations for name, row in rows.items() if name not in wide)
    assert counted.quantized_macs == few / 3
    assert 0 < counted.quantized_macs < counted.analog_macs < counted.dense_macs_per_step
    assert (counted.acs, counted.neuron_updates, counted.firing_rate) == (0, 0, None)


def test_a_sum_of_two_activations_has_more_bits_than_either():
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = lsq.Activation(2, 0.5), lsq.Activation(2, 0.3)
            self.conv, self.behind = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.conv(x)
            return self.behind(self.one(x) + self.other(x)).mean((2, 3))

    layers = {layer.name: layer for layer in structure(Sum().eval(), torch.randn(1, 3, 4, 4)).layers}
    assert layers["behind"].bits is None


def test_an_ann_of_floats_has_no_few_bits():
    network, x = build(NETWORK, "ann", 1, 7).eval(), torch.randn(1, 3, 32, 32)
    with torch.no_grad(), counting(network, x, 1) as counter:
        network(x)
    assert (counter.per_image().quantized_macs, counter.per_image().activation_bits) == (None, None)


def test_the_recipe_is_that_of_the_ann():
    run = Run("cifar10", NETWORK, "lsq-ann", 5, 0, "laptop")
    recipe, usual = resolve(run), resolve(Run("cifar10", NETWORK, "ann", 1, 0, "laptop"))
    assert replace(recipe, sources="") == replace(usual, sources="")


def test_the_most_steps_are_those_that_the_bits_tell_apart() -> None:
    assert MOST_STEPS.bit_length() == lsq.MOST_BITS == (MOST_STEPS + 1).bit_length() - 1
