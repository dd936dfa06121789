"""What a method may change about training: its loss, how it finds gradients, and what it reads out."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from golden_vectors import begins, read
from torch import Tensor, nn
from torch.nn import functional as F

from baselines import stbp
from benchmarks import catalogue, contract
from benchmarks.data import load
from benchmarks.method import Method
from benchmarks.methods import backward, parts
from benchmarks.networks import build
from benchmarks.parameters import require_method
from benchmarks.plugins import PlugIn
from benchmarks.recipes import resolve
from benchmarks.runs.identity import key
from benchmarks.spec import BadInput, Recipe, Run, variant
from benchmarks.training import losses
from benchmarks.training.backward import at_once, lowering
from benchmarks.training.loop import Trainer

RECIPE = Recipe(1, 16, 0.1)
RUN = Run("digits", "preact-resnet-tiny", "stbp-tdbn", 3, 0, "smoke")
TET = read("tet_released")
NOISE = torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(6) % 10


@pytest.mark.parametrize("case", begins(TET, "loss"))
def test_tet_is_its_authors(case, close):
    settings, golden = TET[case]
    outputs = golden["logits"].clone().requires_grad_()
    loss = losses.tet(outputs, golden["y"], RECIPE, settings["lamb"], settings["means"])
    loss.backward()
    close(loss, golden["loss"].view(()), f"{case}/loss")
    close(outputs.grad, golden["grad_logits"], f"{case}/grad_logits")


def test_squared_error_is_a_mean_over_images_and_classes() -> None:
    rates = torch.tensor([[0.5, 0.25, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0]])
    labels = torch.tensor([0, 1])
    by_hand = ((0.5**2 + 0.25**2 + 1.0) + 0.0) / 8
    assert losses.squared_error(rates, labels, RECIPE).item() == pytest.approx(by_hand)
    steps = torch.stack([rates * 2, rates * 0])  # their mean is the same
    assert losses.squared_error(steps, labels, RECIPE).item() == pytest.approx(by_hand)


def test_a_loss_of_every_step_gets_every_step_and_evaluation_their_mean() -> None:
    recipe = replace(resolve(RUN), loss="tet")
    torch.manual_seed(0)
    network = build(RUN.network, RUN.method, 3, 10, recipe=recipe)
    steps = network(NOISE)
    assert steps.shape == (3, 6, 10)
    torch.manual_seed(0)
    usual = build(RUN.network, RUN.method, 3, 10, recipe=resolve(RUN))
    assert torch.equal(usual(NOISE), steps.mean(0))
    with torch.no_grad():
        assert torch.equal(network.eval()(NOISE), usual.eval()(NOISE))


def test_a_loss_is_part_of_the_key_and_cross_entropy_leaves_keys_as_they_were() -> None:
    assert key(replace(RUN, method="stbp-tdbn@loss=tet")) != key(RUN)
    assert resolve(replace(RUN, method="stbp-tdbn@loss=tet")).loss == "tet"
    assert resolve(RUN).loss == "cross-entropy"


@pytest.mark.parametrize(
    ("method", "said"),
    [
        *(
            (f"{name}@loss=tet", f"{name}@loss=tet: {name} has no output at every step, which this loss needs: {why}")
            for name, why in (
                ("dsr-if", "it is differentiated through rates over all steps"),
                ("ide", "it is differentiated through rates over all steps"),
                ("ann", "it has no time steps"),
                ("dsr-quantized", "it has no time steps"),
            )
        ),
        ("ann@loss=hinge", "ann@loss=hinge: loss is cross-entropy or squared-error or tet or tet-onehot, not 'hinge'"),
        ("qcfs@loss=tet", "qcfs@loss=tet is not trained, so its loss cannot be varied"),
    ],
)
def test_a_loss_that_cannot_be_is_refused_in_a_line(method: str, said: str) -> None:
    def ask() -> None:
        resolve(replace(RUN, method=method, timesteps=1))
        require_method(*variant(method))

    with pytest.raises(BadInput, match=f"^{re.escape(said)}$"):
        ask()


def test_one_backward_pass_is_what_autograd_does() -> None:
    step = backward(RUN.method, resolve(RUN))
    torch.manual_seed(0)
    ours = build(RUN.network, RUN.method, 3, 10)
    torch.manual_seed(0)
    theirs = build(RUN.network, RUN.method, 3, 10)
    logits, loss = step(ours, NOISE, LABELS)
    expected = theirs(NOISE)
    F.cross_entropy(expected, LABELS).backward()
    assert torch.equal(logits, expected)
    assert loss.item() == F.cross_entropy(expected, LABELS).item()
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.equal(p.grad, q.grad), name


class Votes(stbp.SpikeReadout):
    every_step = True


def bring(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    """Make a method called `own` known, as a plug-in does."""
    method = Method("own", stbp.LIF, **changes)  # type: ignore[arg-type]
    monkeypatch.setitem(catalogue.from_outside(), "own", PlugIn("own", "a test", method, "0"))


def test_a_step_of_a_methods_own_trains_and_keeps_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backward at every step, as online methods do: the gradient of a sum is the sum of gradients."""
    called = []

    def at_every_step(network, images, labels, objective):
        called.append(len(images))
        outputs = network(images)
        found = torch.zeros(())
        for step in outputs:
            loss = objective(step, labels) / len(outputs)
            loss.backward(retain_graph=True)
            found += loss.detach()
        return outputs.detach().mean(0), found

    def votes(neuron, timesteps):
        return lambda features, classes, reencode=True: Votes(features, classes, neuron, timesteps, votes=2)

    bring(monkeypatch, readout=votes, gradients=at_every_step)
    for clause in contract.CLAUSES:
        if clause is not contract.runs_on_every_network:
            assert contract.broken(clause, "own") == ""
    run = replace(RUN, method="own")
    recipe = replace(resolve(run), batch_size=32, train_images=64)
    data = load("digits", recipe)
    network = build(run.network, "own", 3, 10, 1, recipe)
    called.clear()
    trainer = Trainer(network, data, recipe, 0, 3, backward=backward("own", recipe))
    before = network.readout.linear.weight.clone()  # type: ignore[union-attr, operator]
    trainer._pass(1, memory=None)  # type: ignore[arg-type]
    assert called == [32, 32]
    assert not torch.equal(before, network.readout.linear.weight)  # type: ignore[union-attr, arg-type]


