"""Operations of layers behind sums of spikes: by hand, and by brute force on whole networks.

A value of k times the height of a spike is k spikes: k accumulates at each place that it reaches (count A), or one
multiplication (count B).
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from counted_network import Spikes, counted
from played_spikes import brute_force
from torch import Tensor, nn

import dsr
from baselines import stbp
from baselines.stbp import sew
from benchmarks.networks import build
from benchmarks.networks.gates import And, Iand
from benchmarks.networks.parts import DirectCoding, Parts
from benchmarks.networks.sew_resnet import SEWEventNet, SEWResNet
from benchmarks.operations.counter import counting
from benchmarks.operations.ledger_rows import LedgerRow
from benchmarks.operations.structure import structure

STEPS = 3


class High(Spikes):
    """Spikes of another height."""

    def spike_amplitude(self) -> float:
        return 2.0

    def forward(self, x: Tensor) -> Tensor:
        return 2.0 * (x > 0)


class Ones(Spikes):
    def spike_amplitude(self) -> float:
        return 1.0

    def forward(self, x: Tensor) -> Tensor:
        return 1.0 * (x > 0)


class Two(nn.Module):
    """Two layers of neurons, of the image and of its negative or a copy; `join` makes of both what is counted."""

    def __init__(
        self, join: Callable[[nn.Module, Tensor, Tensor], Tensor], sign: float = 1.0, *neurons: nn.Module,
        **layers: nn.Module,
    ) -> None:  # fmt: skip
        super().__init__()
        self.stem, self.join = DirectCoding(nn.Conv2d(1, 1, 1, bias=False), 1), join
        self.second = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.ones_(self.stem.layer.weight)
        nn.init.constant_(self.second.weight, sign)
        self.n1, self.n2 = neurons or (Spikes(), Spikes())
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.end = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        first = self.n1(self.stem(x))
        return self.end(self.join(self, first, self.n2(self.second(first))))


def rows(network: nn.Module, x: Tensor) -> dict[str, LedgerRow]:
    return {row.layer: row for row in counted(network, x).ledger()}


def image() -> Tensor:
    """Three spikes in the first of two rows of four pixels."""
    return torch.tensor([[1.0, 1.0, 1.0, -1.0], [-1.0] * 4]).view(1, 1, 2, 4)


def test_a_value_of_two_spikes_is_two_accumulates_or_one_multiplication() -> None:
    row = rows(Two(lambda m, a, b: m.conv(a + b), conv=nn.Conv2d(1, 5, 1)), image())
    assert row.keys() == {"stem.layer", "second", "conv"}, "the addition is no operation of its own"
    conv = row["conv"]
    assert (conv.origin, conv.kind) == ("n1 + n2", "sum")
    assert (conv.operations, conv.operations_graded_pool) == (6 * 5, 3 * 5)
    assert (conv.input_nonzero, conv.pooled_nonzero, conv.pool_additions) == (6, 3, 6)
    assert conv.dense_macs_per_step == 8 * 5


def test_a_sum_that_is_partly_empty_counts_what_is_there() -> None:
    conv = rows(Two(lambda m, a, b: m.conv(a + b), -1.0, conv=nn.Conv2d(1, 5, 3, padding=1)), image())["conv"]
    # the second neurons are silent; pixels of a map of two rows lie under 4, 6, 6 windows
    assert (conv.operations, conv.operations_graded_pool, conv.input_nonzero) == (16 * 5, 16 * 5, 3)


def test_a_spike_added_to_itself_is_two_and_sums_nest() -> None:
    conv = rows(Two(lambda m, a, b: m.conv(b + (a + a)), conv=nn.Conv2d(1, 5, 1)), image())["conv"]
    assert (conv.origin, conv.operations, conv.operations_graded_pool) == ("n2 + n1 + n1", 9 * 5, 3 * 5)


def test_pools_fold_with_the_sum_and_each_path_has_its_own() -> None:
    pooled = rows(Two(lambda m, a, b: m.conv(m.pool(a + b)), conv=nn.Conv2d(1, 5, 1), pool=nn.AvgPool2d(2)), image())
    conv = pooled["conv"]
    assert (conv.operations, conv.operations_graded_pool, conv.pool_additions) == (6 * 5, 2 * 5, 6)
    apart = Two(lambda m, a, b: m.conv(m.pool(a) + m.strided(b)), conv=nn.Conv2d(1, 5, 1), pool=nn.AvgPool2d(2),
                strided=nn.AvgPool2d(1, 2))  # fmt: skip
    conv = rows(apart, image())["conv"]
    # 3 spikes through windows of four, 2 through windows of one; two values in the end
    assert (conv.operations, conv.operations_graded_pool, conv.input_nonzero) == (5 * 5, 2 * 5, 6)
    assert conv.pool_additions == 5


def test_in_front_of_neurons_a_spike_costs_one_accumulate_with_a_pool_one_per_window() -> None:
    added = rows(Two(lambda m, a, b: m.conv(m.n3(a + b)), n3=Spikes(), conv=nn.Conv2d(1, 5, 1)), image())
    assert [row.operations for row in added.values() if row.operation == "add"] == [3, 3]
    assert added["conv"].kind == "ac"
    pool = nn.AvgPool2d((1, 2), 1)
    pooled = rows(Two(lambda m, a, b: m.conv(m.n3(m.pool(a + b))), n3=Spikes(), pool=pool, conv=nn.Conv2d(1, 5, 1)),
                  image())  # fmt: skip
    row = pooled["n3.pooled"]
    # of the first row's pixels the first lies in one window of two, the next two in two
    assert (row.kind, row.operations, row.neuron) == ("sum", 2 * 5, "n3")
    assert not [name for name, row in pooled.items() if row.operation == "add"]


def test_a_sum_that_a_current_and_a_layer_read_costs_both() -> None:
    def join(m: nn.Module, a: Tensor, b: Tensor) -> Tensor:
        both = a + b
        return m.last(m.n3(m.conv(both) + both))

    row = rows(Two(join, conv=nn.Conv2d(1, 5, 1), n3=Spikes(), last=nn.Conv2d(5, 1, 1)), image())
    assert row["conv"].operations == 6 * 5
    assert sorted(line.operations for line in row.values() if line.operation == "add") == [3, 3]


def test_spikes_of_several_heights_need_weights_of_their_own() -> None:
    alike = rows(Two(lambda m, a, b: m.conv(a + b), conv=nn.Conv2d(1, 5, 3)), torch.ones(1, 1, 4, 4))["conv"]
    other = Two(lambda m, a, b: m.conv(a + b), 1.0, Spikes(), High(), conv=nn.Conv2d(1, 5, 3))
    unlike = rows(other, torch.ones(1, 1, 4, 4))["conv"]
    assert (alike.weights, unlike.weights) == (45, 90)
    assert alike.operations == unlike.operations == 2 * 4 * 9 * 5


def test_a_maximum_of_sums_passes_sums_if_all_spikes_have_one_height() -> None:
    maximum = nn.MaxPool2d((1, 2))
    network = Two(lambda m, a, b: m.conv(m.pool(a + b)), pool=maximum, conv=nn.Conv2d(1, 5, 1))
    conv = rows(network, image())["conv"]
    # windows of 2, 2 and of 2, 0 spikes pass 2 each
    assert (conv.origin, conv.kind, conv.operations, conv.operations_graded_pool) == ("pool", "sum", 4 * 5, 2 * 5)
    assert (conv.input_nonzero, conv.pooled_nonzero, conv.pool_additions) == (4, 2, None)
    unlike = Two(lambda m, a, b: m.conv(m.pool(a + b)), 1.0, Spikes(), High(), pool=maximum, conv=nn.Conv2d(1, 5, 1))
    conv = rows(unlike, image())["conv"]
    assert (conv.kind, conv.operations) == ("mac", 2 * 5)


@pytest.mark.parametrize(
    ("gate", "sign", "passed"), [(And(), 1.0, 3), (And(), -1.0, 0), (Iand(), 1.0, 0), (Iand(), -1.0, 3)]
)
def test_and_gates_pass_spikes(gate: nn.Module, sign: float, passed: int) -> None:
    """`Iand` passes what its second input has and its first has not."""
    network = Two(lambda m, a, b: m.conv(m.gate(b, a)), sign, Ones(), Ones(), gate=gate, conv=nn.Conv2d(1, 5, 1))
    row = rows(network, image())
    assert row.keys() == {"stem.layer", "second", "conv"}
    assert (row["conv"].origin, row["conv"].kind, row["conv"].operations) == ("gate", "ac", passed * 5)
    assert structure(network, image()).gates == {"gate"}


def test_a_product_of_what_is_no_spike_of_height_one_is_graded() -> None:
    network = Two(lambda m, a, b: m.conv(m.gate(a, b)), gate=And(), conv=nn.Conv2d(1, 5, 1))
    assert rows(network, image())["conv"].kind == "mac"
    network = Two(lambda m, a, b: m.conv(m.gate(a + b, b)), 1.0, Ones(), Ones(), gate=And(), conv=nn.Conv2d(1, 5, 1))
    assert rows(network, image())["conv"].kind == "mac"


def test_sums_of_graded_values_are_multiplied_once() -> None:
    network = Two(lambda m, a, b: m.conv(a + b), 1.0, nn.ReLU(), nn.ReLU(), conv=nn.Conv2d(1, 5, 1))
    conv = rows(network, image())["conv"]
    assert (conv.kind, conv.operations, conv.operations_graded_pool) == ("mac", 3 * 5, 3 * 5)
    assert counted(network, image()).per_image().acs == 0
    mixed = Two(lambda m, a, b: m.conv(a + b), 1.0, nn.ReLU(), Spikes(), conv=nn.Conv2d(1, 5, 1))
    assert rows(mixed, image())["conv"].kind == "mac"


def test_what_a_norm_or_a_constant_makes_of_a_sum_is_a_current() -> None:
    for join in (lambda m, a, b: m.conv(m.norm(a + b)), lambda m, a, b: m.conv(a + b + 1.0)):
        conv = rows(Two(join, norm=nn.BatchNorm2d(1), conv=nn.Conv2d(1, 5, 1)), image())["conv"]
        assert (conv.origin, conv.kind, conv.operations) == ("", "mac", conv.dense_macs_per_step)


def made(kind: str, **changes: object) -> nn.Module:
    """A network of SEW's neurons with some statistics in its norms."""
    given = Parts(
        STEPS,
        lambda: sew.Neuron(STEPS),
        lambda features, branches=1: nn.BatchNorm2d(features),
        lambda features, classes, reencode=True: stbp.SpikeReadout(features, classes, lambda: sew.Neuron(STEPS), STEPS),
        nn.MaxPool2d if changes.pop("maxima", False) else nn.AvgPool2d,
    )
    torch.manual_seed(0)
    if kind == "events":
        return seen(SEWEventNet(given, (8, 8, 12), 7, 3, **changes))  # type: ignore[arg-type]
    return seen(SEWResNet(given, (2, 3), (8, 12), 7, 3, **changes))  # type: ignore[arg-type]


