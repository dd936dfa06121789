"""PLIF's neuron and networks: its authors' numbers, traces worked out by hand, and autograd through the recurrence."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from golden_vectors import begins, folder, read
from invented_spikes import seeded
from torch import Tensor, nn

import baselines.dropout
from baselines.stbp import layout
from baselines.stbp.plif import PLIF
from benchmarks.catalogue import networks
from benchmarks.methods import parts
from benchmarks.networks import build
from benchmarks.networks.vgg import VGG
from benchmarks.recipes import resolve
from benchmarks.spec import Recipe, Run
from benchmarks.training.losses import squared_error

GOLDEN = read("plif_released")
SHAPES = {
    "static": networks.VGG(((6, 6), (6,)), (16,), pooled=2, biases=False),
    "event": networks.VGG(((6,), (6,)), (24,), pooled=4, biases=False),
}
NEURONS = [
    case
    for case in begins(GOLDEN, "plif", "lif")
    if not GOLDEN[case][0].get("alpha_learnable") and GOLDEN[case][0]["v_reset"] in (0.0, None)
]
"""All but what the suite's neuron does not have: a trained slope, and a reset to another value than 0."""
NEAR = 1e-5
"""Largest relative error of a neuron."""


def over_time(*values: float) -> Tensor:
    """One neuron, T steps: `(T, 1)`."""
    return torch.tensor(values).unsqueeze(1)


def neuron_of(case: str) -> PLIF:
    """A neuron as the authors' was in a golden case."""
    of = GOLDEN[case][0]
    reset = "soft" if of["v_reset"] is None else "hard"
    trained = of["neuron"] == "plif"
    return PLIF(of["T"], of["v_threshold"], of["tau"], of["alpha"], reset, of["detach_reset"], trained)


@pytest.mark.parametrize("case", NEURONS)
def test_the_neuron_fires_and_differentiates_as_its_authors_does(case, close):
    neuron, golden = neuron_of(case), GOLDEN[case][1]
    x = golden["x"].flatten(0, 1).requires_grad_()
    out = neuron(x)
    out.backward(golden["grad_out"].flatten(0, 1))
    assert torch.equal(out.detach(), golden["out"].flatten(0, 1)), "spikes differ"
    expected = golden["grad_x"].flatten(0, 1)
    assert (x.grad - expected).norm() <= NEAR * expected.norm()
    close(x.grad, expected, f"{case}/grad_x")
    if "w" in golden:
        close(neuron.w.view(1), golden["w"], f"{case}/w", against=torch.ones(1))
        close(neuron.w.grad.view(1), golden["grad_w"], f"{case}/grad_w")
    else:
        assert not list(neuron.parameters())


def masks(golden: dict[str, Tensor]) -> Iterator[Tensor]:
    """What the authors dropped, layer by layer."""
    yield from folder(golden, "mask").values()


def network_of(case: str) -> VGG:
    """The suite's network of the layers of a golden case, with the parts of `plif-published`."""
    settings, golden = GOLDEN[case]
    dropout = (0.5,) * len(folder(golden, "mask"))
    shape = replace(SHAPES[settings["kind"]], hidden_dropout=dropout)
    recipe = resolve(Run("cifar10", "plif-cifar10", "plif-published", settings["T"], 0, "paper"))
    made = parts("plif-published", settings["T"], recipe)
    pool = nn.MaxPool2d if settings["pool"] == "max" else nn.AvgPool2d
    network = VGG(replace(made, pool=pool), shape, settings["classes"], 2 if settings["kind"] == "event" else 3)
    state = {name: value for name, value in network.state_dict().items() if "num_batches" not in name}
    before = folder(golden, "before")
    assert [value.shape for value in state.values()] == [value.shape for value in before.values()]
    network.load_state_dict(dict(zip(state, before.values(), strict=True)), strict=False)
    return network


@pytest.mark.parametrize("case", begins(GOLDEN, "net"))
def test_a_network_takes_the_training_step_of_its_authors(case, close, monkeypatch):
    """Their first convolution and its norm see a static image once, ours T times the same current: its gradients are
    the same, its running statistics go T times as far towards those of the batch."""
    settings, golden = GOLDEN[case]
    network, dropped, static = network_of(case), masks(golden), settings["kind"] == "static"
    monkeypatch.setattr(baselines.dropout.F, "dropout", lambda ones, p: next(dropped))
    x = golden["x"] if static else golden["x"].transpose(0, 1)  # theirs has the batch first
    rate = network.train()(x)
    loss = squared_error(rate, golden["y"], Recipe(1, 1, 0.1))
    loss.backward()
    assert next(dropped, None) is None, "a mask was not used"
    close(rate, golden["rate"], f"{case}/rate")
    close(loss.view(1), golden["loss"], f"{case}/loss")
    for (name, parameter), expected in zip(network.named_parameters(), folder(golden, "grad").values(), strict=True):
        close(parameter.grad, expected, f"{case}/grad/{name}")
    statistics = [value for name, value in network.state_dict().items() if "running" in name]
    for number, (found, expected) in enumerate(zip(statistics, folder(golden, "after").values(), strict=True)):
        if static and number < 2:
            found.copy_(expected)
        close(found, expected, f"{case}/after/{number}")
    with torch.no_grad():
        close(network.eval()(x), golden["rate_eval"], f"{case}/rate_eval")


