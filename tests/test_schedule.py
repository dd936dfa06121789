"""The learning rate of every iteration, and what a recipe does to a training step and to its evaluation."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from benchmarks.data import load
from benchmarks.measurement.metering import Memory
from benchmarks.networks import build
from benchmarks.recipes import resolve
from benchmarks.spec import Optimizer, Recipe, Run
from benchmarks.training import loop
from benchmarks.training.loop import Trainer, Training
from benchmarks.training.schedule import learning_rate, make_optimizer, set_learning_rate

RECIPE = Recipe(epochs=4, batch_size=64, learning_rate=0.8, warmup_iterations=0, augmentation="none", train_images=128)


def test_with_a_share_the_rate_rises_over_it_and_falls_to_zero_iteration_by_iteration() -> None:
    """20 iterations, of which a fifth, 4, rise by a quarter each; the other 16 are half a cosine."""
    recipe = replace(RECIPE, warmup_share=0.2)
    rates = [learning_rate(recipe, i, 5) for i in range(20)]
    assert rates[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert rates[4] == pytest.approx(0.8)
    assert rates[8] == pytest.approx(0.4 * (1 + math.sqrt(0.5)))
    assert rates[12] == pytest.approx(0.4)
    assert rates[19] == pytest.approx(0.4 * (1 - math.cos(math.pi / 16)))
    assert all(now > later for now, later in pairwise(rates[4:]))
    assert learning_rate(recipe, 20, 5) == pytest.approx(0.0, abs=1e-12)


def test_a_share_of_nothing_is_no_warm_up() -> None:
    assert learning_rate(replace(RECIPE, warmup_share=0.0), 0, 5) == 0.8


def test_without_a_share_the_rate_stays_the_same_throughout_an_epoch_after_its_warm_up() -> None:
    recipe = replace(RECIPE, warmup_iterations=2)
    rates = [learning_rate(recipe, i, 5) for i in range(20)]
    assert rates[:2] == [0.4, 0.8]
    assert rates[2:5] == [0.8] * 3
    assert rates[5:10] == pytest.approx([0.4 * (1 + math.sqrt(0.5))] * 5)
    assert rates[10:15] == pytest.approx([0.4] * 5)


def test_adamws_decay_is_not_part_of_the_gradient() -> None:
    """Without a gradient Adam's own step would be of the size of the rate: AdamW multiplies by 1 - rate x decay."""
    layer = torch.nn.Linear(2, 1, bias=False)
    optimizer = make_optimizer(layer, replace(RECIPE, optimizer="adamw", learning_rate=0.1, weight_decay=0.5))
    before = layer.weight.detach().clone()
    layer.weight.grad = torch.zeros_like(layer.weight)
    optimizer.step()
    assert torch.allclose(layer.weight, before * (1 - 0.1 * 0.5))
    assert optimizer.defaults["betas"] == (0.9, 0.999)


