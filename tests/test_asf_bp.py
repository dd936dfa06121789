"""ASF-BP: against its authors' numbers, by hand, and as the suite's networks run it."""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from golden_vectors import begins, folder, read
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.coding import Bernoulli
from baselines.counts import asf_bp
from baselines.counts.flow import Accumulated
from benchmarks.methods import backward
from benchmarks.networks import build
from benchmarks.operations.counter import counting
from benchmarks.recipes import resolve
from benchmarks.spec import Run

RELEASED = read("asf_bp_released")
SCALE = 2.753
RUN = Run("cifar10", "vgg7-narrow", "asf-bp", 6, 0, "laptop")


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def certain(*shape: int) -> Tensor:
    """Pixels of which every step makes the same spikes."""
    return torch.randint(-1, 2, shape, generator=torch.Generator().manual_seed(0)) * (1.01 * SCALE)


def neurons(network: nn.Module) -> list[asf_bp.IF]:
    return [module for module in network.modules() if isinstance(module, asf_bp.IF)]


@pytest.mark.parametrize("case", begins(RELEASED, "neuron"))
def test_a_neuron_spikes_and_is_measured_as_its_authors_have_it(case, close):
    settings, golden = RELEASED[case]
    neuron = asf_bp.IF(settings["T"], settings["threshold"], settings["leak"])
    out = torch.stack([neuron(current) for current in golden["x"]])
    assert torch.equal(out, golden["out"]), "spikes differ"
    close(neuron.membrane, golden["membrane_end"], f"{case}/membrane_end")
    close(neuron.ratio(), golden["ratio"], f"{case}/ratio")
    neuron.of_all = True
    close(neuron.ratio(), golden["ratio_pool"], f"{case}/ratio_pool")
    neuron.slope.fill_(settings["scale_of_slope"])
    received = golden["x"].sum(0).requires_grad_()
    neuron.of_sums(received).sum().backward()
    close(received.grad, golden["slope"], f"{case}/slope")


class Given(asf_bp.Input):
    """Spikes that were drawn before."""

    def __init__(self, spikes: Tensor) -> None:
        super().__init__()
        self.spikes = spikes

    def of_step(self, x: Tensor) -> Tensor:
        self.first += 1
        self.total = self.spikes.sum(0)
        return self.spikes[self.first - 1]


def small(settings: dict[str, Any], spikes: Tensor) -> Accumulated:
    """Their VGG-7 with fewer channels."""
    neuron: Any = partial(asf_bp.IF, settings["T"], threshold=settings["threshold"], leak=settings["leak"])
    pool, inputs = asf_bp.Pools(neuron), 3
    layers: OrderedDict[str, nn.Module] = OrderedDict(input=Given(spikes))
    for name, outputs in {"11": 6, "12": 6, "p1": 0, "21": 8, "22": 8, "23": 8, "p2": 0}.items():
        if not outputs:
            layers[name] = pool(2)
            continue
        layers[f"cnn{name}"] = nn.Conv2d(inputs, outputs, 3, padding=1)
        layers[name], inputs = neuron(), outputs
    layers |= {"flatten": nn.Flatten(), "fc0": nn.Linear(32, 12), "f0": neuron()}
    layers["fc1"] = asf_bp.Readout(12, 10, settings["threshold"])
    network = nn.Sequential(layers)
    asf_bp.start(network)
    return Accumulated(network, settings["T"])


@pytest.mark.parametrize("case", begins(RELEASED, "net"))
def test_a_network_takes_the_training_step_of_its_authors(case, close):
    settings, golden = RELEASED[case]
    network, emitted = small(settings, golden["input_spikes"]), {}
    weights = {name.replace("fc1", "fc1.linear"): v for name, v in folder(golden, "weight").items()}
    assert not network.load_state_dict(weights, strict=False).unexpected_keys
    for neuron, name, slope in zip(neurons(network), folder(golden, "count"), golden["scales_before"], strict=True):
        neuron.slope.copy_(slope)
        neuron.batches.fill_(0 if settings["scales_are_updated"] else neuron.measured)
        neuron.register_forward_hook(lambda module, inputs, output, name=name: emitted.update({name: output.detach()}))
    logits = network(golden["x"])
    loss = (logits - F.one_hot(golden["y"], 10)).square().sum()
    loss.backward()
    for name, count in folder(golden, "count").items():
        assert torch.equal(emitted[name], count), f"spikes of {name} differ"
    close(logits, golden["logits_train"], f"{case}/logits_train")
    close(loss, golden["loss"], f"{case}/loss")
    close(torch.stack([neuron.slope for neuron in neurons(network)]), golden["scales_after"], f"{case}/scales_after")
    for name, gradient in folder(golden, "grad").items():
        parameter = network.get_parameter(name.replace("fc1", "fc1.linear"))
        close(parameter.grad, gradient, f"{case}/grad/{name}")
    with torch.no_grad():
        close(network.eval()(golden["x"]), golden["logits_eval"], f"{case}/logits_eval")


