"""DIET-SNN's neuron and hybrid training's: against released code, by hand, and their gradients against autograd's."""

from __future__ import annotations

import copy

import pytest
import torch
from golden_vectors import begins, read
from released_vgg import LAYERS, NEURONS, small_network
from torch import Tensor, nn
from torch.nn import functional as F

from baselines import coding, fine_tuned
from baselines.fine_tuned.neuron import Surrogate

DIET, HYBRID = read("diet_snn_released"), read("hybrid_training_released")
SURROGATES: dict[str, Surrogate] = {"Linear": "triangle", "STDB": "spike-time"}


def same_step(network: nn.Module, x: Tensor, golden: dict[str, Tensor], case: str, close) -> None:
    """Logits, loss and the weights' gradients."""
    logits = network(x)
    loss = F.cross_entropy(logits, golden["y"])
    loss.backward()
    close(logits, golden["logits"], f"{case}/logits")
    close(loss.view(1), golden["loss"], f"{case}/loss")
    for theirs, ours in LAYERS.items():
        close(network.get_submodule(ours).weight.grad, golden[f"grad/{theirs}.weight"], f"{case}/grad/{theirs}")


@pytest.mark.parametrize("case", begins(DIET, "net"))
def test_a_diet_network_takes_the_training_step_of_its_authors(case, close):
    settings, golden = DIET[case]
    network = small_network(golden, settings["T"])
    for name, place in NEURONS.items():
        network[place].threshold.data.fill_(golden[f"before/threshold.t{name}"].item())
        network[place].leak.data.fill_(golden[f"before/leak.l{name}"].item())
    same_step(network, golden["x"].repeat(settings["T"], 1, 1, 1), golden, case, close)
    for name, place in NEURONS.items():
        close(network[place].threshold.grad.view(1), golden[f"grad/threshold.t{name}"], f"{case}/threshold/{name}")
        close(network[place].leak.grad.view(1), golden[f"grad/leak.l{name}"], f"{case}/leak/{name}")


def test_a_diet_residual_block_is_its_authors(close):
    settings, golden = DIET["residual_block"]
    steps = settings["T"]
    inner, outer = (
        fine_tuned.LIF(steps, threshold.item(), leak.item())
        for threshold, leak in zip(golden["thresholds"], golden["leaks"], strict=True)
    )
    x, *weights = (golden[name].clone().requires_grad_() for name in ("x", "conv1", "conv2", "shortcut"))
    folded = x.flatten(0, 1)
    hidden = inner(F.conv2d(folded, weights[0], stride=2, padding=1))
    out = outer(F.conv2d(hidden, weights[1], padding=1) + F.conv2d(folded, weights[2], stride=2))
    out.backward(golden["grad_out"].flatten(0, 1))
    assert torch.equal(out, golden["out"].flatten(0, 1)), "spikes differ"
    for name, tensor in zip(("x", "conv1", "conv2", "shortcut"), (x, *weights), strict=True):
        close(tensor.grad, golden[f"grad_{name}"], f"residual_block/grad_{name}")
    close(torch.stack([inner.threshold.grad, outer.threshold.grad]), golden["grad_thresholds"], "grad_thresholds")
    close(torch.stack([inner.leak.grad, outer.leak.grad]), golden["grad_leaks"], "grad_leaks")


@pytest.mark.parametrize("case", begins(HYBRID, "net"))
def test_a_late_network_takes_the_training_step_of_its_authors(case, close):
    settings, golden = HYBRID[case]
    network = small_network(
        golden,
        settings["T"],
        leak=settings["leak"],
        surrogate=SURROGATES[settings["activation"]],
        surrogate_height=settings.get("alpha", settings["slope_gamma"]),
        surrogate_decay=settings.get("beta", 0.0),
        delayed=True,
        train_threshold=False,
        train_leak=False,
    )
    for threshold, place in zip(golden["thresholds"], NEURONS.values(), strict=True):
        network[place].threshold.fill_(threshold)
    assert [name for name, _ in network.named_parameters() if "weight" not in name] == []
    same_step(network, golden["input_spikes"].float().flatten(0, 1), golden, case, close)