def trained(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> tuple[Training, list[object]]:
    """A whole training on digits, and the splits that were evaluated meanwhile."""
    data = load("digits", recipe)
    seen = []

    def evaluate(self: Trainer, split: object) -> loop.Evaluation:
        seen.append(split)
        return loop.Evaluation(1.0, 50.0, None)

    monkeypatch.setattr(Trainer, "_evaluate", evaluate)
    network = build("preact-resnet-tiny", "ann", 1, 10, 1)
    training = Training(Memory(0))
    Trainer(network, data, recipe, 0, 1).run(training, lambda training: None)
    return training, [split is data.test for split in seen]


def test_the_test_split_is_not_read_during_training_where_the_recipe_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = replace(RECIPE, epochs=2, validation_images=64, test_every_epoch=False)
    training, of_test = trained(recipe, monkeypatch)
    assert of_test == [False, False]
    assert [(epoch.test_top1, epoch.test_loss, epoch.validation_top1) for epoch in training.epochs] == [
        (None, None, 50.0)
    ] * 2


def test_else_it_is_read_after_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    training, of_test = trained(replace(RECIPE, epochs=2, validation_images=64), monkeypatch)
    assert of_test == [True, False, True, False]
    assert [epoch.test_top1 for epoch in training.epochs] == [50.0, 50.0]


def test_an_epochs_rate_is_the_highest_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two iterations an epoch; half of the six rise to 0.3, 0.6, 0.9."""
    training, _ = trained(replace(RECIPE, epochs=3, learning_rate=0.9, warmup_share=0.5), monkeypatch)
    assert [epoch.learning_rate for epoch in training.epochs] == pytest.approx([0.6, 0.9, 0.675])


def test_smoothing_spreads_a_share_of_the_target_over_all_classes() -> None:
    recipe = replace(RECIPE, label_smoothing=0.3)
    data = load("digits", recipe)
    network = build("preact-resnet-tiny", "ann", 1, 10, 1)
    images, labels = data.inputs.scaled(data.train.take(torch.arange(16)).images), data.train.labels[:16]
    logits, loss = Trainer(network, data, recipe, 0, 1).step(images, labels)
    target = torch.full((16, 10), 0.03).scatter_(1, labels[:, None], 0.73)
    assert loss.item() == pytest.approx(-(target * logits.log_softmax(1)).sum(1).mean().item(), rel=1e-5)


def test_a_half_period_makes_the_cosine_fall_and_rise_as_torchs_does() -> None:
    recipe = replace(RECIPE, epochs=300, half_period=64)
    rates = [learning_rate(recipe, epoch * 5, 5) for epoch in range(300)]
    assert rates[:129:32] == pytest.approx([0.8, 0.4, 0.0, 0.4, 0.8], abs=1e-12)
    weight = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], 0.8)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=64)
    for epoch, rate in enumerate(rates):
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-6, abs=1e-9), epoch
        optimizer.step()
        theirs.step()


def test_a_rate_drops_after_shares_of_the_epochs() -> None:
    recipe = replace(RECIPE, epochs=120, drops=(35 / 120, 70 / 120, 105 / 120))
    rates = [learning_rate(recipe, epoch * 5, 5) for epoch in (0, 34, 35, 69, 70, 104, 105, 119)]
    assert rates == pytest.approx([0.8, 0.8, 0.08, 0.08, 0.008, 0.008, 0.0008, 0.0008])
    short = replace(recipe, epochs=8, drop=0.5)  # after 2, 5 and 7
    assert [learning_rate(short, epoch, 1) for epoch in range(8)] == [0.8, 0.8, 0.4, 0.4, 0.4, 0.2, 0.2, 0.1]


def test_amsgrad_never_forgets_its_largest_gradient() -> None:
    """Gradients 10, 200 times 0, and 1: Adam's mean square has decayed by then, AMSGrad's bound is the first step's."""
    moved, steps = {}, 202
    names: tuple[Optimizer, ...] = ("adam", "amsgrad")
    for name in names:
        layer = torch.nn.Linear(1, 1, bias=False)
        optimizer = make_optimizer(layer, replace(RECIPE, optimizer=name, learning_rate=0.1, weight_decay=0.0))
        for gradient in (10.0, *[0.0] * 200, 1.0):
            before = layer.weight.item()
            layer.weight.grad = torch.tensor([[gradient]])
            optimizer.step()
        moved[name] = before - layer.weight.item()
    decayed = 0.001 * 100 * 0.999**201 + 0.001 * 1.0
    mean = (0.1 * 10 * 0.9**201 + 0.1) / (1 - 0.9**steps)
    for name, square in zip(names, (decayed, 0.1), strict=True):
        assert moved[name] == pytest.approx(0.1 * mean / (square / (1 - 0.999**steps)) ** 0.5, rel=1e-3), name


def test_fully_connected_layers_may_have_a_rate_of_their_own() -> None:
    network = build("vgg11-narrow", "stbp", 2, 10)
    plain, apart = (make_optimizer(network, replace(RECIPE, linear_rate=factor)) for factor in (1.0, 0.1))
    assert len(plain.param_groups) == 1
    set_learning_rate(apart, 0.4)
    rates = {id(p): group["lr"] for group in apart.param_groups for p in group["params"]}
    assert len(rates) == sum(len(group["params"]) for group in apart.param_groups) == len([*network.parameters()])
    for name, parameter in network.named_parameters():
        assert rates[id(parameter)] == pytest.approx(0.04 if "readout" in name else 0.4), name
    fresh = make_optimizer(network, replace(RECIPE, linear_rate=0.1))
    assert [group["lr"] for group in fresh.param_groups] == pytest.approx([0.8, 0.08])


def test_weight_decay_may_leave_norms_biases_and_neurons_alone() -> None:
    network = build("vgg11-narrow", "plif", 2, 10)
    recipe = replace(RECIPE, decayed="weights", linear_rate=0.1)
    groups = make_optimizer(network, recipe).param_groups
    decays = {id(p): (group["weight_decay"], group["lr"]) for group in groups for p in group["params"]}
    assert len(decays) == sum(len(group["params"]) for group in groups) == len([*network.parameters()])
    for name, parameter in network.named_parameters():
        decay = recipe.weight_decay if parameter.dim() > 1 else 0.0
        rate = recipe.learning_rate * (0.1 if "readout" in name else 1.0)
        assert decays[id(parameter)] == (decay, pytest.approx(rate)), name


@pytest.mark.parametrize(
    "method",
    [
        *("plif-published", "stbp-published", "diet-snn-published-ann", "diet-snn-published"),
        *("hybrid-training-published-ann", "hybrid-training-published"),
    ],
)
def test_a_training_cut_short_falls_once_and_at_scale_workstation_as_all_do(method: str) -> None:
    def recipe(scale: str) -> Recipe:
        return resolve(Run("cifar10", "preact-resnet18-narrow", method, 5, 0, scale))  # type: ignore[arg-type]

    for scale in ("short", "laptop", "workstation"):
        rates = [learning_rate(recipe(scale), epoch * 10, 10) for epoch in range(recipe(scale).epochs)]
        assert all(now >= later for now, later in pairwise(rates)), scale
        assert rates[-1] < 0.1 * rates[0], scale
    assert (recipe("workstation").drops, recipe("workstation").half_period) == ((), None), "it states what it does"
    steps = [learning_rate(recipe("workstation"), i, 5) for i in range(100)]
    start = recipe("workstation").learning_rate
    assert steps == pytest.approx([start * (1 + math.cos(math.pi * i / 100)) / 2 for i in range(100)])
