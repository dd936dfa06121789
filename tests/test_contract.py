"""A method that breaks the contract is told so, clause by clause, and in a line each."""

from __future__ import annotations

import pytest
from rich.console import Console
from torch import Tensor, nn

from baselines import stbp
from benchmarks import catalogue, contract
from benchmarks.cli import commands
from benchmarks.method import Method
from benchmarks.plugins import PlugIn


class Remembers(stbp.LIF):
    """Adds what it saw before."""

    before: Tensor | float = 0.0

    def forward(self, x: Tensor) -> Tensor:
        carried, self.before = self.before, x.detach().square().mean()
        return super().forward(x + carried)


class Average(stbp.LIF):
    """Looks at the whole batch."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x - x.mean())


class Stops(stbp.LIF):
    """Has no gradient."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.detach())


class Explodes(nn.Module):
    """Logits that are no numbers."""

    def __init__(self, timesteps: int) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x / 0.0


class Rolls(stbp.LIF):
    """Has a random number that no seed gives."""

    count = 0.0

    def __init__(self, timesteps: int) -> None:
        super().__init__(timesteps)
        Rolls.count += 0.1
        self.shift = Rolls.count

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + self.shift)


class Graded(nn.ReLU):
    """Says that it spikes, and emits whatever it gets."""

    def __init__(self, timesteps: int) -> None:
        super().__init__()

    def spike_amplitude(self) -> float:
        return 1.0


class Dead(stbp.LIF):
    """Has a gradient, which is 0."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.detach()) + 0.0 * x


class Smooth(nn.GELU):
    """Does not spike, and does not say so."""

    def __init__(self, timesteps: int) -> None:
        super().__init__()


def bring(monkeypatch: pytest.MonkeyPatch, name: str, neuron: type[nn.Module]) -> None:
    """Make a method known, as a plug-in does."""
    monkeypatch.setitem(catalogue.from_outside(), name, PlugIn(name, "a test", Method(name, neuron), "0"))


WRONG = [
    (Remembers, contract.forgets, "the same images have different logits after another batch"),
    (Average, contract.treats_images_apart, "logits together and alone differ by"),
    (Stops, contract.has_gradients, "has no gradient"),
    (Explodes, contract.maps_images, "logits are not finite at T = 1"),
    (Graded, contract.books_its_operations, "and its height is 1"),
    (Dead, contract.learns, "no gradient reaches "),
    (Rolls, contract.is_deterministic, "logits of two networks of one seed differ by"),
]


@pytest.mark.parametrize(("neuron", "clause", "said"), WRONG, ids=[neuron.__name__ for neuron, _, _ in WRONG])
def test_what_is_wrong_is_said(neuron, clause, said, monkeypatch):
    bring(monkeypatch, "wrong", neuron)
    assert said in contract.broken(clause, "wrong")
    assert contract.broken(clause, "stbp-tdbn") == ""


@pytest.mark.parametrize(("change", "kept"), [(lambda w: 3 * w, True), (lambda w: -w, False), (lambda w: w**3, False)])
def test_a_method_may_scale_the_weights_that_all_start_with(change, kept, monkeypatch):
    def changed(network, timesteps, recipe):
        for name, weight in network.named_parameters():
            weight.data = change(weight.data) if name.endswith("conv1.weight") else weight.data
        return network

    monkeypatch.setitem(
        catalogue.from_outside(), "scaled", PlugIn("scaled", "a test", Method("", stbp.LIF, wrap=changed), "0")
    )
    said = contract.broken(contract.starts_as_others_do, "scaled")
    assert said == ("" if kept else "stages.0.0.conv1.weight starts from other values")


def test_a_neuron_need_not_spike(monkeypatch):
    bring(monkeypatch, "smooth", Smooth)
    assert contract.broken(contract.books_its_operations, "smooth") == ""


def test_a_method_that_cannot_learn_is_told_so(monkeypatch):
    class Zero(stbp.LIF):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * 0.0

    bring(monkeypatch, "wrong", Zero)
    assert "the loss goes from 2.3" in contract.broken(contract.learns, "wrong")


def test_the_command_prints_a_line_per_clause_and_counts_them(monkeypatch, capsys):
    bring(monkeypatch, "wrong", Explodes)
    monkeypatch.setattr(contract, "CLAUSES", (contract.maps_images, contract.starts_as_others_do))
    assert commands.check("wrong", Console(width=200)) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(" ✗ Images (B, C, H, W) become finite logits (B, classes), at T = 1, 2 and 5: logits")
    same = (
        "From one seed, it starts with the same convolution weights as the ANN, up to a factor (with feedback: as ide)"
    )
    assert lines[1] == f" ✓ {same}"
    assert lines[2] == " wrong keeps 1 of 2 clauses"
    assert commands.check("ann", Console(width=200)) == 0