@pytest.mark.parametrize(
    ("leak", "currents", "spikes"),
    [
        (1.0, [0.5, 0.5, 0.25, 3.0, 1.0, 0.5], [0, 0, 1, 1, 0, 1]),  # not at V; what is above V is lost
        (0.5, [1.0, 1.0, 1.0], [0, 1, 0]),  # 1, 0.5 + 1, 0 + 1
    ],
)
def test_by_hand_the_neuron_fires_above_its_threshold_and_is_set_to_0(
    leak: float, currents: list[float], spikes: list[int]
) -> None:
    neuron = asf_bp.IF(len(currents), 1.0, leak)
    assert [neuron(torch.tensor([current])).item() for current in currents] == spikes
    neuron.begin()
    assert neuron(torch.tensor([0.75])).item() == 0


def received(neuron: asf_bp.IF, *currents: float) -> None:
    """A batch of one step, of neurons with these currents."""
    neuron.begin()
    neuron(torch.tensor([list(currents)]))
    neuron.ended()


def test_by_hand_a_slope_is_measured_where_more_came_in_than_went_out() -> None:
    """V = 0.5: 2 and 1.5 and 0.75 give a spike each, 0.25 and -3 none; 0.75 < 1 and -3 < 0 are left out: 2 / 3.75."""
    neuron = asf_bp.IF(1, threshold=0.5)
    received(neuron, 2.0, 1.5, 0.75, 0.25, -3.0)
    assert neuron.slope.item() == pytest.approx(0.6 * 2 / 3.75 + 0.4)
    pool = asf_bp.IF(1, threshold=0.5, of_all=True)
    received(pool, 2.0, 1.5, 0.75, 0.25, -3.0)
    assert pool.slope.item() == pytest.approx(0.6 * 3 / 1.5 + 0.4)
    silent = asf_bp.IF(1)
    silent.slope.fill_(0.2)
    received(silent, -1.0, 0.0)
    assert silent.slope.item() == pytest.approx(0.6 * 1 + 0.4 * 0.2), "nothing came in: its ratio is 1"


def test_a_slope_is_measured_in_the_first_batches_of_every_period_also_behind_a_checkpoint() -> None:
    """Batches 0, 1, 5, 6, 10 of periods of 5; each moves the slope to 0.6 x 1/2 + 0.4 slope."""
    expected, slope = [], 1.0
    for batch in range(11):
        slope = 0.3 + 0.4 * slope if batch % 5 < 2 else slope
        expected.append(slope)
    found = []
    neuron = asf_bp.IF(1, threshold=1.0, measured=2, period=5)
    for _ in range(11):
        other = asf_bp.IF(1, threshold=1.0, measured=2, period=5)
        other.load_state_dict(copy.deepcopy(neuron.state_dict()))
        neuron = other
        received(neuron, 2.0, 2.0)
        found.append(neuron.slope.item())
    assert found == pytest.approx(expected)


