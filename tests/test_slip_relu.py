"""SlipReLU: its equation in numpy, its two ends, and what an IF neuron emits in its place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from baselines import conversion, qcfs, slip_relu
from benchmarks.recipes import resolve
from benchmarks.spec import Run


def by_the_paper(x: np.ndarray, theta: float, slope: float, levels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, dh/dx and dh/dtheta; of each part h_i the last is h_i / theta - [open] x / theta."""
    r = x / theta
    clip, stairs = np.clip(r, 0, 1), np.clip(np.floor(levels * r + 0.5) / levels, 0, 1)
    open_clip, open_stairs = (
        (r >= 0) & (r <= 1),
        (np.floor(levels * r + 0.5) >= 0) & (np.floor(levels * r + 0.5) <= levels),
    )
    value = theta * (slope * clip + (1 - slope) * stairs)
    of_x = slope * open_clip + (1 - slope) * open_stairs
    of_theta = slope * (clip - open_clip * r) + (1 - slope) * (stairs - open_stairs * r)
    return value, of_x, of_theta


@pytest.mark.parametrize(("slope", "levels"), [(0.5, 4), (0.3, 8), (0.9, 1)])
def test_values_and_gradients_are_those_of_the_equation(slope, levels):
    x = np.random.default_rng(0).normal(0.6, 1.3, 400)
    activation = slip_relu.Activation(slope, levels, 1.25).double()
    at = torch.tensor(x, requires_grad=True)
    out = activation(at)
    out.sum().backward()
    value, of_x, of_theta = by_the_paper(x, 1.25, slope, levels)
    np.testing.assert_allclose(out.detach(), value, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(at.grad, of_x, rtol=1e-12)
    assert activation.threshold.grad.item() == pytest.approx(of_theta.sum())


def test_without_a_clip_it_is_qcfs_and_without_stairs_a_clip():
    x = torch.linspace(-1, 3, 81)
    assert torch.equal(slip_relu.Activation(0.0, 4, 1.5)(x), qcfs.Activation(4, 1.5, "floor-clamp")(x))
    assert torch.allclose(slip_relu.Activation(1.0, 4, 1.5)(x), x.clamp(0, 1.5))


def test_a_neuron_of_its_threshold_emits_the_stairs_and_half_the_clips_error_is_left():
    x, steps = torch.linspace(-0.5, 2.5, 50), 4
    neuron = conversion.IF(steps, 1.5, start=0.5)
    emitted = torch.stack([neuron(x) for _ in range(steps)]).mean(0)
    stairs, clip = qcfs.Activation(4, 1.5, "floor-clamp")(x), x.clamp(0, 1.5)
    assert torch.allclose(emitted, stairs, atol=1e-6)
    assert torch.allclose(slip_relu.Activation(0.5, 4, 1.5)(x) - emitted, (clip - stairs) / 2, atol=1e-6)


@pytest.mark.parametrize("wrong", [{"slope": -0.1}, {"slope": 1.1}, {"levels": 0}, {"threshold": 0.0}])
def test_other_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))} must be"):
        slip_relu.Activation(**wrong)


def test_it_is_trained_and_converted_as_qcfs_is():
    run = Run("cifar10", "preact-resnet18", "slip-relu-ann", 1, 0, "laptop")
    ours, theirs = resolve(run), resolve(replace(run, method="qcfs-ann"))
    assert {name: value for name, value in ours.neuron.items() if name != "slope"} == theirs.neuron
    assert replace(ours, neuron={}, sources="") == replace(theirs, neuron={}, sources="")
    ours, theirs = (resolve(replace(run, method=method, timesteps=8)) for method in ("slip-relu", "qcfs"))
    assert replace(ours, parent="", sources="") == replace(theirs, parent="", sources="")
    assert ours.parent == "slip-relu-ann"
