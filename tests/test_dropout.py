"""Dropout in the engines: spikes are dropped step by step, and evaluation mode knows nothing of it."""

from __future__ import annotations

import torch
from invented_spikes import STEPS, seeded
from torch import Tensor, nn
from torch.nn import functional as F

import dsr
from benchmarks.networks.parts import DirectCoding


class Dropping(nn.Module):
    """Spikes, dropout, and a linear layer read over time."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.stem = DirectCoding(nn.Conv2d(3, 6, 3, padding=1), STEPS)
        self.norm, self.neuron, self.dropout = nn.BatchNorm2d(6), dsr.IF(STEPS, threshold=1.0), nn.Dropout(share)
        self.pool, self.readout = nn.AdaptiveAvgPool2d(1), dsr.Readout(6, 4, lambda: dsr.IF(STEPS, 1.0))

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.dropout(self.neuron(self.norm(self.stem(x)))))
        return self.readout(x.flatten(1))


def test_dropout_drops_spikes_and_its_gradient_is_the_share_of_steps_kept():
    torch.manual_seed(0)
    space = dsr.RepresentationSpace(Dropping(0.4), DirectCoding).train()
    engine, seen = space._hidden[1], {}
    drop = engine.dropout

    def watched(layer, signal):
        signal.representation.retain_grad()
        out = drop(layer, signal)
        out.representation.retain_grad()
        seen.update(before=signal, after=out)
        return out

    engine.dropout = watched
    x, y = seeded(6, 3, 12, 12), torch.arange(6)
    F.cross_entropy(space(x), y % 4).backward()
    trains = engine.trains
    before, after = (trains.values(seen[key].spiking).view(STEPS, len(x), 6, 12, 12) for key in ("before", "after"))
    kept = after > 0
    assert torch.allclose(after, torch.where(kept, before / 0.6, torch.zeros(())))  # what is left is higher
    assert 0.5 < kept[before > 0].float().mean() < 0.7
    assert torch.allclose(seen["after"].representation, after.mean(0), atol=1e-6)
    # where a neuron fires at every step, its mask is seen whole
    whole = (before > 0).all(0)
    assert whole.any()
    share = kept.float().mean(0) / 0.6
    found, expected = seen["before"].representation.grad, seen["after"].representation.grad * share
    assert torch.allclose(found[whole], expected[whole], atol=1e-7)
    assert found[whole].abs().sum() > 0


def test_dropout_is_nothing_in_evaluation_mode():
    torch.manual_seed(0)
    network, x = Dropping(0.4), seeded(6, 3, 12, 12)
    space = dsr.RepresentationSpace(network, DirectCoding)
    space.train()(x)
    with torch.no_grad():
        assert torch.allclose(space.eval()(x), network.eval()(x), atol=1e-5)
    exact = dsr.Exact(network, DirectCoding).train()
    torch.manual_seed(1)
    logits = exact(x)
    torch.manual_seed(1)
    assert torch.equal(logits, network.train()(x))


class DroppingBehindAPool(Dropping):
    """The same, but dropout is on the pooled and flattened map."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.neuron(self.norm(self.stem(x))))
        return self.readout(self.dropout(x.flatten(1)))


def test_behind_a_pool_values_are_dropped_and_the_gradient_is_the_share_of_steps_kept():
    torch.manual_seed(0)
    space = dsr.RepresentationSpace(DroppingBehindAPool(0.4), DirectCoding).train()
    engine, seen = space._hidden[1], {}
    drop = engine.dropout

    def watched(layer, signal):
        signal.representation.retain_grad()
        out = drop(layer, signal)
        out.representation.retain_grad()
        seen.update(before=signal, after=out)
        return out

    engine.dropout = watched
    x, y = seeded(6, 3, 12, 12), torch.arange(6)
    F.cross_entropy(space(x), y % 4).backward()
    before, after = (seen[key].spiking.currents.view(STEPS, 6, 6) for key in ("before", "after"))
    kept = after > 0
    assert (before > 0).all(), "every pooled value is nonzero, so that the mask is seen whole"
    assert torch.allclose(after, torch.where(kept, before / 0.6, torch.zeros(())))
    assert 0.4 < kept.float().mean() < 0.8
    assert not torch.equal(kept[0], kept[1]), "each step has a mask of its own"
    assert torch.allclose(seen["after"].representation, after.mean(0), atol=1e-6)
    found, passed = (seen[key].representation.grad for key in ("before", "after"))
    assert torch.allclose(found, passed * kept.float().mean(0) / 0.6, atol=1e-7)
    assert found.abs().sum() > 0
