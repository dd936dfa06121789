"""A step of every method on torch's `meta` device, which holds no data.

Such a device stands for a GPU: a tensor made on the host, or a value that the host waits for, fails here.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from benchmarks.catalogue import network_of, timeless
from benchmarks.methods import BUILT_IN
from benchmarks.networks import build
from benchmarks.recipes import resolve
from benchmarks.spec import Recipe, Run
from benchmarks.training.losses import mean_over_time

STEPS = 3


def recipe_of(method: str) -> Recipe:
    return resolve(Run("cifar10", network_of(method), method, steps_of(method), 0, "laptop"))


def steps_of(method: str) -> int:
    return 1 if timeless(method) else STEPS


def trained() -> list[str]:
    """Methods that train without the host; conversions are evaluated only, and IDE's solver waits for each residual."""
    return [name for name in BUILT_IN if recipe_of(name).epochs and not BUILT_IN[name].feedback]


@pytest.fixture(autouse=True)
def without_autocast(monkeypatch):
    """torch does not know whether `meta` mixes precisions."""
    asked = torch.is_autocast_enabled
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda *of: of != ("meta",) and asked(*of))


def images() -> torch.Tensor:
    return torch.empty(4, 3, 32, 32, device="meta").contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("way", ["float32", "hardware", "rounding"])
@pytest.mark.parametrize("method", trained())
def test_a_training_step_needs_nothing_of_the_host(method, way, monkeypatch):
    recipe = recipe_of(method)
    if way != "float32" and method.startswith("ottt"):
        pytest.skip("its layers do not round their operands, and refuse to")
    if way != "float32":
        monkeypatch.setenv("DSR_BFLOAT16", way)
        recipe = replace(recipe, precision="bfloat16")
    network = build(network_of(method), method, steps_of(method), 10, 3, recipe).to("meta").train()
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, weight_decay=5e-4)
    labels = torch.empty(4, dtype=torch.long, device="meta")
    loss = F.cross_entropy(mean_over_time(network(images())), labels)
    loss.backward()
    optimizer.step()
    assert loss.device.type == "meta"
    assert all(p.grad is None or p.grad.device.type == "meta" for p in network.parameters())
    assert any(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("method", BUILT_IN)
def test_an_evaluation_step_needs_nothing_of_the_host(method):
    network = build(network_of(method), method, steps_of(method), 10, 3, recipe_of(method)).to("meta").eval()
    with torch.no_grad():
        logits = network(images())
    assert logits.device.type == "meta"
    assert logits.shape == (4, 10)


@pytest.mark.parametrize("mistake", [lambda x: x * torch.ones(16), lambda x: x * x.mean().item()])
def test_a_host_tensor_and_a_value_that_the_host_waits_for_are_noticed(mistake):
    with pytest.raises((RuntimeError, NotImplementedError)):
        mistake(images())
