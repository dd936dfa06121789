"""Where DSR's thresholds start: the lowest ceiling whose first gradient is no larger than the weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import dsr
import dsr.start
from benchmarks.networks import build
from benchmarks.recipes import resolve
from benchmarks.spec import BadInput, Run
from benchmarks.sweeps import SWEEPS
from benchmarks.training.thresholds import start_by

DEEP = "preact-resnet32"


def images() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(16, 3, 12, 12, generator=generator), torch.arange(16) % 10


def deep(method: str) -> nn.Module:
    torch.manual_seed(0)
    return build(DEEP, method, 3, 10)


def thresholds(network: nn.Module) -> list[float]:
    return [m.threshold.item() for m in network.modules() if isinstance(m, dsr.IF | dsr.LIF)]


def stem_ratio(method: str, threshold: float) -> float:
    """The same quantity from scratch: a fresh network, its stem's gradient over its stem's weight."""
    network = deep(method).train()
    for neuron in (m for m in network.modules() if isinstance(m, dsr.IF | dsr.LIF)):
        nn.init.constant_(neuron.threshold, threshold)
    x, y = images()
    stem = next(p for p in network.parameters() if p.shape[1:] == (3, 3, 3))
    (gradient,) = torch.autograd.grad(F.cross_entropy(network(x), y), stem)
    return float(gradient.norm() / stem.detach().norm())


@pytest.mark.parametrize(("method", "unit"), [("dsr-if", 1.0), ("dsr-if-rep", 1.0), ("dsr-lif-rep", 0.1)])
def test_the_start_is_the_lowest_ceiling_that_bounds_the_first_gradient(method, unit):
    network = deep(method)
    found = dsr.bound_gradient(network, *images())
    assert thresholds(network) == pytest.approx([found] * len(thresholds(network)))
    at = min(range(17), key=lambda k: abs(dsr.start.CEILINGS[k] - found / unit))
    assert found == pytest.approx(unit * 2 ** (at / 8), rel=1e-6)
    assert at > 0, "of 32 layers the gradient explodes from 1"
    assert stem_ratio(method, found) <= 1.0
    assert stem_ratio(method, unit * 2 ** ((at - 1) / 8)) > 1.0


def test_a_ceiling_of_one_lets_the_gradient_of_32_layers_explode():
    assert stem_ratio("dsr-if-rep", 1.0) > 50


def test_nothing_but_thresholds_changes():
    network = deep("dsr-if-rep")
    before = {name: value.clone() for name, value in network.state_dict().items() if not name.endswith("threshold")}
    torch.manual_seed(5)
    drawn = torch.rand(1)
    torch.manual_seed(5)
    dsr.bound_gradient(network, *images())
    assert torch.equal(torch.rand(1), drawn)
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_where_no_ceiling_bounds_the_gradient_the_smallest_is_taken(monkeypatch):
    network, seen = deep("dsr-lif-rep"), []

    def gradient(trial, x, y):
        seen.append(thresholds(trial)[0] / 0.1)
        return 2 + (seen[-1] - 2) ** 2

    monkeypatch.setattr(dsr.start, "first_gradient", gradient)
    assert dsr.bound_gradient(network, *images()) == pytest.approx(0.1 * 2)
    assert seen == pytest.approx([2 ** (k / 8) for k in range(17)])


def test_a_gradient_that_overflows_is_no_small_one(monkeypatch):
    network, found = deep("dsr-if-rep"), iter([float("nan"), float("inf"), 3.0, 2.0, *[4.0] * 13])
    monkeypatch.setattr(dsr.start, "first_gradient", lambda *_: next(found))
    assert dsr.bound_gradient(network, *images()) == pytest.approx(2 ** (3 / 8))


def test_short_schedules_measure_their_start_and_published_ones_state_it():
    for method in ("dsr-if", "dsr-if-rep", "dsr-lif", "dsr-lif-rep"):
        for scale in ("laptop", "smoke"):
            recipe = resolve(Run("cifar10", DEEP, method, 5, 0, scale))
            assert (recipe.start, "threshold" in recipe.neuron) == ("first-gradient", False)
        recipe = resolve(Run("cifar10", DEEP, method, 5, 0, "paper"))
        assert (recipe.start, recipe.neuron["threshold"]) == ("constant", 0.6 if "lif" in method else 6.0)


def test_a_variant_that_names_its_threshold_starts_from_it():
    recipe = resolve(Run("cifar10", DEEP, "dsr-if@threshold=6@train_threshold=false", 20, 0, "laptop"))
    assert (recipe.start, recipe.neuron["threshold"]) == ("constant", 6)
    for run in SWEEPS["ablation"].runs("laptop"):
        assert resolve(run).start == "constant", run


def test_a_method_without_such_thresholds_is_refused():
    with pytest.raises(BadInput, match="ann has no rule that sets initial thresholds"):
        start_by("ann", nn.Identity(), *images())
