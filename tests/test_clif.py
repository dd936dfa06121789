"""CLIF's neuron: its authors' numbers, a trace worked out by hand, autograd through the recurrence, and its recipes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from golden_vectors import begins, read
from invented_spikes import seeded
from torch import Tensor

from baselines.stbp import layout
from baselines.stbp.clif import CLIF
from baselines.stbp.stepwise import StepwiseBatchNorm2d
from benchmarks.methods import backward
from benchmarks.networks import build
from benchmarks.recipes import resolve
from benchmarks.spec import Run

GOLDEN = read("clif_released")


def neuron_of(case: str) -> CLIF:
    of = GOLDEN[case][0]
    return CLIF(of["T"], of["threshold"], of["tau"], of["surrogate"], of["reset"].split()[0])


@pytest.mark.parametrize("case", begins(GOLDEN, "clif"))
def test_the_neuron_fires_and_differentiates_as_its_authors_does(case, close):
    neuron, golden = neuron_of(case), GOLDEN[case][1]
    x = golden["x"].flatten(0, 1).requires_grad_()
    out = neuron(x)
    out.backward(golden["grad_out"].flatten(0, 1))
    assert torch.equal(out.detach(), golden["out"].flatten(0, 1)), "spikes differ"
    close(x.grad, golden["grad_x"].flatten(0, 1), f"{case}/grad_x")


def test_two_steps_worked_out_by_hand():
    # u = 1.25 fires: m = 1, v = 1.25 - 1 - sig(1) = -0.481; then u = v / 2 + 0.8 = 0.559 does not
    x = torch.tensor([[1.25], [0.8]], dtype=torch.float64, requires_grad=True)
    out = CLIF(2)(x)
    assert out.flatten().tolist() == [1, 0]
    out.backward(torch.tensor([[0.0], [1.0]], dtype=torch.float64))
    # the slope is 1 at both steps. dv/du of the first: 1 - s' (V + sig(m)) - s sig'(m) dm/du, and dm/du = s' = 1
    strength = 1 / (1 + math.exp(-1))
    carried = 1 - (1 + strength) - strength * (1 - strength)
    assert x.grad.flatten().tolist() == pytest.approx([carried / 2, 1.0])


def test_a_spike_comes_at_the_threshold_and_the_rectangle_is_closed():
    x = torch.tensor([[0.49, 0.5, 1.0, 1.5, 1.51]], requires_grad=True)
    out = CLIF(1)(x)
    out.sum().backward()
    assert out.tolist() == [[0, 0, 1, 1, 1]]
    assert x.grad.tolist() == [[0, 1, 1, 1, 0]]


class Step(torch.autograd.Function):
    """A spike at u >= V with the slopes of the paper's three surrogates."""

    @staticmethod
    def forward(ctx, distance, surrogate):
        ctx.save_for_backward(distance)
        ctx.surrogate = surrogate
        return (distance >= 0).to(distance.dtype)

    @staticmethod
    def backward(ctx, grad):
        (z,) = ctx.saved_tensors
        slopes = {
            "rectangle": (z.abs() <= 0.5).to(z.dtype),
            "triangle": torch.relu(1 - z.abs()),
            "sigmoid": 4 * torch.sigmoid(4 * z) * torch.sigmoid(-4 * z),
        }
        return grad * slopes[ctx.surrogate], None


def unrolled(x: Tensor, tau: float, threshold: float, surrogate: str, reset: str) -> Tensor:
    v, m, spikes = torch.zeros_like(x[0]), torch.zeros_like(x[0]), []
    for current in x:
        u = (1 - 1 / tau) * v + current
        s = Step.apply(u - threshold, surrogate)
        m = m * torch.sigmoid(u / tau) + s
        v = (u - s * threshold if reset == "soft" else (1 - s) * u) - s * torch.sigmoid(m)
        spikes.append(s)
    return torch.stack(spikes)


@pytest.mark.parametrize("surrogate", ["rectangle", "triangle", "sigmoid"])
@pytest.mark.parametrize("reset", ["hard", "soft"])
@pytest.mark.parametrize("at_once", [2**18, 7])
def test_its_gradients_equal_autograd_through_the_unrolled_recurrence(surrogate, reset, at_once, monkeypatch):
    monkeypatch.setattr(layout, "AT_ONCE", at_once)
    x, grad = 2 * seeded(6, 50).double(), seeded(6, 50, seed=1).double()
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    out, expected = CLIF(6, 0.7, 3.0, surrogate, reset)(ours), unrolled(theirs, 3.0, 0.7, surrogate, reset)
    assert torch.equal(out, expected)
    assert 0.05 < out.mean() < 0.95
    out.backward(grad)
    expected.backward(grad)
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-12)


def test_it_works_in_the_memory_format_of_its_currents():
    x, grad = (2 * seeded(4 * 3, 5, 6, 7, seed=seed) for seed in range(2))
    one, other = x.clone().requires_grad_(), x.contiguous(memory_format=torch.channels_last).requires_grad_()
    expected, found = CLIF(4)(one), CLIF(4)(other)
    expected.backward(grad)
    found.backward(grad)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(found, expected)
    assert torch.allclose(other.grad, one.grad)
    assert other.grad.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "wrong",
    [{"timesteps": 0}, {"threshold": 0.0}, {"tau": 1.0}, {"surrogate": "arctangent"}, {"reset": "none"}],
)
def test_other_settings_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        CLIF(**{"timesteps": 2, **wrong})


def test_the_published_method_normalises_each_step_and_has_a_loss_at_every_step():
    run = Run("cifar10", "preact-resnet18", "clif-published", 6, 0, "paper")
    recipe = resolve(run)
    assert (recipe.epochs, recipe.batch_size, recipe.learning_rate, recipe.momentum) == (200, 128, 0.1, 0.9)
    assert (recipe.weight_decay, recipe.warmup_iterations, recipe.optimizer) == (5e-5, 0, "sgd")
    assert (recipe.augmentation, recipe.loss) == ("crop-flip-cutout", "tet")
    assert resolve(replace(run, dataset="cifar100")).weight_decay == 5e-4
    assert recipe.neuron == resolve(replace(run, method="clif")).neuron == {"threshold": 1.0, "tau": 2.0}
    network = build("preact-resnet-tiny", "clif-published", 3, 7, recipe=recipe)
    assert any(isinstance(module, StepwiseBatchNorm2d) for module in network.modules())
    logits, _ = backward("clif-published", recipe)(network, torch.randn(4, 3, 32, 32), torch.arange(4))
    assert logits.shape == (4, 7)


def test_the_matched_recipe_is_dsrs_but_for_the_neuron():
    run = Run("cifar10", "preact-resnet18", "clif", 6, 0, "laptop")
    ours, plifs = (replace(resolve(replace(run, method=m)), neuron={}, sources="") for m in ("clif", "plif"))
    assert ours == plifs
