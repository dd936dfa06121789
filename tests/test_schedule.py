"""The learning rate of every iteration, and what a recipe does to a training step and to its evaluation."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from itertools import pairwise

import pytest
import torch

from benchmarks.data import load
from benchmarks.measurement.metering import Memory
from benchmarks.networks import build
from benchmarks.spec import Recipe
from benchmarks.training import loop
from benchmarks.training.loop import Trainer, Training
from benchmarks.training.schedule import learning_rate, make_optimizer

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


def test_with_drops_the_rate_falls_at_shares_of_the_epochs_and_without_any_it_stays() -> None:
    """Of 8 epochs, half and three quarters are over when the fifth and the seventh begin."""
    recipe = replace(RECIPE, epochs=8, drops=(0.5, 0.75), drop_factor=0.1, warmup_iterations=2)
    rates = [learning_rate(recipe, i, 3) for i in range(24)]
    assert rates == pytest.approx([0.4, *[0.8] * 11, *[0.08] * 6, *[0.008] * 6])
    constant = replace(recipe, drops=(), warmup_iterations=0)
    assert {learning_rate(constant, i, 3) for i in range(24)} == {0.8}
    shared = replace(recipe, warmup_share=0.25)
    rates = [learning_rate(shared, i, 3) for i in range(24)]
    assert rates[:7] == pytest.approx([0.8 * (i + 1) / 6 for i in range(6)] + [0.8])
    assert rates[14:16] == pytest.approx([0.8, 0.08]), "18 iterations behind the warm-up: a half is the ninth"


def test_drops_that_json_has_made_a_list_are_the_same_recipe() -> None:
    recipe = replace(RECIPE, drops=(0.5,))
    assert Recipe(**json.loads(json.dumps(asdict(recipe)))) == recipe


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
