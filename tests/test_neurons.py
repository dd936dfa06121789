"""Neurons against traces worked out by hand and identities that hold exactly."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import dsr
from baselines import qcfs
from dsr.reference import ReferenceNeuron


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


@pytest.mark.parametrize("make", [dsr.IF, ReferenceNeuron])
def test_an_ifs_clamp_has_its_ends(make):
    x = torch.tensor([[0.0, 1.0]]).repeat(4, 1).requires_grad_()
    make(4, threshold=1.0)(x).backward(torch.full((4, 2), 0.25))
    assert x.grad.flatten().tolist() == [0.25] * 8


@pytest.mark.parametrize("make", [dsr.LIF, ReferenceNeuron])
def test_a_lifs_clamp_has_not(make):
    x = torch.zeros(4, 1).requires_grad_()
    make(4, threshold=1.0, tau=2.0, dt=1.0)(x).backward(torch.full((4, 1), 0.25))
    assert x.grad.flatten().tolist() == [0.0] * 4


@pytest.mark.parametrize(("dtype", "found"), [(torch.float16, 180_000.0), (torch.bfloat16, 180_000.0)])
def test_a_thresholds_gradient_is_added_up_in_a_precision_that_holds_it(dtype, found):
    neuron = dsr.IF(1, threshold=1.0)
    neuron(torch.full((1, 180_000), 2.0, dtype=dtype)).backward(torch.ones(1, 180_000, dtype=dtype))
    assert neuron.threshold.grad.item() == found


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


def test_qcfs_gradient_passes_inside_and_trains_the_threshold_outside():
    x = torch.tensor([-1.0, 0.5, 3.0], requires_grad=True)
    activation = qcfs.Activation(levels=4, threshold=2.0)
    activation(x).sum().backward()
    assert x.grad.tolist() == [0.0, 1.0, 0.0]
    # below: 0; inside: h / theta - x / theta = 0.25 - 0.25 = 0; above: 1 (and 1/8 of the shift, floored away)
    assert activation.threshold.grad.item() == pytest.approx(1.0)
