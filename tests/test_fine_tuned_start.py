"""First thresholds of a converted network that is trained: measured on its own currents, layer by layer."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from golden_vectors import read
from released_vgg import small_network
from torch import Tensor, nn

from baselines import coding, fine_tuned
from baselines.fine_tuned import thresholds
from benchmarks.networks.parts import DirectCoding

DIET, HYBRID = read("diet_snn_released"), read("hybrid_training_released")


def found(network: nn.Module) -> Tensor:
    return torch.stack([m.threshold.detach() for m in network.modules() if isinstance(m, fine_tuned.LIF)])


def shown_at_every_step(network: nn.Sequential, timesteps: int) -> nn.Sequential:
    """With an analog first layer, as the suite's networks have it."""
    network[0] = DirectCoding(network[0], timesteps)
    return network


@pytest.mark.parametrize("rows", [10_000, 12])
def test_thresholds_are_those_that_diets_authors_find_whether_images_run_at_once_or_in_groups(rows, close, monkeypatch):
    """The network itself is of other steps, and leaky."""
    monkeypatch.setattr(thresholds, "ROWS", rows)
    settings, golden = DIET["find_threshold"]
    network = shown_at_every_step(small_network(golden, 3, leak=0.5), 3)
    fine_tuned.set_thresholds(network, golden["x"], 0.997, settings["T"])
    close(found(network), golden["thresholds"], "find_threshold")


def test_thresholds_are_those_that_hybrid_trainings_authors_find(close, monkeypatch):
    settings, golden = HYBRID["find_threshold"]
    spikes = (golden["x"].sign() * (golden["uniform"] <= golden["x"].abs())).flatten(0, 1)
    monkeypatch.setattr(coding.Bernoulli, "forward", lambda self, x: spikes)
    network = nn.Sequential(coding.Bernoulli(3), small_network(golden, 3, leak=0.5, delayed=True, train_leak=False))
    fine_tuned.set_thresholds(network, golden["x"], 1.0, settings["T"])
    close(found(network), golden["thresholds"], "find_threshold")


def test_without_norms_the_factor_scales_all_thresholds_after_they_are_measured() -> None:
    settings, golden = DIET["find_threshold"]
    for factor in (1.0, 0.25):
        network = shown_at_every_step(small_network(golden, 3), 3)
        fine_tuned.set_thresholds(network, golden["x"], 0.997, settings["T"], factor)
        assert torch.allclose(found(network), factor * golden["thresholds"], rtol=1e-6)


def test_measuring_leaves_everything_but_thresholds_as_it_was() -> None:
    settings, golden = DIET["find_threshold"]
    network = nn.Sequential(*shown_at_every_step(small_network(golden, 3, leak=0.5), 3), nn.BatchNorm1d(5)).train()
    network[1].eval()
    before, modes = copy.deepcopy(network.state_dict()), [module.training for module in network.modules()]
    fine_tuned.set_thresholds(network, golden["x"], 0.997, settings["T"])
    assert [module.training for module in network.modules()] == modes
    assert {m.timesteps for m in network.modules() if hasattr(m, "timesteps")} == {3}
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]) != name.endswith("threshold"), name
    assert not any(module._forward_pre_hooks for module in network.modules())


class Normed(nn.Module):
    """Two layers of neurons behind norms."""

    def __init__(self, timesteps: int) -> None:
        super().__init__()
        self.first = DirectCoding(nn.Conv2d(3, 8, 3, padding=1), timesteps)
        self.norm, self.neuron = nn.BatchNorm2d(8), fine_tuned.LIF(timesteps)
        self.second, self.norm2 = nn.Conv2d(8, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.neuron2 = fine_tuned.LIF(timesteps)

    def forward(self, x: Tensor) -> Tensor:
        x = self.neuron(self.norm(self.first(x)))
        return self.neuron2(self.norm2(self.second(x)))


def test_with_norms_a_threshold_is_scaled_before_the_layers_behind_are_measured_on_the_batchs_statistics() -> None:
    """Measured again, by hand: what the scaled network's norms give from a batch, sorted."""
    torch.manual_seed(0)
    network, x, steps = Normed(2), torch.randn(4, 3, 8, 8), 30
    for norm in (network.norm, network.norm2):
        norm.running_mean.fill_(5.0)  # those of the ANN are of no use here
    fine_tuned.set_thresholds(network, x, 0.99, steps, 0.25)
    measured, again = found(network), Normed(steps)
    again.load_state_dict(network.state_dict())
    currents = list[Tensor]()
    for neuron in (again.neuron, again.neuron2):
        neuron.register_forward_pre_hook(lambda module, inputs: currents.append(inputs[0].detach()))
    again.train()(x)
    for threshold, values in zip(measured, currents, strict=True):
        by_step = np.sort(values.reshape(steps, -1).numpy(), axis=1)
        wanted = by_step[:, round(0.99 * (by_step.shape[1] - 1))].max()
        assert threshold.item() == pytest.approx(0.25 * wanted, rel=1e-5)


def test_frames_are_shown_over_and_over() -> None:
    torch.manual_seed(0)
    frames = torch.randn(3, 4, 3, 8, 8)
    one, other = Normed(3), Normed(7)
    other.load_state_dict(one.state_dict())
    fine_tuned.set_thresholds(one, frames, 0.99, 7)
    fine_tuned.set_thresholds(other, frames[[0, 1, 2, 0, 1, 2, 0]], 0.99, 7)
    assert torch.equal(found(one), found(other))
    assert (found(one) != 1).all()


def test_a_layer_without_positive_currents_keeps_its_threshold() -> None:
    network = nn.Sequential(nn.Flatten(), fine_tuned.LIF(2, 0.75), nn.Linear(4, 3, bias=False), fine_tuned.LIF(2, 0.5))
    network[2].weight.data.fill_(-1.0)
    fine_tuned.set_thresholds(nn.Sequential(coding.Bernoulli(2), network), torch.ones(2, 1, 2, 2), 1.0, 5, 0.5)
    assert found(network).tolist() == [0.5, 0.5]  # the largest current, 1, times 0.5; untouched


def test_neurons_that_images_do_not_reach_and_shares_of_nothing_are_refused() -> None:
    network = Normed(2)
    network.lost = fine_tuned.LIF(2)
    with pytest.raises(RuntimeError, match="images do not reach 1 layers of neurons"):
        fine_tuned.set_thresholds(network, torch.randn(2, 3, 8, 8), 0.99, 2)
    with pytest.raises(ValueError, match=r"share must be in \(0, 1\], not 99.7"):
        fine_tuned.set_thresholds(network, torch.randn(2, 3, 8, 8), 99.7, 2)
