"""Neurons against other people's implementations, where they are installed: SpikingJelly 2.0.0, snnTorch."""

from __future__ import annotations

import warnings

import pytest
import torch
from invented_spikes import seeded
from torch import Tensor

import dsr
from baselines import conversion, qcfs, stbp
from baselines.stbp import tdbn

STEPS = 6
pytestmark = pytest.mark.slow


@pytest.fixture
def spikingjelly():
    with warnings.catch_warnings(action="ignore"):
        return pytest.importorskip("spikingjelly.activation_based", exc_type=ImportError)


def gradient(function, x: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    out = function(x)
    out.backward(grad)
    return out.detach(), x.grad


@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("reset", ["hard", "soft"])
def test_surrogate_lif_is_spikingjellys(spikingjelly, reset, detach):
    from spikingjelly.activation_based import neuron, surrogate

    theirs = neuron.LIFNode(
        tau=1 / (1 - 0.25),
        decay_input=False,
        v_threshold=0.5,
        v_reset=0.0 if reset == "hard" else None,
        surrogate_function=surrogate.Rect(alpha=1.0),
        detach_reset=detach,
        step_mode="m",
    )
    x, grad = seeded(STEPS, 200), seeded(STEPS, 200, seed=1)
    ours = stbp.LIF(STEPS, reset=reset, detach_reset=detach)
    for found, expected in zip(gradient(ours, x, grad), gradient(theirs, x, grad), strict=True):
        assert torch.allclose(found, expected, atol=1e-6)
    assert 0.05 < ours(x).mean() < 0.95


def test_threshold_batch_norm_is_spikingjellys(spikingjelly):
    from spikingjelly.activation_based import layer

    ours, theirs = tdbn.ThresholdBatchNorm2d(3, 0.5, 0.7), layer.ThresholdDependentBatchNorm2d(0.7, 0.5, 3)
    x, grad = seeded(STEPS, 4, 3, 5, 5) * 3 + 1, seeded(STEPS, 4, 3, 5, 5, seed=1)
    found = gradient(lambda x: ours(x.flatten(0, 1)).view_as(x), x, grad)
    for ours_, theirs_ in zip(found, gradient(theirs, x, grad), strict=True):
        assert torch.allclose(ours_, theirs_, atol=1e-5)


def test_conversions_if_is_spikingjellys(spikingjelly):
    from spikingjelly.activation_based import neuron

    theirs = neuron.IFNode(v_threshold=0.75, v_reset=None, step_mode="m")
    currents = seeded(STEPS, 3, 50)
    ours = conversion.IF(STEPS, 0.75)
    with torch.no_grad():
        emitted = torch.stack([ours(current) for current in currents])
        assert torch.equal(emitted, 0.75 * theirs(currents))
    assert emitted.any()


def test_qcfs_rate_is_that_of_spikingjellys_if(spikingjelly):
    """QCFS with L levels is the rate of an IF neuron that starts half full, after L steps of constant current."""
    from spikingjelly.activation_based import neuron

    theirs = neuron.IFNode(v_threshold=1.5, v_reset=None, step_mode="m")
    x = torch.linspace(-0.5, 2.4, 97)
    theirs.v = torch.full_like(x, 0.75)
    rate = 1.5 * theirs(x.expand(8, -1)).mean(0)
    assert torch.allclose(qcfs.Activation(8, 1.5)(x), rate, atol=1e-6)


@pytest.mark.parametrize("decay", [1.0, 0.6])
def test_soft_reset_neurons_are_snntorchs_leaky(decay):
    """snnTorch subtracts the threshold one step later, before it adds the current: the same spikes without a leak.

    With a leak u_t = decay u_{t-1} + x_t - V o_{t-1}, ours decays what is left after the reset: equal where it takes
    V / decay off, so only without a spike before; compared there.
    """
    snntorch = pytest.importorskip("snntorch", exc_type=ImportError)
    theirs = snntorch.Leaky(beta=decay, threshold=0.5, reset_mechanism="subtract")
    x = seeded(STEPS, 300)
    membrane, spikes = torch.zeros(300), []
    with torch.no_grad():
        for current in x:
            spike, membrane = theirs(current, membrane)
            spikes.append(spike)
    expected = torch.stack(spikes)
    found = stbp.LIF(STEPS, 0.5, decay, reset="soft")(x)
    comparable = torch.ones_like(expected, dtype=torch.bool)
    if decay < 1:
        comparable[1:] = expected.cumsum(0)[:-1] == 0
    else:
        strict = dsr.IF(STEPS, threshold=0.5, alpha=1.0)(x)  # fires at >= V, the others above V
        assert torch.equal((strict > 0).float(), expected)
    assert torch.equal(found[comparable], expected[comparable])
    assert expected[comparable].any()