def test_spikes_of_an_image_are_drawn_as_hybrid_trainings_authors_draw_them(monkeypatch):
    settings, golden = HYBRID["net_linear"]
    monkeypatch.setattr(torch, "rand_like", lambda of: golden["uniform"].view_as(of))
    drawn = coding.Bernoulli(settings["T"]).train()(golden["x"])
    assert torch.equal(drawn, golden["input_spikes"].float().flatten(0, 1))


def traced(steps: int, currents: list[float], **neuron: object) -> list[float]:
    return fine_tuned.LIF(steps, **neuron)(torch.tensor(currents)[:, None]).flatten().tolist()  # type: ignore[arg-type]


def test_a_neuron_charges_fires_and_is_reset_by_its_threshold_in_one_step() -> None:
    """V 1, l 0.5: 0.8, 0.4 + 0.8 = 1.2 (fires, keeps 0.2), 0.1 + 0.8, 0.45 + 0.8 = 1.25 (keeps 0.25), 0.925, 1.2625."""
    assert traced(6, [0.8] * 6, leak=0.5) == [0, 1, 0, 1, 0, 1]


def test_a_late_neuron_fires_a_step_later_and_its_reset_does_not_leak() -> None:
    """u: 0.8, 1.2, 0.6 - 1 + 0.8 = 0.4, 0.2 + 0.8 = 1.0 (at V: silent), 0.5 + 0.8 = 1.3; each answer is a step late."""
    assert traced(6, [0.8] * 6, leak=0.5, delayed=True) == [0, 0, 1, 0, 0, 1]


def test_a_neuron_fires_above_its_threshold_and_not_at_it() -> None:
    assert traced(2, [0.75, 0.0], threshold=0.75) == [0, 0]
    assert traced(2, [0.75, 0.001], threshold=0.75) == [0, 1]


class Step(torch.autograd.Function):
    """[z > 0] with a given slope."""

    @staticmethod
    def forward(ctx, z, slope):
        ctx.save_for_backward(slope)
        return (z > 0).to(z.dtype)

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0], None


def by_a_graph(neuron: fine_tuned.LIF, x: Tensor) -> Tensor:
    """The module's equations, written down step by step for autograd."""
    slope, after, fired, spikes = neuron.slope, torch.zeros_like(x[0]), torch.zeros_like(x[0]), []
    last = torch.full_like(x[0], -torch.inf)  # step of the last spike
    for t, current in enumerate(x):
        if neuron.delayed:
            spikes.append(fired)
            u = neuron.leak * after - neuron.threshold * fired.detach() + current
        else:
            u = neuron.leak * after + current
        z = u / neuron.threshold - 1
        if slope.surrogate == "triangle":
            steepness = slope.height * (1 - z.detach().abs()).clamp(min=0)
        else:
            steepness = slope.height * torch.exp(-slope.decay * (t - last))
        fired = Step.apply(z, steepness)
        last = torch.where(fired > 0, float(t), last)
        if neuron.delayed:
            after = u
        else:
            spikes.append(fired)
            after = u - neuron.threshold * fired.detach()
    return torch.stack(spikes)


@pytest.mark.parametrize("delayed", [False, True])
@pytest.mark.parametrize("surrogate", ["triangle", "spike-time"])
@pytest.mark.parametrize("steps", [1, 7])
def test_gradients_are_those_of_the_equations_written_step_by_step(surrogate, delayed, steps):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(steps, 3, 4, 5, 6, generator=generator, dtype=torch.float64) + 0.4
    x = x.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    upstream = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    neuron = fine_tuned.LIF(steps, 0.9, 0.8, surrogate, 0.4, 0.2, delayed).double()
    found = []
    for run in (neuron, lambda currents: by_a_graph(neuron, currents.unflatten(0, (steps, 3))).flatten(0, 1)):
        neuron.zero_grad()
        currents = x.clone().requires_grad_()
        out = run(currents)
        (out * upstream).sum().backward() if out.requires_grad else None
        none = torch.zeros(())
        found.append(
            [out.detach(), *(p.grad if p.grad is not None else none for p in (currents, *neuron.parameters()))]
        )
    ours, graphs = found
    assert torch.equal(ours[0], graphs[0])
    assert (0.1 < ours[0].mean() < 0.9) or (steps == 1 and delayed)
    for one, other in zip(ours[1:], graphs[1:], strict=True):
        assert torch.allclose(one, other.double().expand_as(one), rtol=1e-10, atol=1e-12)


