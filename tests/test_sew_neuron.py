"""The neurons of SEW ResNets and their surrogate: by hand, and against autograd through the recurrence."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from baselines.stbp import arctangent, sew
from benchmarks.parameters import require_method
from benchmarks.spec import BadInput


def test_the_slope_is_that_of_an_arctangent_of_area_one() -> None:
    x = torch.linspace(-400, 400, 800_001, dtype=torch.float64, requires_grad=True)
    for alpha in (2.0, 3.0):
        (expected,) = torch.autograd.grad((torch.arctan(math.pi * alpha * x / 2) / math.pi + 0.5).sum(), x)
        found = arctangent.slope(x.detach(), alpha)
        assert torch.allclose(found, expected, rtol=1e-9)
        assert found.max().item() == pytest.approx(alpha / 2)
        assert torch.trapezoid(found, x.detach()).item() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("changes", "currents", "expected"),
    [
        # .5, 1 fires at the threshold and is 0, not what is left above it; 1.75 fires and is 0; .25
        ({}, [0.5, 0.5, 1.75, 0.25, 0.5], [0, 1, 1, 0, 0]),
        # half the way to the current: 1 fires and is 0; .75, (.75 + 1) / 2, fires at (.875 + 1.125) / 2
        ({"tau": 2.0}, [2.0, 1.5, 1.0, 1.125], [1, 0, 0, 1]),
        # a quarter: .75, .5625 + .375 is .9375, (.9375 * 3 + 1.25) / 4 fires
        ({"tau": 4.0}, [3.0, 1.5, 1.25], [0, 0, 1]),
    ],
)
def test_neurons_fire_as_worked_out_by_hand(changes: dict[str, float], currents: list[float], expected: list[int]):
    for train_tau in {False, "tau" in changes}:
        neuron = sew.Neuron(len(currents), train_tau=train_tau, **changes).double()  # type: ignore[arg-type]
        assert neuron(torch.tensor(currents, dtype=torch.float64).view(-1, 1)).flatten().tolist() == expected


class Step(torch.autograd.Function):
    """A spike from 0 on, with the slope of an arctangent."""

    @staticmethod
    def forward(ctx, distance: Tensor, alpha: float) -> Tensor:
        ctx.save_for_backward(distance)
        ctx.alpha = alpha
        return (distance >= 0).to(distance.dtype)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        (distance,) = ctx.saved_tensors
        return grad * (ctx.alpha / 2) / (1 + (math.pi * ctx.alpha * distance / 2) ** 2), None


@pytest.mark.parametrize("alpha", [2.0, 1.5])
@pytest.mark.parametrize(("tau", "train_tau"), [(None, False), (1.5, False), (3.0, True)])
def test_the_adjoint_is_autograds_with_the_reset_detached(tau: float | None, train_tau: bool, alpha: float) -> None:
    neuron = sew.Neuron(6, 0.8, tau, train_tau, alpha).double()
    x = 0.4 + 1.2 * torch.randn(6 * 4, 3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    w = None if neuron.w is None else neuron.w.detach().clone().requires_grad_()
    gain = None if tau is None else (1 / tau if w is None else w.sigmoid())
    held, spikes = torch.zeros_like(theirs[:4]), []
    for current in theirs.view(6, 4, 3, 5):
        h = held + current if gain is None else held + gain * (current - held)
        spikes.append(Step.apply(h - 0.8, alpha))
        held = (1 - spikes[-1].detach()) * h
    found, expected = neuron(ours), torch.cat(spikes)
    grad = torch.randn(x.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found.backward(grad)
    expected.backward(grad)
    assert torch.equal(found, expected)
    assert 0.05 < found.mean() < 0.6
    assert torch.allclose(ours.grad, theirs.grad, rtol=1e-12, atol=1e-14)
    if w is not None:
        assert 1 / w.sigmoid().item() == pytest.approx(tau)
        assert neuron.w.grad.item() == pytest.approx(w.grad.item(), rel=1e-10)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tau": 1}, "sew@tau=1: tau must be above 1, not 1"),
        ({"train_tau": True}, "sew@train_tau=true: train_tau needs a tau that it starts from"),
        ({"alpha": 0}, "sew@alpha=0: alpha must be positive, not 0"),
    ],
)
def test_what_a_neuron_cannot_be_is_refused_in_a_line(changes: dict[str, float], said: str) -> None:
    with pytest.raises(BadInput, match=f"^{said}$"):
        require_method("sew", changes)


def test_variants_of_the_neuron_are_allowed() -> None:
    require_method("sew", {"tau": 2, "train_tau": True, "alpha": 4, "threshold": 0.5})
