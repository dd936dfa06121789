"""STBP-tdBN's parts against traces worked out by hand, autograd through the unrolled recurrence, and identities."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from invented_spikes import seeded
from torch import Tensor

from baselines import stbp
from baselines.stbp import compiled as stbp_compiled
from baselines.stbp import neuron as equations
from baselines.stbp import tdbn
from benchmarks.networks import build
from benchmarks.recipes import resolve
from benchmarks.spec import Run
from dsr.engine.kernels import load


def over_time(*values: float) -> Tensor:
    """One neuron, T steps: `(T, 1)`."""
    return torch.tensor(values).unsqueeze(1)


def test_surrogate_neuron_follows_a_membrane_worked_out_by_hand():
    # decay .25: u = .3, .375, .39375, .6984 (fires, reset to 0), .1, .475
    out = stbp.LIF(6, threshold=0.5, decay=0.25)(over_time(0.3, 0.3, 0.3, 0.6, 0.1, 0.45))
    assert out.flatten().tolist() == [0, 0, 0, 1, 0, 0]


def test_soft_reset_takes_the_threshold_off_worked_out_by_hand():
    # decay .25: u = .3, .375, .39375, .6984 (fires, .1984 stays), .1496, .8374 (fires)
    out = stbp.LIF(6, threshold=0.5, decay=0.25, reset="soft")(over_time(0.3, 0.3, 0.3, 0.6, 0.1, 0.8))
    assert out.flatten().tolist() == [0, 0, 0, 1, 0, 1]


class Surrogate(torch.autograd.Function):
    """A step with the derivative of a rectangle or triangle of width .7."""

    @staticmethod
    def forward(ctx, u, triangle):
        ctx.save_for_backward(u)
        ctx.triangle = triangle
        return (u > 0).to(u.dtype)

    @staticmethod
    def backward(ctx, grad):
        (u,) = ctx.saved_tensors
        slope = (1 - u.abs() / 0.7).clamp(min=0) if ctx.triangle else (u.abs() < 0.7 / 2).double()
        return grad * slope / 0.7, None


@pytest.mark.parametrize("surrogate", ["rectangle", "triangle"])
@pytest.mark.parametrize("reset", ["hard", "soft"])
@pytest.mark.parametrize("detach", [False, True])
def test_surrogate_gradient_by_hand_equals_autograd_through_the_unrolled_recurrence(surrogate, reset, detach):
    """An independent implementation: the same equations, differentiated by autograd."""
    torch.manual_seed(0)
    x = torch.randn(7, 50, dtype=torch.float64)
    grad = torch.randn(7, 50, dtype=torch.float64)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    neuron = stbp.LIF(7, 0.5, 0.4, 0.7, surrogate, reset, detach)
    neuron(ours).backward(grad)
    held = torch.zeros(50, dtype=torch.float64)
    spikes = []
    for current in theirs:
        membrane = 0.4 * held + current
        spike = Surrogate.apply(membrane - 0.5, surrogate == "triangle")
        resetting = spike.detach() if detach else spike
        held = membrane - 0.5 * resetting if reset == "soft" else membrane * (1 - resetting)
        spikes.append(spike)
    torch.stack(spikes).backward(grad)
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-12)


@pytest.mark.parametrize("triangle", [False, True])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("detach", [False, True])
def test_the_compiled_neuron_fires_and_differentiates_as_defined(triangle, soft, detach):
    library, reason = load(stbp_compiled.SOURCE)
    if library is None:
        pytest.skip(reason)
    of = stbp.Dynamics(0.5, 0.4, 1.3, triangle, soft, detach)
    compiled = stbp_compiled.Compiled(library)
    x, grad = seeded(6, 5, 701), seeded(6, 5, 701, seed=1)  # more than three strips, the last one not full
    membranes, spikes = equations._forward(x, of)
    found = compiled.forward(x, of)
    assert torch.allclose(found[0], membranes, atol=1e-6)
    assert torch.equal(found[1], spikes)
    assert torch.allclose(compiled.backward(grad, membranes, of), equations._backward(grad, membranes, of), atol=1e-5)


@pytest.mark.parametrize("compiling", [False, True])
@pytest.mark.parametrize("mixed", [False, True])
def test_neurons_work_in_the_memory_format_of_their_currents(mixed, compiling):
    library, reason = load(stbp_compiled.SOURCE)
    if library is None and compiling:
        pytest.skip(reason)
    neuron = stbp.compile_neurons(stbp.LIF(4), library if compiling else None)
    x, grad = (seeded(4 * 3, 5, 6, 7, seed=seed) for seed in range(2))
    one, other = x.clone().requires_grad_(), x.contiguous(memory_format=torch.channels_last).requires_grad_()
    expected, found = neuron(one), neuron(other)
    expected.backward(grad)
    found.backward(grad if mixed else grad.contiguous(memory_format=torch.channels_last))
    assert torch.equal(found, expected)
    assert torch.equal(other.grad, one.grad)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert other.grad.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(neuron(x.transpose(2, 3)), expected.transpose(2, 3)), "any other layout"


def test_a_network_of_the_suite_runs_the_compiled_neuron_and_a_copy_of_it_too():
    library, reason = load(stbp_compiled.SOURCE)
    if library is None:
        pytest.skip(reason)
    recipe = resolve(Run("digits", "preact-resnet-tiny", "stbp-tdbn", 2, 0, "smoke"))
    network = build("preact-resnet-tiny", "stbp-tdbn", 2, 10, 1, recipe)
    neurons = [m for net in (network, copy.deepcopy(network)) for m in net.modules() if isinstance(m, stbp.LIF)]
    assert neurons
    assert all(neuron.compiled is not None for neuron in neurons)


def test_threshold_batch_norm_gives_the_threshold_as_standard_deviation_at_the_start():
    torch.manual_seed(0)
    norm = tdbn.ThresholdBatchNorm2d(3, threshold=0.5, alpha=1 / math.sqrt(2))
    out = norm(torch.randn(64, 3, 8, 8) * 4 + 1)
    assert out.mean().item() == pytest.approx(0, abs=1e-5)
    assert out.std().item() == pytest.approx(0.5 / math.sqrt(2), rel=1e-3)


def test_threshold_batch_norm_counts_batches_and_refuses_a_wrong_shape():
    norm = tdbn.ThresholdBatchNorm2d(3)
    norm(torch.randn(4, 3, 2, 2))
    assert norm.num_batches_tracked.item() == 1
    with pytest.raises(ValueError, match="expected 4D"):
        norm(torch.randn(4, 3))


def test_a_folded_threshold_batch_norm_gives_the_same_spikes():
    torch.manual_seed(0)
    for bias in (True, False):
        layer, norm = torch.nn.Conv2d(5, 7, 3, bias=bias).double(), tdbn.ThresholdBatchNorm2d(7, alpha=0.7).double()
        for parameter in norm.parameters():
            torch.nn.init.normal_(parameter)
        x = torch.randn(4 * 6, 5, 8, 8, dtype=torch.float64)
        norm(layer(x))  # running statistics
        neuron = stbp.LIF(4)
        expected = neuron(norm.eval()(layer(x)))
        assert 0.05 < expected.mean() < 0.95
        assert torch.equal(neuron(tdbn.fold(layer, norm)(x)), expected)


def test_a_spike_readout_is_a_rate():
    torch.manual_seed(0)
    readout = stbp.SpikeReadout(6, 3, lambda: stbp.LIF(4), 4)
    x = torch.randn(4 * 5, 6)
    expected = stbp.LIF(4)(readout.linear(x)).view(4, 5, 3)
    assert torch.equal(readout(x), (expected[0] + expected[1] + expected[2] + expected[3]) / 4)
    assert expected.any()