def noise(images: int = 4) -> Tensor:
    return torch.randn(images, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def seen(network: nn.Module) -> nn.Module:
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0
            nn.init.constant_(module.bias, 0.5)
    network(noise(8))
    return network.eval()


def same_counts(network: nn.Module, x: Tensor) -> dict[str, LedgerRow]:
    """The ledger's rows behind neurons, whose both counts are the brute force's."""
    with counting(network, x[:1], STEPS) as counter, torch.no_grad():
        network(x)
    row = {row.layer: row for row in counter.ledger() if row.origin != "input"}
    accumulates, multiplications = brute_force(network, x)
    assert {name: row[name].operations for name in accumulates} == accumulates
    for name, count in multiplications.items():
        assert (row[name].operations_graded_pool or row[name].operations) == count, name
    assert counter.per_image().acs == sum(line.operations for line in row.values()) / len(x)
    assert sum(accumulates.values()) > sum(multiplications.values()) > 0
    return row


@pytest.mark.parametrize(
    ("kind", "maxima", "changes"),
    [
        ("images", False, {}),
        ("images", False, {"large": True}),
        ("images", True, {"large": True}),
        ("images", False, {"connect": "and"}),
        ("images", True, {"large": True, "connect": "iand"}),
        ("events", False, {}),
        ("events", True, {}),
        ("events", True, {"connect": "iand"}),
    ],
)
def test_a_networks_counts_equal_a_brute_force_count(kind: str, maxima: bool, changes: dict[str, object]) -> None:
    row = same_counts(made(kind, maxima=maxima, **changes), noise())
    assert any(line.kind == "sum" for line in row.values()) == (changes.get("connect", "add") == "add")
    assert not any(line.kind == "mac" for line in row.values())


@pytest.mark.parametrize("name", ["sew-resnet-tiny", "sew-dvs-narrow"])
@pytest.mark.parametrize("method", ["sew", "sew-published", "stbp-tdbn", "dsr-if", "dsr-lif"])
def test_a_methods_counts_on_blocks_that_add_spikes_equal_a_brute_force_count(method: str, name: str) -> None:
    """Of the network itself; that engines and events count alike is tested with them."""
    torch.manual_seed(0)
    wrapped = build(name, method, STEPS, 7)
    network = getattr(wrapped, "_hidden", (wrapped,))[0]
    for number, module in enumerate(network.modules()):
        if isinstance(module, dsr.IF | dsr.LIF):
            module.threshold.data.fill_(0.3 + 0.01 * number if isinstance(module, dsr.IF) else 0.03 + 0.001 * number)
    row = same_counts(seen(network), noise())
    assert {line.kind for line in row.values()} == {"ac", "sum"}