def test_the_output_keeps_the_layout_and_gradients_of_any_layout_are_the_same() -> None:
    x = torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(0)).contiguous(
        memory_format=torch.channels_last
    )
    neuron, upstream = fine_tuned.LIF(3, 0.5), torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    found = []
    for grad in (upstream, upstream.contiguous(memory_format=torch.channels_last)):
        currents = x.clone().requires_grad_()
        out = neuron(currents)
        assert out.is_contiguous(memory_format=torch.channels_last)
        out.backward(grad)
        found.append(currents.grad)
    assert torch.equal(*found)  # type: ignore[misc]


def test_a_leak_is_at_most_one_in_either_mode_and_has_no_lower_bound() -> None:
    neuron, x = fine_tuned.LIF(2), torch.ones(2, 1)
    for training in (True, False):
        for value, expected in ((1.25, 1.0), (0.75, 0.75), (-0.5, -0.5)):
            neuron.train(training).leak.data.fill_(value)
            neuron(x)
            assert neuron.leak.item() == expected


def steps_with_adam(network: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, count: int) -> None:
    for _ in range(count):
        optimizer.zero_grad()
        network(x).sum().neg().backward()  # more spikes: less leak, lower thresholds
        optimizer.step()


def test_a_leak_that_a_checkpoint_finds_above_one_goes_on_as_if_there_were_no_checkpoint() -> None:
    x = 0.3 + torch.rand(8, 5, generator=torch.Generator().manual_seed(0))

    def fresh() -> tuple[nn.Module, torch.optim.Optimizer]:
        network = nn.Sequential(fine_tuned.LIF(4, leak=0.99), fine_tuned.LIF(4, leak=0.99))
        return network, torch.optim.Adam(network.parameters(), 0.02)

    network, optimizer = fresh()
    steps_with_adam(network, optimizer, x, 3)
    leaks = [neuron.leak.item() for neuron in network]  # type: ignore[union-attr]
    assert max(leaks) > 1, "the checkpoint is to see a leak that no forward pass has projected yet"
    other, resumed = fresh()
    other.load_state_dict(network.state_dict())
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    steps_with_adam(network, optimizer, x, 3)
    steps_with_adam(other, resumed, x, 3)
    for one, two in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
    with torch.no_grad():
        network.eval()(x)
    assert all(neuron.leak <= 1 for neuron in network)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "wrong",
    [
        {"timesteps": 0},
        {"threshold": 0.0},
        {"leak": 1.5},
        {"leak": -0.5},
        {"surrogate": "rectangle"},
        {"surrogate_height": 0.0},
        {"surrogate_decay": -1.0},
    ],
)
def test_invalid_values_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}.*not .*{next(iter(wrong.values()))}"):
        fine_tuned.LIF(**{"timesteps": 3, **wrong})


def test_logits_are_sums_over_time_and_training_may_see_every_step() -> None:
    head = fine_tuned.Readout(4, 3, timesteps=5)
    x = torch.randn(5 * 2, 4, generator=torch.Generator().manual_seed(0))
    currents = (x @ head.linear.weight.T + head.linear.bias).view(5, 2, 3)
    assert torch.allclose(head(x), currents.sum(0), atol=1e-5)
    head.every_step = True
    assert torch.allclose(head(x), currents, atol=1e-6)
    assert torch.allclose(head.eval()(x), currents.sum(0), atol=1e-5)


def test_a_head_without_bias_starts_with_the_weights_of_one_with_it_and_leaves_what_is_drawn_next() -> None:
    heads, drawn = [], []
    for bias in (True, False):
        torch.manual_seed(0)
        heads.append(fine_tuned.Readout(4, 3, bias=bias))
        drawn.append(torch.rand(1))
    assert torch.equal(heads[0].linear.weight, heads[1].linear.weight)
    assert torch.equal(*drawn)
    assert heads[1].linear.bias is None
