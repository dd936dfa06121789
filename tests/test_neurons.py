"""Neurons against traces worked out by hand and identities that hold exactly."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import dsr
from baselines import qcfs, stbp


def over_time(*values: float) -> Tensor:
    """One neuron, T steps: `(T, 1)`."""
    return torch.tensor(values).unsqueeze(1)


def test_if_follows_a_membrane_worked_out_by_hand():
    # u is .32, .64 (fires, -1), -.04, .28, .60 (fires): soft reset by the whole V although it fires at V / 2
    out = dsr.IF(5, threshold=1.0, alpha=0.5)(over_time(0.32, 0.32, 0.32, 0.32, 0.32))
    assert out.flatten().tolist() == [0, 1, 0, 0, 1]


def test_if_membrane_may_go_negative_and_then_needs_to_recover():
    # the membrane: 1.5 (fires, leaves .5), -.2, 0, .9 (fires), 0
    out = dsr.IF(5, threshold=1.0, alpha=0.5)(over_time(1.5, -0.7, 0.2, 0.9, 0.1))
    assert out.flatten().tolist() == [1, 0, 0, 1, 0]


def test_lif_follows_a_membrane_worked_out_by_hand():
    # the leak is e^-.1, so u is .2855, .5438 (fires), .2346, .4978 (fires), .1930; emits V / dt = 6
    neuron = dsr.LIF(5, threshold=0.6, alpha=0.5, tau=1.0, dt=0.1)
    out = neuron(over_time(3.0, 3.0, 3.0, 3.0, 3.0))
    assert torch.allclose(out.flatten(), torch.tensor([0.0, 6.0, 0.0, 6.0, 0.0]))
    assert neuron.rate()(out).item() == pytest.approx(2.388062, abs=1e-5)


def test_if_gradient_is_the_clamps_and_the_same_at_every_step():
    x = over_time(0.2, 0.3, 0.1, 0.4, 0.2).requires_grad_()
    neuron = dsr.IF(5, threshold=1.0)
    neuron(x).backward(over_time(0.1, 0.2, 0.3, 0.4, 0.5))
    assert torch.allclose(x.grad, torch.full((5, 1), 0.3))  # (0.1 + ... + 0.5) / 5
    assert neuron.threshold.grad.item() == 0.0


def test_if_threshold_gets_the_whole_gradient_where_the_clamp_is_saturated():
    x = over_time(2.0, 2.0, 2.0, 2.0, 2.0).requires_grad_()
    neuron = dsr.IF(5, threshold=1.0)
    neuron(x).backward(over_time(0.1, 0.2, 0.3, 0.4, 0.5))
    assert x.grad.abs().sum() == 0
    assert neuron.threshold.grad.item() == pytest.approx(1.5)


def test_lif_gradient_weighs_the_steps_as_the_released_code_does():
    grad = over_time(0.1, 0.2, 0.3, 0.4, 0.5)
    inside = over_time(3.0, 3.0, 3.0, 3.0, 3.0).requires_grad_()
    dsr.LIF(5, threshold=0.6, alpha=0.5, dt=0.1)(inside).backward(grad)
    assert torch.allclose(inside.grad, torch.full((5, 1), 0.319914))
    neuron = dsr.LIF(5, threshold=0.6, alpha=0.5, dt=0.1)
    neuron(over_time(9.0, 9.0, 9.0, 9.0, 9.0)).backward(grad)
    assert neuron.threshold.grad.item() == pytest.approx(0.159957, abs=1e-6)


def test_weighted_rate_uses_the_published_weights():
    unit = torch.eye(5)
    weights = dsr.weighted_firing_rate(unit, 5, tau=1.0, dt=0.1)
    # row t of the identity picks weight t
    assert torch.allclose(weights, torch.tensor([[0.162120, 0.179171, 0.198014, 0.218840, 0.241855]]), atol=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 5, 20])
def test_if_at_half_threshold_rounds_a_constant_current(steps):
    # Eq. 21: the rate is V / N clamp(round(N I / V), 0, N), a half rounded up
    current = torch.linspace(-0.3, 1.4, 400)
    rate = dsr.firing_rate(dsr.IF(steps, threshold=1.0, alpha=0.5)(current.repeat(steps, 1)), steps).flatten()
    rounded = torch.clamp(torch.floor(steps * current.double() + 0.5), 0, steps) / steps
    assert (rate.double() - rounded).abs().max() < 1e-6


def test_alpha_one_doubles_the_largest_quantisation_error_of_alpha_one_half():
    current = torch.linspace(0, 1, 2001)
    error = {}
    for alpha in (0.5, 1.0):
        neuron = dsr.IF(5, threshold=1.0, alpha=alpha)
        error[alpha] = (dsr.firing_rate(neuron(current.repeat(5, 1)), 5) - current).abs().max().item()
    assert error[0.5] == pytest.approx(1 / 10, abs=2e-3)
    assert error[1.0] == pytest.approx(1 / 5, abs=2e-3)


def test_the_threshold_is_projected_to_its_floor_before_every_forward_pass():
    neuron = dsr.IF(2, threshold=1.0, threshold_floor=0.01)
    with torch.no_grad():
        neuron.threshold.fill_(-3.0)
    neuron(torch.zeros(2, 4))
    assert neuron.threshold.item() == pytest.approx(0.01)


def test_a_fixed_threshold_is_saved_but_not_trained():
    neuron = dsr.LIF(2, train_threshold=False)
    assert list(neuron.parameters()) == []
    assert "threshold" in neuron.state_dict()


@pytest.mark.parametrize("wrong", [{"timesteps": 0}, {"threshold": 0.0}, {"alpha": 0.0}, {"alpha": 1.1}])
def test_impossible_parameters_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        dsr.IF(**({"timesteps": 2} | wrong))


def test_rows_that_are_no_multiple_of_t_are_refused():
    with pytest.raises(ValueError, match="5 rows are not a multiple of T = 2"):
        dsr.IF(2)(torch.zeros(5, 3))


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


def test_threshold_batch_norm_gives_the_threshold_as_standard_deviation_at_the_start():
    torch.manual_seed(0)
    norm = stbp.ThresholdBatchNorm2d(3, threshold=0.5, alpha=1 / math.sqrt(2))
    out = norm(torch.randn(64, 3, 8, 8) * 4 + 1)
    assert out.mean().item() == pytest.approx(0, abs=1e-5)
    assert out.std().item() == pytest.approx(0.5 / math.sqrt(2), rel=1e-3)


def test_threshold_batch_norm_counts_batches_and_refuses_a_wrong_shape():
    norm = stbp.ThresholdBatchNorm2d(3)
    norm(torch.randn(4, 3, 2, 2))
    assert norm.num_batches_tracked.item() == 1
    with pytest.raises(ValueError, match="expected 4D"):
        norm(torch.randn(4, 3))


def test_a_folded_threshold_batch_norm_gives_the_same_spikes():
    torch.manual_seed(0)
    for bias in (True, False):
        layer, norm = torch.nn.Conv2d(5, 7, 3, bias=bias).double(), stbp.ThresholdBatchNorm2d(7, alpha=0.7).double()
        for parameter in norm.parameters():
            torch.nn.init.normal_(parameter)
        x = torch.randn(4 * 6, 5, 8, 8, dtype=torch.float64)
        norm(layer(x))  # running statistics
        neuron = stbp.LIF(4)
        expected = neuron(norm.eval()(layer(x)))
        assert 0.05 < expected.mean() < 0.95
        assert torch.equal(neuron(stbp.fold(layer, norm)(x)), expected)


def test_a_spike_readout_is_a_rate():
    torch.manual_seed(0)
    readout = stbp.SpikeReadout(6, 3, lambda: stbp.LIF(4), 4)
    x = torch.randn(4 * 5, 6)
    expected = stbp.LIF(4)(readout.linear(x)).view(4, 5, 3)
    assert torch.equal(readout(x), (expected[0] + expected[1] + expected[2] + expected[3]) / 4)
    assert expected.any()


def test_qcfs_gradient_passes_inside_and_trains_the_threshold_outside():
    x = torch.tensor([-1.0, 0.5, 3.0], requires_grad=True)
    activation = qcfs.Activation(levels=4, threshold=2.0)
    activation(x).sum().backward()
    assert x.grad.tolist() == [0.0, 1.0, 0.0]
    # below: 0; inside: h / theta - x / theta = 0.25 - 0.25 = 0; above: 1 (and 1/8 of the shift, floored away)
    assert activation.threshold.grad.item() == pytest.approx(1.0)
