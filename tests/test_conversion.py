"""ANN-to-SNN conversion: the layer identities of its papers, thresholds worked out by hand, and what T does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import dsr
from baselines import calibration, conversion, qcfs
from benchmarks.execution import execute
from benchmarks.methods import named
from benchmarks.networks import build
from benchmarks.recipes import resolve
from benchmarks.runs.record import Result
from benchmarks.spec import Run

PUBLISHED = Run("cifar10", "preact-resnet-tiny", "deng-gu-released", 6, 0, "paper")


def rate(neuron: conversion.IF, current: Tensor) -> Tensor:
    """Mean of what a neuron emits in T steps of constant current."""
    neuron.reset()
    return torch.stack([neuron(current.unsqueeze(0)) for _ in range(neuron.timesteps)]).mean(0).flatten()


def off_jumps(current: Tensor, place: Tensor) -> Tensor:
    """Currents that are not on a jump of the floor, where rounding would decide."""
    return current[(place - place.round()).abs() > 1e-6]


@pytest.mark.parametrize("steps", [1, 3, 16])
@pytest.mark.parametrize(("start", "shift"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5)])
def test_the_rate_floors_or_rounds_as_the_papers_say(steps, start, shift):
    theta = 0.7
    current = torch.linspace(-0.4, 1.3, 331, dtype=torch.float64)
    current = off_jumps(current, steps * current / theta + start + shift)
    neuron = conversion.IF(steps, theta, start, shift).double()
    neuron.threshold.fill_(theta)
    expected = (steps * current / theta + start + shift).floor().clamp(0, steps) * theta / steps
    assert torch.allclose(rate(neuron, current), expected, atol=1e-9)


@pytest.mark.parametrize("levels", [1, 4, 8])
def test_qcfs_equals_an_if_neuron_after_t_equals_l_steps_of_constant_current(levels):
    current = torch.linspace(-0.5, 2.5, 601, dtype=torch.float64)
    current = current[(current * levels / 1.5 + 0.5).frac().abs().sub(0.5).abs() < 0.49]  # not on a jump
    theta = 1.5
    activation = qcfs.Activation(levels, theta).double()
    simulated = rate(conversion.IF(levels, theta, start=0.5), current)
    assert torch.allclose(simulated, activation(current), atol=1e-6)


def test_it_is_dsrs_neuron_with_the_membrane_moved():
    # u = v + theta / 2: firing at theta from theta / 2 is firing at theta / 2 from 0
    currents = torch.randn(12, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ours = conversion.IF(12, 0.75, start=0.5).double()
    emitted = torch.stack([ours(current.unsqueeze(0)) for current in currents]).squeeze(1)
    theirs = dsr.IF(12, threshold=0.75, alpha=0.5).double()(currents)
    assert torch.equal(emitted, theirs)
    assert 0.1 < (emitted > 0).double().mean() < 0.9


def test_a_correction_is_a_constant_current_per_channel():
    neuron = conversion.IF(4)
    neuron.correction = torch.tensor([0.5, 0.0])
    emitted = torch.stack([neuron(torch.zeros(3, 2, 1, 1)) for _ in range(4)])
    assert emitted[:, 0, :, 0, 0].tolist() == [[0, 0], [1, 0], [0, 0], [1, 0]]


def test_a_percentile_is_over_nonzero_activations():
    activations = torch.cat([torch.zeros(5000), torch.arange(1, 1001).float()])
    assert calibration.percentile(activations, 0.999).item() == 999
    assert calibration.percentile(activations, 1.0).item() == 1000
    assert calibration.percentile(torch.zeros(4), 0.999).item() == 0


def test_clip_floor_is_the_rate_of_a_neuron_from_rest():
    current = torch.tensor([-1.0, 0.99, 1.0, 2.6, 9.0])
    assert calibration.clip_floor(current, torch.tensor(4.0), 4).tolist() == [0, 0, 1, 2, 4]
    assert rate(conversion.IF(4, 4.0), current).tolist() == [0, 0, 1, 2, 4]


def test_the_least_error_threshold_gives_up_an_outlier():
    # T = 1, rates are 0 or theta. theta = 2 loses a thousand ones; theta = 1 loses 1 of the outlier
    activations = torch.cat([torch.ones(1000), torch.tensor([2.0])])
    assert calibration.least_error_threshold(activations, 1).item() == pytest.approx(1.0, abs=1e-5)
    # multiples of max / T are met exactly by the maximum
    grid = torch.arange(9).float() / 8 * 3
    assert calibration.least_error_threshold(grid, 8).item() == 3.0


def pair(steps: int, **neuron: float) -> tuple[conversion.Converted, nn.Module, Tensor]:
    """A converted network, its parent with statistics of some images, and those images."""
    torch.manual_seed(0)
    ann, images = build("preact-resnet-tiny", "ann", 1, 10), torch.randn(32, 3, 16, 16)
    for module in ann.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    ann(images)
    network = build("preact-resnet-tiny", "maximum-shift", steps, 10)
    assert isinstance(network, conversion.Converted)
    network.load_state_dict(ann.eval().state_dict(), strict=False)
    for spiking in conversion.neurons(network).values():
        for name, value in neuron.items():
            setattr(spiking, name, value)
    return network.eval(), ann, images


def test_thresholds_are_the_statistic_of_the_relu_of_their_name():
    network, ann, images = pair(4)
    calibration.set_thresholds(network, ann, images, Tensor.amax)
    first = ann.stages[0][0]
    largest = first.neuron1(first.norm1(ann.stem(images))).amax()
    assert network.get_submodule("stages.0.0.neuron1").threshold == largest


def test_bias_correction_makes_mean_rates_the_anns_mean_activations():
    network, ann, images = pair(8, start=0.0, shift=0.0)
    calibration.set_thresholds(network, ann, images, Tensor.amax)
    names = list(conversion.neurons(network))
    wanted = calibration._watch(ann, names, images, calibration._channel_means)

    def error() -> float:
        means = calibration._watch(network, names, images, calibration._channel_means)
        return sum((means[name] - wanted[name]).abs().mean().item() for name in names)

    before = error()
    calibration.correct_biases(network, ann, images)
    assert error() < 0.5 * before


def test_a_run_passes_through_the_logits_of_every_shorter_run():
    network, ann, images = pair(8, start=0.5, shift=0.0)
    calibration.set_thresholds(network, ann, images, Tensor.amax)
    longer = [passed.logits for passed in network.trajectory(images, range(1, 9))]
    shorter, *_ = pair(3, start=0.5, shift=0.0)
    shorter.load_state_dict(network.state_dict())
    assert torch.allclose(shorter(images), longer[2], atol=1e-6)
    assert not torch.allclose(longer[2], longer[7], atol=1e-3)


def test_with_many_steps_logits_are_the_anns():
    network, ann, images = pair(512, start=0.5, shift=0.0)
    calibration.set_thresholds(network, ann, images, Tensor.amax)
    wanted = ann(images)
    errors = [(passed.logits - wanted).abs().mean().item() for passed in network.trajectory(images, [8, 512])]
    assert errors[1] < 0.02 * wanted.std().item() < errors[0]


def test_corrections_are_saved_and_loaded():
    network, ann, images = pair(4)
    calibration.correct_biases(network, ann, images)
    other, *_ = pair(4)
    other.load_state_dict(network.state_dict())
    assert torch.equal(other(images), network(images))
    assert other.get_submodule("neuron").correction.abs().sum() > 0


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Result, Path]:
    """An ANN trained on digits, and where it lies."""
    results = tmp_path_factory.mktemp("results")
    return execute(Run("digits", "preact-resnet-tiny", "ann", 1, 0, "laptop"), results), results


@pytest.mark.parametrize("method", ["threshold-balancing", "threshold-balancing-half", "maximum-shift"])
def test_on_digits_accuracy_is_the_anns_at_512_steps(method, trained):
    parent, results = trained
    converted = execute(Run("digits", "preact-resnet-tiny", method, 512, 0, "laptop"), results)
    assert parent.top1 > 90
    assert abs(converted.top1 - parent.top1) <= 0.3


def published(steps: int = 6) -> tuple[nn.Module, nn.Module, Tensor]:
    """`deng-gu-released` from an ANN whose norms have seen images, and images."""
    torch.manual_seed(0)
    ann = build("preact-resnet-tiny", "deng-gu-ann", 1, 7)
    images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    ann(images)
    network = build("preact-resnet-tiny", "deng-gu-released", steps, 7)
    named("deng-gu-released").hand_over(network, ann.eval(), images, resolve(PUBLISHED))
    return network.eval(), ann, images


def test_as_deng_and_gu_released_it_neurons_behind_additions_have_no_shift():
    """In pre-activation networks, the first neuron of every block but the first, and the one behind the last block."""
    network, _, _ = published()
    shifts = {name: neuron.shift for name, neuron in conversion.neurons(network).items()}
    behind = {"stages.1.0.neuron1", "stages.2.0.neuron1", "neuron"}
    assert {name for name, shift in shifts.items() if shift == 0} == behind
    assert set(shifts.values()) == {0.0, 0.5}
    assert {neuron.shift_steps for neuron in conversion.neurons(network).values()} == {32}


def test_as_deng_and_gu_released_it_logits_are_rates_below_the_largest_logit():
    network, ann, images = published(steps=40)
    with torch.no_grad():
        exact, found = ann(images), network(images)
    theta = network.readout.neuron.threshold
    assert theta.item() == exact.max().item()
    assert 0 <= found.min() <= found.max() <= theta
    assert not ((found * 40 / theta) - (found * 40 / theta).round()).abs().max() > 1e-3
    assert (found - exact.clamp(min=0)).abs().mean() < 0.25 * exact.clamp(min=0).mean()


def test_as_deng_and_gu_released_it_events_and_modules_agree():
    network, _, images = published()
    assert network.program(images) is not None
    by_events = [passed.logits for passed in network.trajectory(images, [2, 6])]
    by_modules = [passed.logits for passed in network._every_neuron(images, [2, 6])]
    for ours, theirs in zip(by_events, by_modules, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)
