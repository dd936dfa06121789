"""The paper's deepest network at its T: digits, 16 at a time; 300 steps where DSR_LONG is set, else 2.

It learns nothing in 300 steps, and neither does the ANN: `ann` is one of the methods, so that this can be seen. The
network has no identity path (every block's output passes norm and neuron before the next addition), so the gradient
grows from layer to layer with ReLU too. Thresholds that are trained add to it: their gradients are sums over all
neurons of a layer. Learning rates of 0.1 and 0.01, a start at 2, 2.5, 3.4 and 4 and thresholds that are held fixed
change nothing for DSR within 120 to 150 steps; at 0.01 the ANN's loss begins to fall (2.19 after 200 steps).
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
import torch

from benchmarks.data import load, training_batches
from benchmarks.networks import build
from benchmarks.recipes import resolve
from benchmarks.spec import Run
from benchmarks.training.loop import Trainer, learning_rate, set_learning_rate
from benchmarks.training.thresholds import set_start

pytestmark = pytest.mark.slow
LONG = bool(os.environ.get("DSR_LONG"))
STEPS = 300 if LONG else 2


@pytest.mark.timeout(0 if LONG else 900)
@pytest.mark.parametrize("method", ["ann", "dsr-if", "dsr-if-rep", "dsr-lif", "dsr-lif-rep"])
def test_a_hundred_and_ten_layers_at_twenty_steps_stay_finite(method):
    run = Run("digits", "preact-resnet110", method, 1 if method == "ann" else 20, 0, "laptop")
    recipe = replace(resolve(run), batch_size=16)
    data = load(run.dataset, recipe)
    torch.manual_seed(0)
    network = build(run.network, method, run.timesteps, data.classes, data.channels, recipe)
    set_start(run, recipe, network, data)
    trainer = Trainer(network, data, recipe, run.seed, run.timesteps)
    network.train()
    losses: list[float] = []
    while len(losses) < STEPS:
        epoch = len(losses) // (len(data.train.labels) // recipe.batch_size) + 1
        for images, labels in training_batches(data, recipe, run.seed, epoch):
            set_learning_rate(trainer.optimizer, learning_rate(recipe, len(losses), trainer.per_epoch))
            logits, loss = trainer.step(images, labels)
            losses.append(loss.item())
            assert torch.isfinite(logits).all(), f"logits of step {len(losses)}"
            for name, parameter in network.named_parameters():
                assert torch.isfinite(parameter).all(), f"{name} after step {len(losses)}"
                assert parameter.grad is None or torch.isfinite(parameter.grad).all(), f"{name}, step {len(losses)}"
            if len(losses) == STEPS:
                break
    print(
        f"{method}: mean loss {sum(losses[:20]) / len(losses[:20]):.3f} -> {sum(losses[-20:]) / len(losses[-20:]):.3f}"
    )