def test_a_step_that_returns_a_graph_or_another_shape_breaks_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    def keeps(network, images, labels, objective):
        logits, loss = at_once(network, images, labels, objective)
        return logits, loss.requires_grad_()

    bring(monkeypatch, gradients=keeps)
    assert contract.broken(contract.has_gradients, "own") == "its step returns values with a graph"
    bring(monkeypatch, gradients=lambda *a: (at_once(*a)[0].T, torch.zeros(())))
    assert "its step returns logits of the shape (7, 8)" in contract.broken(contract.has_gradients, "own")
    bring(monkeypatch, gradients=lambda *a: (at_once(*a)[0], torch.zeros(2)))
    assert contract.broken(contract.has_gradients, "own") == "its loss has the shape (2,)"


def test_a_method_with_a_loss_of_its_own_cannot_be_given_another(monkeypatch: pytest.MonkeyPatch) -> None:
    bring(monkeypatch, loss=losses.squared_error)
    with pytest.raises(BadInput, match=r"^own lowers a loss of its own: it cannot be varied$"):
        require_method("own", {"loss": "tet"})


def test_a_head_with_one_output_for_all_steps_is_refused_a_loss_of_every_step() -> None:
    made = parts("dsr-if", 3, replace(resolve(replace(RUN, method="dsr-if")), loss="tet"))
    with pytest.raises(BadInput, match="loss tet needs the output of every step, and Readout has only one"):
        made.readout(4, 10)


def test_votes_are_means_over_a_classs_neurons_and_steps() -> None:
    head = stbp.SpikeReadout(5, 3, nn.Identity, 2, votes=4)  # type: ignore[arg-type]
    x = torch.randn(2 * 6, 5, generator=torch.Generator().manual_seed(0))
    every = head.linear(x)
    for b in range(6):
        for c in range(3):
            mine = [every[t * 6 + b, 4 * c + v] for t in range(2) for v in range(4)]
            assert head(x)[b, c].item() == pytest.approx(sum(mine).item() / 8, rel=1e-5)


def test_a_loss_of_ones_own_is_lowered_in_place_of_cross_entropy() -> None:
    def doubled(outputs: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
        return 2 * F.cross_entropy(outputs, labels)

    outputs = torch.randn(4, 10, generator=torch.Generator().manual_seed(0))
    found = lowering(RECIPE, doubled).objective(outputs, LABELS[:4])
    assert found.item() == pytest.approx(2 * lowering(RECIPE).objective(outputs, LABELS[:4]).item())