def test_the_membrane_follows_a_trace_worked_out_by_hand():
    # k = 1/2, x = 1.2: h = .6, .9, 1.05 fires, from 0 again .6, .9, 1.05 fires
    assert PLIF(6)(over_time(*[1.2] * 6)).flatten().tolist() == [0, 0, 1, 0, 0, 1]
    # soft: 1.05 fires and leaves .05; .05 + .575 = .625, .9125, 1.05625 fires and leaves .05625
    assert PLIF(6, reset="soft")(over_time(*[1.2] * 6)).flatten().tolist() == [0, 0, 1, 0, 0, 1]
    # k = 1/4, V = .5: .3, .525 fires; soft leaves .025: .31875, .5390625 fires; hard: .3, .525 fires
    soft = PLIF(4, threshold=0.5, tau=4.0, reset="soft")(over_time(*[1.2] * 4))
    assert soft.flatten().tolist() == [0, 1, 0, 1]
    # at the level it fires: 2 x .5 = 1 at once, or .5 and then .75
    assert PLIF(1)(over_time(2.0)).item() == 1
    assert PLIF(2, threshold=0.75)(over_time(1.0, 1.0)).flatten().tolist() == [0, 1]


@pytest.mark.parametrize("tau", [1.01, 2.0, 16.0])
def test_a_constant_current_below_the_threshold_is_where_the_membrane_goes_and_never_beyond(tau):
    """The leak multiplies the input, too: no tau makes a neuron fire at a current below V."""
    silent, firing = over_time(*[0.999] * 200), over_time(*[1.001] * 200)
    assert not PLIF(200, tau=tau)(silent).any()
    assert PLIF(200, tau=tau)(firing).any()


class Arctangent(torch.autograd.Function):
    """A step whose derivative is that of arctan(pi a u / 2) / pi, a = 1.3."""

    @staticmethod
    def forward(ctx, u):
        ctx.save_for_backward(u)
        return (u >= 0).to(u.dtype)

    @staticmethod
    def backward(ctx, grad):
        (u,) = ctx.saved_tensors
        with torch.enable_grad():
            inside = u.detach().requires_grad_()
            value = torch.atan(math.pi * 1.3 * inside / 2) / math.pi
            return grad * torch.autograd.grad(value.sum(), inside)[0]


@pytest.mark.parametrize("reset", ["hard", "soft"])
@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("at_once", [2**18, 7])
def test_its_gradients_equal_autograd_through_the_unrolled_recurrence(reset, detach, at_once, monkeypatch):
    monkeypatch.setattr(layout, "AT_ONCE", at_once)
    x, grad = seeded(6, 50).double(), seeded(6, 50, seed=1).double()
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    neuron = PLIF(6, 0.4, 3.0, 1.3, reset, detach).double()
    out = neuron(ours)
    out.backward(grad)
    w = torch.tensor(-math.log(2.0), dtype=torch.float64, requires_grad=True)
    v, spikes = torch.zeros(50, dtype=torch.float64), []
    for current in theirs:
        h = v + torch.sigmoid(w) * (current - v)
        spikes.append(Arctangent.apply(h - 0.4))
        resetting = spikes[-1].detach() if detach else spikes[-1]
        v = h - 0.4 * resetting if reset == "soft" else h * (1 - resetting)
    expected = torch.stack(spikes)
    expected.backward(grad)
    assert torch.equal(out, expected)
    assert 0.05 < out.mean() < 0.95
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-12)
    assert neuron.w.grad.item() == pytest.approx(w.grad.item(), rel=1e-6)  # tau enters as a float32


@pytest.mark.parametrize("mixed", [False, True])
def test_it_works_in_the_memory_format_of_its_currents(mixed):
    x, grad = (seeded(4 * 3, 5, 6, 7, seed=seed) for seed in range(2))
    one, other = x.clone().requires_grad_(), x.contiguous(memory_format=torch.channels_last).requires_grad_()
    neuron = PLIF(4, threshold=0.3)
    expected, found = neuron(one), neuron(other)
    expected.backward(grad)
    found.backward(grad if mixed else grad.contiguous(memory_format=torch.channels_last))
    assert torch.equal(found, expected)
    assert torch.equal(other.grad, one.grad)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert other.grad.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(neuron(x.transpose(2, 3)), expected.transpose(2, 3)), "any other layout"
    assert torch.equal(neuron(x[:, :, ::2]), expected[:, :, ::2]), "a part of a tensor"
    repeated = x[:3].repeat(4, 1, 1, 1)
    assert torch.equal(neuron(x[:3].expand(4, 3, 5, 6, 7).flatten(0, 1)), neuron(repeated)), "repeated values"


def test_tau_is_trained_and_starts_where_it_is_said_to():
    neuron = PLIF(3, tau=5.0)
    assert neuron.tau == pytest.approx(5.0, rel=1e-6)
    assert [name for name, _ in neuron.named_parameters()] == ["w"]
    fixed = PLIF(3, tau=5.0, train_tau=False)
    assert (list(fixed.parameters()), fixed.tau) == ([], pytest.approx(5.0, rel=1e-6))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"timesteps": 0}, "timesteps must be at least 1"),
        ({"timesteps": 2, "tau": 1.0}, "tau must be above 1, not 1.0"),
        ({"timesteps": 2, "surrogate_slope": 0.0}, "surrogate_slope must be positive, not 0.0"),
        ({"timesteps": 2, "reset": "none"}, "reset must be hard or soft, not none"),
    ],
)
def test_values_that_cannot_be_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        PLIF(**wrong)


def test_the_published_networks_neurons_share_nothing_and_its_output_neurons_vote():
    network = build("plif-dvs-narrow", "plif-published", 2, 10, 2)
    assert network.readout.linear.out_features == 100
    assert all(module.bias is None for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear))
    assert len([name for name, _ in network.named_parameters() if name.endswith(".w")]) == 6
