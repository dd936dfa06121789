"""The parallel spiking neuron: against einsum and autograd in double precision, by hand, and in the ledger."""

from __future__ import annotations

import math

import pandas as pd
import pytest
import torch
from counted_network import Chain, counted
from torch import Tensor, nn

from baselines.stbp.psn import PSN
from benchmarks.networks import build
from benchmarks.recipes import resolve
from benchmarks.runs import agreement
from benchmarks.spec import Run
from reports.energy import models

T = 4


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def neuron(masked: bool = False, slope: float = 2.0, steps: int = T) -> PSN:
    torch.manual_seed(0)
    made = PSN(steps, masked, slope)
    made.bias.data.uniform_(-1.0, 0.0)
    return made


def by_einsum(x: Tensor, weight: Tensor, bias: Tensor, slope: float) -> tuple[Tensor, Tensor]:
    """Spikes of currents `(T, B, ...)`, and a function that has the surrogate as its slope."""
    u = torch.einsum("ts,s...->t...", weight, x) + bias.view(-1, *[1] * (x.dim() - 1))
    return (u >= 0).to(x.dtype), torch.atan(math.pi * slope * u / 2) / math.pi


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    "make", [lambda: noise(T * 3, 7), lambda: noise(T * 3, 5, 4, 4).contiguous(memory_format=torch.channels_last)]
)
def test_spikes_and_gradients_are_those_of_einsum_and_autograd(make, masked: bool) -> None:
    x, ours = make().double().requires_grad_(), neuron(masked, 3.0).double()
    grad = noise(*x.shape, seed=1).double()
    out = ours(x)
    out.backward(grad)
    theirs = [p.detach().clone().requires_grad_() for p in (x, ours.weight, ours.bias)]
    mask = torch.ones(T, T).tril() if masked else torch.ones(T, T)
    spikes, smooth = by_einsum(theirs[0].unflatten(0, (T, -1)), mask * theirs[1], theirs[2], 3.0)
    smooth.flatten(0, 1).backward(grad)
    assert 0.05 < out.mean() < 0.95
    assert torch.equal(out, spikes.flatten(0, 1))
    for found, expected in zip((x, ours.weight, ours.bias), theirs, strict=True):
        assert found.grad is not None
        assert expected.grad is not None
        assert torch.allclose(found.grad, expected.grad, rtol=1e-10, atol=1e-12)


def test_by_hand_a_step_weighs_all_others_and_fires_at_zero() -> None:
    ours = PSN(2)
    ours.weight.data.copy_(torch.tensor([[1.0, -0.5], [0.25, 0.0]]))
    x = torch.tensor([[2.0, 4.0, 0.0], [1.0, 6.0, 4.0]])  # u = 0.5, 0, -3 and -0.5, 0, -1
    assert ours(x).tolist() == [[1, 1, 0], [0, 1, 0]]


@pytest.mark.parametrize("masked", [False, True])
def test_only_masked_neurons_do_not_know_the_future(masked: bool) -> None:
    ours, x = neuron(masked), noise(T, 200)
    for step in range(1, T):
        other = torch.cat([x[:step], x[step:] + 3 * noise(T - step, 200, seed=step)])
        assert torch.equal(ours(x)[:step], ours(other)[:step]) == masked
        assert not torch.equal(ours(x)[step:], ours(other)[step:])


@pytest.mark.parametrize("masked", [False, True])
def test_thresholds_start_at_1_and_rows_as_torch_starts_layers_of_as_many_inputs(masked: bool) -> None:
    torch.manual_seed(0)
    ours = PSN(400, masked)
    assert torch.equal(ours.bias, torch.full((400,), -1.0))
    for inputs, row in enumerate(ours.weight.detach(), 1):
        used = row[:inputs] if masked else row
        assert used.abs().max() <= len(used) ** -0.5
        if len(used) > 100:
            assert used.std().item() == pytest.approx((3 * len(used)) ** -0.5, rel=0.15)


