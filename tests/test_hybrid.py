"""Hybrid training: the network, its recipe, its first thresholds, and the factor at their gradients."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from image_folder import make
from torch import Tensor, nn
from torch.nn import functional as F

import benchmarks.methods
import dsr
import dsr.hybrid
from benchmarks.data import evaluation_batches, load
from benchmarks.execution import execute
from benchmarks.networks import build
from benchmarks.networks.parts import DirectCoding
from benchmarks.operations.structure import structure
from benchmarks.recipes import resolve
from benchmarks.runs import store
from benchmarks.runs.identity import parent
from benchmarks.spec import Recipe, Run
from benchmarks.sweeps import SWEEPS
from benchmarks.training.schedule import make_optimizer

TINY = "preact-resnet-imagenet-tiny"
CHILD = Run("imagenet", TINY, "dsr-if-hybrid", 3, 0, "smoke")


def test_the_papers_network_for_imagenet_has_its_published_size() -> None:
    network = build("preact-resnet18-imagenet", "dsr-if", 2, 1000).eval()
    found = structure(network, torch.zeros(1, 3, 224, 224))
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(11.69e6, rel=5e-4)
    assert sum(layer.padded_macs for layer in found.layers) == pytest.approx(1.814e9, rel=5e-4)
    assert found.layers[0].padded_macs == pytest.approx(118.0e6, rel=5e-4)
    assert len(found.neurons) == 20
    # stem; four stages, the first neuron of each but the first on the map before; pool and logits
    maps = [64 * 112**2, 4 * 64 * 56**2, 64 * 56**2 + 3 * 128 * 28**2, 128 * 28**2 + 3 * 256 * 14**2]
    assert sum(found.neurons.values()) == sum(maps) + 256 * 14**2 + 3 * 512 * 7**2 + 512 * 7**2 + 512 + 1000


def test_a_spike_behind_the_stem_costs_one_accumulate_for_every_window_of_the_pool() -> None:
    layers = structure(build(TINY, "dsr-if", 2, 10).eval(), torch.zeros(1, 3, 16, 16)).layers
    (pool,) = (layer for layer in layers if layer.name == "stages.0.0.neuron1.pooled")
    assert pool.origin == "stem.2"
    # 3 x 3 windows with stride 2 and padding 1 on 8 x 8: rows 0, 2, 4, 6 lie in one, 1, 3, 5 in two, 7 in one
    once = torch.tensor([1, 2, 1, 2, 1, 2, 1, 1])
    assert pool.fanout is not None
    assert torch.equal(pool.fanout, once[:, None] * once)


class Two(nn.Module):
    """Two layers with known activations: the input, and a shifted copy that is mostly negative."""

    def __init__(self, neuron: type[nn.Module], *arguments: float) -> None:
        super().__init__()
        self.first, self.second = neuron(*arguments), neuron(*arguments)

    def forward(self, x: Tensor) -> Tensor:
        return self.first(x) + self.second(x - 900)


@pytest.mark.parametrize(
    ("neuron", "arguments", "height"), [(dsr.IF, (2,), 1.0), (dsr.LIF, (2, 0.3, 0.3, 1.0, 0.05), 0.05)]
)
def test_thresholds_are_quantiles_of_activations_zeros_included(
    neuron: type[nn.Module], arguments: tuple[float, ...], height: float
) -> None:
    values = np.random.default_rng(0).permutation(np.arange(-200, 1000)).astype(np.float32)
    network, ann = Two(neuron, *arguments), Two(dsr.ReLU)
    dsr.set_thresholds(network, ann, torch.from_numpy(values).view(300, 4), 0.95)
    for found, seen in ((network.first, values), (network.second, values - 900)):
        assert found.threshold.item() / height == pytest.approx(np.quantile(seen.clip(0), 0.95), rel=1e-5)
    assert network.second.threshold < network.first.threshold


def test_of_many_activations_a_sample_serves_and_a_silent_layer_gets_the_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dsr.hybrid, "VALUES", 20_000)
    network, ann = Two(dsr.IF, 2), Two(dsr.ReLU)
    x = torch.rand(300, 1000, generator=torch.Generator().manual_seed(0)) * 100
    dsr.set_thresholds(network, ann, x, 0.99)
    assert network.first.threshold.item() == pytest.approx(99, abs=0.4)  # 5 x the sample's standard error of 0.07
    assert network.second.threshold.item() == pytest.approx(network.second.threshold_floor)
    assert not ann.first._forward_hooks


@pytest.mark.parametrize("engine", ["plain", "exact", "representation"])
def test_the_factor_multiplies_the_gradients_of_thresholds_and_nothing_else(engine: str) -> None:
    gradients = []
    for gain in (1.0, 0.001):
        torch.manual_seed(0)
        method = "dsr-if-rep" if engine == "representation" else "dsr-if"
        recipe = Recipe(1, 4, 0.1, neuron={"threshold": 0.2, "threshold_gain": gain})
        network = build(TINY, method, 3, 10, recipe=recipe).double()
        if engine == "exact":
            network = dsr.Exact(network._hidden[0], DirectCoding, always=True)  # type: ignore[union-attr,index,arg-type]
        x = torch.randn(4, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        F.cross_entropy(network(x), torch.arange(4)).backward()
        gradients.append({name: p.grad for name, p in network.named_parameters()})
    moved = 0
    for name, gradient in gradients[0].items():
        factor = 0.001 if name.endswith("threshold") else 1.0
        assert torch.allclose(gradients[1][name], factor * gradient, rtol=1e-9, atol=0), name
        moved += name.endswith("threshold") and gradient.abs().item() > 0
    assert moved > 3, "hardly a neuron is saturated: the test shows nothing of the thresholds"


def trained_thresholds(optimizer: str, gain: float, steps: int = 6) -> Tensor:
    """What thresholds that start at 0.2 are after a few steps on noise."""
    torch.manual_seed(0)
    recipe = resolve(CHILD)
    recipe = replace(recipe, optimizer=optimizer, neuron={"threshold": 0.2, "threshold_gain": gain})  # type: ignore[arg-type]
    network = build(TINY, CHILD.method, 2, 10, recipe=recipe)
    making = make_optimizer(network, recipe)
    x = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    for _ in range(steps):
        making.zero_grad()
        F.cross_entropy(network(x), torch.arange(4)).backward()
        making.step()
    return torch.stack([p.detach() for name, p in network.named_parameters() if name.endswith("threshold")])


def test_the_factor_at_thresholds_gradients_does_nothing_under_adam_and_much_under_sgd() -> None:
    one, small = (trained_thresholds("adam", gain) for gain in (1.0, 0.001))
    assert (one - 0.2).abs().max() > 0.004
    assert torch.allclose(one, small, rtol=0, atol=4e-6)
    one, small = (trained_thresholds("sgd", gain) for gain in (1.0, 0.001))
    assert (one - small).abs().max() > 0.005


def test_a_thresholds_gradient_does_not_grow_with_the_batch() -> None:
    """The paper scales it with the batch size, the released code does not: of a batch seen twice it is the same."""
    torch.manual_seed(0)
    network = build(TINY, "dsr-if", 2, 10, recipe=Recipe(1, 4, 0.1, neuron={"threshold": 0.2})).double()
    x = torch.randn(4, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = []
    for times in (1, 2):
        network.zero_grad()
        F.cross_entropy(network(x.repeat(times, 1, 1, 1)), torch.arange(4).repeat(times)).backward()
        found.append([p.grad.item() for name, p in network.named_parameters() if name.endswith("threshold")])  # type: ignore[union-attr]
    assert found[0] == pytest.approx(found[1], rel=1e-9)
    assert sum(abs(gradient) > 1e-6 for gradient in found[0]) > 3


def test_recipes_on_imagenet_are_the_published_ones() -> None:
    ann, hybrid = (
        resolve(Run("imagenet", "preact-resnet18-imagenet", method, steps, 0, "paper"))
        for method, steps in (("dsr-ann", 1), ("dsr-if-hybrid", 50))
    )
    for recipe in (ann, hybrid):
        assert (recipe.epochs, recipe.warmup_iterations, recipe.classes) == (90, 5000, 1000)
        assert (recipe.augmentation, recipe.image_size, recipe.train_images) == ("resized-crop-flip", None, None)
    assert (ann.optimizer, ann.learning_rate, ann.batch_size, ann.weight_decay) == ("sgd", 0.1, 256, 1e-4)
    assert (hybrid.optimizer, hybrid.learning_rate, hybrid.batch_size) == ("adam", 0.001, 144)
    assert hybrid.weight_decay == 0
    assert hybrid.neuron == {"alpha": 0.5, "threshold_floor": 0.01, "threshold_gain": 0.001}
    runs = SWEEPS["imagenet"].runs("paper")
    assert {run.timesteps for run in runs if run.method == "dsr-if-hybrid"} == {50}


def test_adam_moves_by_its_learning_rate_and_never_decays() -> None:
    layer = nn.Linear(2, 1, bias=False)
    before = layer.weight.detach().clone()
    optimizer = make_optimizer(layer, resolve(CHILD))
    layer.weight.grad = torch.tensor([[5.0, 0.0]])
    optimizer.step()
    assert torch.allclose(layer.weight - before, torch.tensor([[-0.001, 0.0]]), atol=1e-7)


@pytest.fixture
def data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten classes, each of one colour, 10 + 5 images."""
    monkeypatch.setenv("DSR_DATA", str(tmp_path))
    monkeypatch.setenv("DSR_WORKERS", "0")
    make(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_a_hybrid_run_starts_from_its_ann_and_says_what_it_was_measured_on(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[tuple[nn.Module, nn.Module, Tensor, list[float]]] = []
    set_thresholds = dsr.set_thresholds

    def watched(network: nn.Module, ann: nn.Module, images: Tensor, quantile: float) -> None:
        set_thresholds(network, ann, images, quantile)
        handed.append((network, ann, images, [m.threshold.item() for m in network.modules() if isinstance(m, dsr.IF)]))

    monkeypatch.setattr(benchmarks.methods.dsr, "set_thresholds", watched)
    origin = parent(CHILD)
    assert origin == Run("imagenet", TINY, "dsr-ann", 1, 0, "smoke")
    trained = execute(origin, data_root / "results")
    result = execute(CHILD, data_root / "results")
    assert (result.status, result.parent_key) == ("done", trained.key)
    assert (result.train_images, result.test_images, result.epochs) == (100, 50, 2)
    assert "no result on ImageNet: 10 of 1,000 classes" in result.provenance.data_source
    assert result.acs is not None
    assert result.acs > 0

    ((_, ann, images, thresholds),) = handed
    weights = torch.load(store.directory(data_root / "results", origin) / store.NETWORK, weights_only=True)
    assert all(torch.equal(value, weights[name]) for name, value in ann.state_dict().items())
    assert len(set(thresholds)) == len(thresholds) == 10
    data = load("imagenet", resolve(CHILD))
    assert torch.equal(images, next(evaluation_batches(data.train, data, 100))[0])  # all training images that there are

    execute(Run(**{**vars(CHILD), "method": "dsr-if-hybrid-published"}), data_root / "results")
    assert torch.equal(handed[1][2], next(evaluation_batches(data.test, data, 50))[0])