def test_several_processes_measure_one_slope(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other process has received 6 and emitted 1."""
    monkeypatch.setattr(asf_bp.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(asf_bp.distributed, "all_reduce", lambda sums: sums.add_(torch.tensor([1.0, 6.0])))
    neuron = asf_bp.IF(1, threshold=1.0)
    neuron(torch.tensor([[2.0, 2.0]]))
    assert neuron.ratio().item() == pytest.approx((2 + 1) / (4 + 6))


@pytest.mark.parametrize(
    "changed", [{"threshold": 0.0}, {"leak": 0.0}, {"leak": 1.5}, {"measured": 6, "period": 5}, {"period": 0}]
)
def test_a_neuron_that_cannot_be_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        asf_bp.IF(1, **{"measured": 0, **changed})


@pytest.mark.parametrize("name", ["preact-resnet-tiny", "vgg7-narrow", "resnet20", "preact-resnet-imagenet-tiny"])
def test_the_pass_on_sums_reads_out_what_the_simulation_does(name: str) -> None:
    torch.manual_seed(0)
    recipe = resolve(replace(RUN, network=name))
    network, x = build(name, "asf-bp", 6, 7, recipe=recipe).double(), certain(4, 3, 32, 32).double()
    trained = network(x)
    with torch.no_grad():
        simulated = network.eval()(x)
    assert trained.std() > 0
    assert torch.allclose(trained, simulated, rtol=1e-9, atol=1e-9)


def test_nothing_of_a_batch_is_left_in_a_network() -> None:
    network = build("vgg7-narrow", "asf-bp", 3, 7)
    network(noise(2, 3, 32, 32))
    network.eval()(noise(2, 3, 32, 32))
    for module in network.modules():
        kept = [name for name, value in vars(module).items() if isinstance(value, Tensor) and value.dim()]
        assert not kept, (module, kept)


def test_the_first_pool_has_neurons_and_the_others_are_maxima_of_spikes() -> None:
    network, x = build("vgg7-narrow", "asf-bp", 6, 7, recipe=resolve(RUN)), noise(2, 3, 32, 32)
    pools = [m for m in network.modules() if isinstance(m, nn.AvgPool2d | nn.MaxPool2d)]
    assert [type(pool) for pool in pools] == [nn.AvgPool2d, nn.MaxPool2d]
    (pooled,) = [neuron for neuron in neurons(network) if neuron.of_all]
    assert (pooled.threshold, pooled.leak) == (0.75, 1.0)
    with torch.no_grad(), counting(network.eval(), x[:1], 6) as counter:
        network(x)
    rows = counter.ledger()
    assert {row.kind for row in rows} == {"ac"}
    assert [row.operation for row in rows] == ["conv", "conv", "pool", "conv", "conv", "conv", "linear", "linear"]
    assert "pool" not in {row.operation for row in rows if row.biases}
    assert {row.biases for row in rows} == {0}
    assert counter.per_image().analog_macs == 0


def test_every_step_of_a_simulation_has_other_input_spikes_and_their_sum_goes_into_the_pass_on_sums() -> None:
    together, x = Bernoulli(7, SCALE).eval()(noise(3, 1, 4, 4)).view(7, 3, 1, 4, 4), noise(3, 1, 4, 4)
    coder = asf_bp.Input(SCALE).eval()
    for _ in range(2):
        coder.begin()
        steps = torch.stack([coder(x) for _ in range(7)])
        assert steps.mean(0).sub(x / SCALE).abs().mean() < 0.15
        assert len({tuple(step.flatten().tolist()) for step in steps}) > 3, "steps are drawn alike"
    assert steps.abs().sum() == pytest.approx(together.abs().sum().item(), rel=0.2)
    coder.train().begin()
    drawn = torch.stack([coder(x) for _ in range(7)])
    coder.accumulated = True
    assert torch.equal(coder(x), drawn.sum(0))


def test_a_mask_is_kept_for_all_steps_and_their_sum() -> None:
    torch.manual_seed(0)
    layer, x = asf_bp.Dropout(0.5), torch.ones(3, 200)
    first = layer(x)
    assert torch.equal(layer(x), first)
    layer.accumulated = True
    assert torch.equal(layer(3 * x), 3 * first)
    assert set(first.unique().tolist()) == {0.0, 2.0}
    layer.begin()
    assert not torch.equal(layer(3 * x), 3 * first)
    assert torch.equal(layer.eval()(x), x)


def test_its_weights_start_by_fan_in_and_no_layer_has_a_bias() -> None:
    torch.manual_seed(0)
    network = build("vgg7", "asf-bp", 2, 10)
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    by_hand = 9 * (3 * 64 + 64 * 64 + 64 * 128 + 2 * 128 * 128) + 128 * 64 * 1024 + 1024 * 10
    assert sum(p.numel() for p in network.parameters()) == sum(m.weight.numel() for m in layers) == by_hand
    for layer in layers:
        fan_in = layer.weight[0].numel()
        assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / fan_in), rel=0.05)


def test_its_loss_is_a_sum_over_the_images_of_a_batch() -> None:
    recipe = replace(resolve(RUN), batch_size=4)
    network, x, labels = build("vgg7-narrow", "asf-bp", 3, 10, recipe=recipe), noise(4, 3, 32, 32), torch.arange(4)
    logits, loss = backward("asf-bp", recipe)(network, x, labels)
    assert loss.item() == pytest.approx((logits - F.one_hot(labels, 10)).square().sum().item(), rel=1e-5)