def test_layers_start_from_weights_of_their_own_and_leave_those_behind_as_they_are() -> None:
    networks = {}
    for method in ("psn", "sew"):
        torch.manual_seed(0)
        networks[method] = build("preact-resnet-tiny", method, T, 10)
    weights = [m.weight for m in networks["psn"].modules() if isinstance(m, PSN)]
    assert len({tuple(weight.flatten().tolist()) for weight in weights}) == len(weights) > 2
    ours, theirs = (dict(network.named_parameters()) for network in networks.values())
    assert all(torch.equal(ours[name], value) for name, value in theirs.items())


@pytest.mark.parametrize(("masked", "products"), [(False, 9), (True, 6)])
def test_its_products_are_multiplications_in_the_ledger_and_in_the_energy(masked: bool, products: int) -> None:
    """3 channels of 4 x 4: 48 neurons, and 3 x 3 or 3 + 2 + 1 products each."""
    network = Chain(3, nn.Conv2d(3, 5, 1, bias=False), neuron=neuron(masked, steps=3), steps=3)
    counter = counted(network, 3 * noise(2, 3, 4, 4), 3)
    stem, temporal, conv = counter.ledger()
    assert [row.layer for row in (stem, temporal, conv)] == ["stem.layer", "neuron.temporal", "layers.0"]
    assert (temporal.operation, temporal.kind, temporal.origin, temporal.weights) == ("temporal", "mac", "", products)
    assert temporal.operations == temporal.operations_every_step == 2 * 48 * products
    assert temporal.analog_repeats * temporal.dense_macs_per_step == 48 * products
    assert (temporal.neuron, stem.neuron, stem.neuron_updates, stem.neuron_leaks) == (None, "neuron", 2 * 3 * 48, 0)
    assert conv.operations == 5 * conv.input_nonzero > 0
    total = counter.per_image()
    assert (total.analog_macs, total.analog_macs_every_step) == (9 * 16 + 48 * products, 3 * 9 * 16 + 48 * products)
    assert total.acs == conv.operations / 2
    row = vars(total) | {"timesteps": 3}
    spent = models.events(pd.DataFrame([row])).item()
    assert spent == pytest.approx((4.6 * (9 * 16 + 48 * products) + 0.9 * total.acs) * 1e-6)
    dense = models.dense(pd.DataFrame([row])).item()
    assert dense == pytest.approx((4.6 * (3 * 9 * 16 + 48 * products) + 0.9 * 3 * 15 * 16) * 1e-6)
    lines = [{name: "" if v is None else str(v) for name, v in vars(one).items()} for one in counter.ledger()]
    lines = [{**line, "operations": repr(int(line["operations"]) / 2)} for line in lines]
    assert agreement.layers_differ(lines, row) == ""


def test_every_layer_of_neurons_of_a_network_has_its_products() -> None:
    recipe = resolve(Run("cifar10", "preact-resnet-tiny", "psn", 3, 0, "paper"))
    network = build("preact-resnet-tiny", "psn", 3, 10, recipe=recipe)
    rows = counted(network, noise(2, 3, 32, 32), 3).ledger()
    neurons = {row.neuron: row.output_neurons for row in rows if row.neuron}
    found = {row.layer.removesuffix(".temporal"): row.operations for row in rows if row.operation == "temporal"}
    assert found == {name: 9 * 2 * count for name, count in neurons.items()}
    assert len(found) == sum(isinstance(module, PSN) for module in network.modules())


@pytest.mark.parametrize(
    ("steps", "slope", "said"),
    [(0, 2.0, "timesteps must be at least 1, not 0"), (2, 0.0, "surrogate_slope must be positive, not 0.0")],
)
def test_values_that_a_neuron_cannot_have_are_refused(steps: int, slope: float, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}$"):
        PSN(steps, surrogate_slope=slope)
