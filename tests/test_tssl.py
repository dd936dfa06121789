"""TSSL-BP: neuron, loss and a network against the released code, traces worked out by hand, and what it costs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from golden_vectors import begins, folder, read
from torch import Tensor, nn
from torch.nn import functional as F

from baselines import tssl
from baselines.dropout import RowDropoutOverTime
from benchmarks.methods import backward, parts
from benchmarks.networks import build
from benchmarks.operations.counter import counting
from benchmarks.operations.structure import structure
from benchmarks.recipes import resolve
from benchmarks.spec import Run

GOLDEN = read("tssl_bp_released")
Close = Callable[..., None]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def filtered(x: Tensor, tau: float) -> Tensor:
    """The filter as the equation has it, step by step, over the first dimension."""
    trace, out = torch.zeros_like(x[0]), []
    for step in x:
        trace = (1 - 1 / tau) * trace + step / tau
        out.append(trace)
    return torch.stack(out)


def before_filter(current: Tensor, tau: float) -> Tensor:
    """What has to enter the filter so that `current` leaves it."""
    earlier = torch.cat([torch.zeros_like(current[:1]), current[:-1]])
    return tau * (current - (1 - 1 / tau) * earlier)


@pytest.mark.parametrize("case", begins(GOLDEN, "neuron"))
def test_spikes_and_gradients_are_those_of_the_released_code(case: str, close: Close) -> None:
    """Its neuron gets the filtered current and emits filtered spikes: ours has a filter in front, and none behind."""
    settings, golden = GOLDEN[case]
    tau = settings["tau_s"]
    neuron = tssl.Neuron(settings["T"], settings["threshold"], settings["tau_m"], tau)
    currents = golden["x"].double()
    x = before_filter(currents, tau).flatten(0, 1).requires_grad_()
    spikes = neuron(x).view_as(currents)
    assert torch.equal(spikes.float(), golden["spikes"])
    trace = filtered(spikes, tau)
    trace.backward(golden["grad_out"].double())
    close(trace, golden["out"], f"{case}/out")
    assert x.grad is not None
    adjoint = filtered(golden["grad_x"].double().flip(0), tau).flip(0)  # a filter's adjoint runs backwards in time
    assert (x.grad.view_as(currents) - adjoint).norm() < 1e-5 * adjoint.norm()
    close(x.grad.view_as(currents), adjoint, f"{case}/grad_x")


def test_a_trace_worked_out_by_hand() -> None:
    """V 1, both taus 2: I = 1, 1.5, .75, .375; y = 1, 2, .75, .75; only 2 is above V, and the membrane restarts at 0.

    Loss 8 s_2 + 4 s_4, so e = 0, 8, 0, 4. Step 4: silent? the trace of spikes, in units of 1/tau, is 0, 1, .5, .25: not
    below 1/4, so g_4 = (1 - 1/2) 0 = 0, and g_3 = 0. Step 2 spikes: its rise is 2 - 1 = 1, g_2 = 8. Step 1 (silent, and
    e_1 = 0) passes 0, but theta_1 = 4 is not used: nothing is earlier. Filter: b_2 = 8, b_1 = 4, halved: 2, 4.
    """
    neuron = tssl.Neuron(4, 1.0, 2.0, 2.0)
    x = torch.tensor([[2.0], [2.0], [0.0], [0.0]], requires_grad=True)
    spikes = neuron(x)
    assert spikes.flatten().tolist() == [0, 1, 0, 0]
    spikes.backward(torch.tensor([[0.0], [8.0], [0.0], [4.0]]))
    assert x.grad is not None
    assert x.grad.flatten().tolist() == pytest.approx([2.0, 4.0, 0.0, 0.0])


def test_a_slow_rise_is_a_slope_of_eight_and_a_silent_neuron_has_a_sigmoids_slope() -> None:
    """One step, no filter: a rise of 1.25 has the slope 0.8, one of 0.1 above V = 0.05 has 8; 0 is silent: h(0)."""
    neuron = tssl.Neuron(1, 0.05, 5.0, 1.0)
    x = torch.tensor([[1.25, 0.1, 0.0]], requires_grad=True)
    neuron(x).sum().backward()
    soft = 1 / (1 + torch.exp(torch.tensor(0.05 / 0.2)))
    assert x.grad is not None
    assert x.grad.flatten().tolist() == pytest.approx([0.8, 8.0, (soft * (1 - soft) / 0.2).item()])


def test_parameters_that_make_no_sense_are_refused() -> None:
    for wrong in ({"threshold": 0.0}, {"tau_membrane": 0.5}, {"tau_synapse": 0.0}):
        with pytest.raises(ValueError, match=f"^{next(iter(wrong))} must be"):
            tssl.Neuron(3, **wrong)


@pytest.mark.parametrize("case", begins(GOLDEN, "loss_kernel"))
def test_the_kernel_loss_is_the_released_codes_summed_over_images(case: str, close: Close) -> None:
    settings, golden = GOLDEN[case]
    steps, tau = settings["T"], settings["tau_s"]
    assert torch.equal(tssl.wanted(steps), golden["desired_spikes"])
    close(tssl.kernel(steps, tau) @ tssl.wanted(steps), golden["desired_filtered_once"], f"{case}/desired")
    outputs = golden["out"].clone().requires_grad_()
    loss = len(golden["y"]) * tssl.kernel_loss(outputs, golden["y"], tau, times=2)
    loss.backward()
    close(loss.view(1), golden["loss"].view(1), f"{case}/loss")
    assert outputs.grad is not None
    close(outputs.grad, golden["grad_out"], f"{case}/grad_out")


def test_a_target_filtered_once_is_reached_by_the_spikes_it_is_made_of() -> None:
    outputs = torch.zeros(5, 1, 3)
    outputs[:, 0, 1] = filtered(tssl.wanted(5), 3.0)
    label = torch.tensor([1])
    assert tssl.kernel_loss(outputs, label, 3.0).item() == pytest.approx(0.0, abs=1e-12)
    assert tssl.kernel_loss(outputs, label, 3.0, times=2).item() > 0.05
    assert [tssl.wanted(steps).tolist() for steps in (1, 3, 6)] == [[1], [0, 1, 1], [0, 1, 1, 1, 1, 0]]


@pytest.mark.parametrize("case", begins(GOLDEN, "net"))
def test_a_network_takes_the_released_codes_training_step(case: str, close: Close) -> None:
    """Theirs exchanges filtered spikes and filters the images: behind the weights, the filter does the same."""
    settings, golden = GOLDEN[case]
    steps, tau, batch = settings["T"], settings["tau_s"], len(golden["y"])

    def neuron() -> tssl.Neuron:
        return tssl.Neuron(steps, settings["threshold"], settings["tau_m"], tau)

    network = nn.Sequential(
        *(nn.Conv2d(3, 6, 3, padding=1, bias=False), neuron(), tssl.SumPool2d(2)),
        *(nn.Conv2d(6, 8, 3, padding=1, bias=False), neuron(), nn.Flatten(), nn.Linear(128, 12, bias=False), neuron()),
        tssl.Readout(12, 7, neuron, steps, bias=False),
    )
    names = ("conv_1", "conv_2", "FC_1", "output")
    weights = dict(zip(names, network.parameters(), strict=True))
    for name, weight in weights.items():
        weight.data = golden[f"weight/{name}"].clone()
    outputs = network(golden["x"].repeat(steps, 1, 1, 1))
    loss = batch * tssl.kernel_loss(outputs, golden["y"], tau, times=2)
    loss.backward()
    close(outputs, golden["out"], f"{case}/out")
    close(loss.view(1), golden["loss"].view(1), f"{case}/loss")
    for name, gradient in folder(golden, "grad").items():
        close(weights[name].grad, gradient, f"{case}/grad/{name}")
    norm = nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    close(norm.view(1), golden["grad_norm"].view(1), f"{case}/grad_norm")
    with torch.no_grad():
        mean = network.eval()(golden["x"].repeat(steps, 1, 1, 1))
    close(steps * mean, golden["scores"], f"{case}/scores")


def test_the_gradient_is_that_of_the_summed_loss_cut_to_length_one() -> None:
    run = Run("cifar10", "preact-resnet-tiny", "tssl-bp", 5, 0, "paper")
    recipe, images, labels = resolve(run), 2 * noise(6, 3, 32, 32), torch.arange(6)
    torch.manual_seed(0)
    network = build(run.network, run.method, 5, 10, recipe=recipe).train()
    with torch.no_grad():
        network.readout.linear.weight.abs_().mul_(3)  # type: ignore[union-attr, operator]
        network.readout.linear.weight[0, 0] = 9.0  # type: ignore[union-attr, index]
    _, loss = backward(run.method, recipe)(network, images, labels)
    assert network.readout.linear.weight[0, 0] == 4.0  # type: ignore[union-attr, index]
    found = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
    assert found.norm().item() == pytest.approx(1.0, abs=1e-4)
    for parameter in network.parameters():
        parameter.grad = None
    again = tssl.kernel_loss(network(images), labels, 3.0)
    assert again.item() == pytest.approx(loss.item(), rel=1e-5)
    again.backward()
    plain = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
    assert (6 * plain).norm() > 1, "nothing is cut: the test shows nothing"
    assert F.cosine_similarity(found, plain, 0).item() == pytest.approx(1.0, abs=1e-5)


def test_a_row_of_a_channel_is_dropped_at_all_steps() -> None:
    torch.manual_seed(0)
    dropped = RowDropoutOverTime(0.4, 3)(torch.ones(3 * 2, 50, 7, 5)).view(3, 2, 50, 7, 5)
    assert torch.equal(dropped, dropped[:1].expand_as(dropped))
    assert torch.equal(dropped, dropped[..., :1].expand_as(dropped))
    assert dropped.unique().tolist() == [0.0, pytest.approx(1 / 0.6)]
    rows = dropped[0, :, :, :, 0]
    assert rows.eq(0).double().mean().item() == pytest.approx(0.4, abs=0.05)
    assert not torch.equal(rows[:, :, 0], rows[:, :, 1])
    features = RowDropoutOverTime(0.4, 3)(torch.ones(3 * 2, 300)).view(3, 2, 300)
    assert torch.equal(features, features[:1].expand_as(features))
    assert 0 < features.eq(0).sum() < features.numel()


def test_a_sum_pool_adds_up_its_window_and_multiplies_by_a_tenth_more() -> None:
    x = noise(2, 3, 6, 6)
    by_hand = 1.1 * x.view(2, 3, 3, 2, 3, 2).sum((3, 5))
    assert torch.allclose(tssl.SumPool2d(2)(x), by_hand, atol=1e-6)


def test_layers_accumulate_spikes_and_not_what_synapses_make_of_them() -> None:
    """A spike reaches as many outputs as its window has; its trace, not 0 for many steps, is nowhere counted."""
    steps = 4
    network = build("cifarnet-tssl-tiny", "tssl-bp-published", steps, 7).eval()
    x = 2 * noise(3, 3, 32, 32)
    spikes = dict[str, Tensor]()
    for name, module in network.named_modules():
        if isinstance(module, tssl.Neuron):
            module.register_forward_hook(lambda m, i, out, name=name: spikes.update({name: out}))
    with counting(network, x[:1], steps) as counter, torch.no_grad():
        network(x)
    rows = {row.layer: row for row in counter.ledger()}
    second = rows["features.4"]
    ones = torch.ones(16, 16, 3, 3).double()
    summed = F.avg_pool2d(spikes["features.2"].double(), 2, divisor_override=1)
    assert second.kind == "ac"
    assert second.operations == int(F.conv2d(summed, ones, padding=1).sum())
    assert second.input_nonzero == int(spikes["features.2"].sum())
    fired = sum(int(out.sum()) for out in spikes.values())
    counted, neurons = counter.per_image(), structure(network, x[:1]).neurons
    assert counted.neuron_updates == 2 * steps * sum(neurons.values()), "membrane and synaptic current"
    assert counted.firing_rate == pytest.approx(fired / (3 * steps * sum(neurons.values())))
    assert rows["readout.linear"].neuron_updates == 2 * 7 * steps * 3


def test_the_published_network_has_the_size_worked_out_for_it() -> None:
    """Convolutions 3-128-256-512-1024-512 of 3 x 3, then 32768-1024-512-10: no bias, no norm."""
    network = build("cifarnet-tssl", "tssl-bp-published", 5, 10).eval()
    assert sum(p.numel() for p in network.parameters()) == 44_999_040
    layers = structure(network, torch.zeros(1, 3, 32, 32)).layers
    assert sum(layer.padded_macs for layer in layers) == pytest.approx(1246e6, rel=1e-3)
    assert [layer.pool for layer in layers if layer.pool] == ["features.7", "features.12"]
    first = network.features[0].layer.weight  # type: ignore[union-attr, index]
    assert first.abs().max().item() == pytest.approx(5 / 27**0.5, rel=0.01)
    linear = network.hidden[0].weight  # type: ignore[union-attr, index]
    assert linear.std().item() == pytest.approx((2 / 32768) ** 0.5, rel=0.01)


def test_a_readout_draws_no_more_than_others_do() -> None:
    """What is drawn after the head is the same for every head."""
    drawn = []
    for method in ("tssl-bp", "stbp-tdbn-spikes"):
        run = Run("cifar10", "preact-resnet-tiny", method, 3, 0, "paper")
        torch.manual_seed(0)
        parts(method, 3, resolve(run)).readout(8, 10)
        drawn.append(torch.rand(1))
    assert torch.equal(*drawn)
