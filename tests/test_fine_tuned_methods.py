"""DIET-SNN and hybrid training as methods of the suite: their networks, what they take over, and what is counted."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from golden_vectors import read
from torch import Tensor, nn
from torch.nn import functional as F

import baselines.fine_tuned
from baselines.coding import Bernoulli
from baselines.dropout import DropoutOverTime
from benchmarks.catalogue import networks
from benchmarks.execution import execute
from benchmarks.methods import METHODS, parts
from benchmarks.networks import build
from benchmarks.networks.vgg import VGG
from benchmarks.operations.counter import counting
from benchmarks.recipes import resolve
from benchmarks.runs import store
from benchmarks.runs.identity import parent
from benchmarks.spec import Recipe, Run

CHILDREN = ("diet-snn", "hybrid-training", "diet-snn-published", "hybrid-training-published")
GOLDEN = read("diet_snn_released")


def recipe_of(method: str, network: str, steps: int) -> Recipe:
    return resolve(Run("cifar10", network, method, steps, 0, "laptop"))


def test_the_suites_network_as_published_takes_the_training_step_of_its_authors(close) -> None:
    settings, golden = GOLDEN["net"]
    shape = networks.VGG(((4,), (6, 6)), (10,), pooled=2, biases=False)
    recipe = recipe_of("diet-snn-published", "diet-vgg16", settings["T"])
    network = VGG(parts("diet-snn-published", settings["T"], recipe), shape, 5).train()
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    neurons = [module for module in network.modules() if isinstance(module, baselines.fine_tuned.LIF)]
    released = ("features.0", "features.3", "features.6", "classifier.0", "classifier.3")
    for name, layer in zip(released, layers, strict=True):
        layer.weight.data.copy_(golden[f"before/{name}.weight"])
    for place, neuron in zip((0, 3, 6, 9), neurons, strict=True):
        neuron.threshold.data.fill_(golden[f"before/threshold.t{place}"].item())
        neuron.leak.data.fill_(golden[f"before/leak.l{place}"].item())
    logits = network(golden["x"])
    F.cross_entropy(logits, golden["y"]).backward()
    close(logits, golden["logits"], "as published/logits")
    for name, layer in zip(released, layers, strict=True):
        close(layer.weight.grad, golden[f"grad/{name}.weight"], f"as published/grad/{name}")


@pytest.mark.parametrize(
    ("method", "share"), [("diet-snn-published", 0.2), ("hybrid-training-published", 0.3), ("diet-snn", None)]
)
def test_dropout_is_behind_neurons_without_a_pool_and_keeps_its_mask_over_the_steps(method, share) -> None:
    network = build("diet-vgg16-narrow", method, 2, 10)
    kinds = [type(module).__name__ for module in network.features]
    behind = [kinds[at + 1] if at + 1 < len(kinds) else "" for at, kind in enumerate(kinds) if kind == "LIF"]
    drop, pool = "DropoutOverTime", "AvgPool2d"
    assert behind == [drop, pool] * 2 + [drop, drop, pool] * 2 + [drop] * 3
    shares = [m.p for m in network.modules() if isinstance(m, DropoutOverTime)]
    assert shares == [share or 0.2] * 9 + [share or 0.5] * 2
    dropped = next(module for module in network.modules() if isinstance(module, DropoutOverTime))
    once, again = dropped(torch.ones(2 * 3, 4, 5, 5)).unflatten(0, (2, 3))
    assert torch.equal(once, again)
    assert not once.all()


@pytest.mark.parametrize("network", ["preact-resnet-tiny", "diet-vgg16-narrow"])
@pytest.mark.parametrize("method", CHILDREN)
def test_a_child_has_its_anns_weights_and_every_layer_that_is_reached_a_threshold_of_its_own(method, network) -> None:
    torch.manual_seed(0)
    steps = 4
    origin = METHODS[method].parent
    assert origin
    ann = build(network, origin, 1, 10, recipe=recipe_of(origin, network, 1))
    for module in ann.modules():
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight)  # as they start, a narrow network's last layers hardly get currents
    recipe = recipe_of(method, network, steps)
    assert recipe.conversion["steps"] == 100
    child = build(network, method, steps, 10, recipe=recipe)
    images = torch.randn(2, 3, 32, 32)
    METHODS[method].hand_over(child, ann, images, recipe)
    theirs = ann.state_dict()
    ours = child.state_dict()
    assert {name for name in ours if name not in theirs} == {
        name for name in ours if name.rpartition(".")[2] in ("threshold", "leak")
    }
    assert all(torch.equal(ours[name], value) for name, value in theirs.items())
    thresholds = [module.threshold.item() for module in child.modules() if isinstance(module, baselines.fine_tuned.LIF)]
    assert len(set(thresholds)) == len(thresholds)
    assert all(value > 0 and value != 1 for value in thresholds)
    trained = {name.rpartition(".")[2] for name, _ in child.named_parameters()} & {"threshold", "leak"}
    assert trained == ({"threshold", "leak"} if method.startswith("diet") else set())


def test_images_become_spikes_of_the_deviation_that_hybrid_trainings_code_divides_by() -> None:
    """A pixel of deviation 0.2 that is normalised by it, and by 0.5 there: x / 2.5."""
    network = build("preact-resnet-tiny", "hybrid-training", 500, 10)
    coder = network.stem.coding
    assert isinstance(coder, Bernoulli)
    spikes = coder.train()(torch.full((40, 1, 1, 1), -1.5)).view(-1)
    assert set(spikes.tolist()) == {0.0, -1.0}
    assert spikes.mean().item() == pytest.approx(-0.6, abs=0.02)  # 20,000 draws: four deviations are 0.014


def test_spikes_of_hybrid_training_cost_accumulates_from_the_first_layer_on() -> None:
    network, x = build("preact-resnet-tiny", "hybrid-training", 8, 10), torch.randn(4, 3, 32, 32)
    network(x)
    network.eval()
    with torch.no_grad(), counting(network, x[:1], 8) as counter:
        network(x)
    first = counter.ledger()[0]
    assert (first.kind, first.origin) == ("ac", "stem.coding")
    spikes = network.stem.coding(x).abs().sum((1, 3))  # by image, step and row
    inner, outer = spikes[:, 1:-1].sum().item(), spikes[:, [0, -1]].sum().item()
    most, least = 9 * network.stem.layer.out_channels, 4 * network.stem.layer.out_channels
    assert least * (inner + outer) < first.operations < most * (inner + outer)
    assert counter.per_image().analog_macs == 0


def test_a_leak_that_is_trained_multiplies_and_one_that_is_fixed_at_1_does_not() -> None:
    def leaks(method: str, **changes: object) -> int:
        recipe = recipe_of(method, "preact-resnet-tiny", 4)
        return baselines.fine_tuned.LIF(4, **{**recipe.neuron, **changes}).leaks()  # type: ignore[arg-type]

    assert (leaks("diet-snn"), leaks("hybrid-training"), leaks("hybrid-training", leak=0.99)) == (1, 0, 1)


@pytest.mark.slow
def test_a_run_starts_from_its_ann_with_thresholds_of_training_images_and_learns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, Tensor]] = []
    measure = baselines.fine_tuned.set_thresholds

    def watched(network: nn.Module, images: Tensor, share: float, steps: int, factor: float) -> None:
        measure(network, images, share, steps, factor)
        found = [m.threshold.detach() for m in network.modules() if isinstance(m, baselines.fine_tuned.LIF)]
        seen.append((len(images), torch.stack(found)))

    monkeypatch.setattr(baselines.fine_tuned, "set_thresholds", watched)
    run = Run("digits", "preact-resnet-tiny", "diet-snn", 4, 0, "smoke")
    origin = parent(run)
    assert origin == Run("digits", "preact-resnet-tiny", "ann", 1, 0, "smoke")
    trained = execute(origin, tmp_path)
    result = execute(run, tmp_path)
    assert (result.status, result.parent_key) == ("done", trained.key)
    ((images, thresholds),) = seen
    assert images == 16
    weights = torch.load(store.directory(tmp_path, run) / store.NETWORK, weights_only=True)
    after = torch.stack([value for name, value in weights.items() if name.endswith("threshold")])
    assert after.shape == thresholds.shape
    assert (after != thresholds).any()
    assert result.acs is not None
    assert result.acs > 0
    assert trained.top1 is not None
    assert result.top1 is not None
    assert result.top1 > 30  # guessing gives 10
