"""SLTT against its authors' released code, and what going backward at every step promises."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations

import pytest
import torch
from golden_vectors import begins, read
from test_golden import under, weight_of_annulled_bias
from torch import Tensor
from torch.nn import functional as F

from baselines.online import LIF, Steps, ThroughTime
from benchmarks.methods import backward, named, parts
from benchmarks.networks import build
from benchmarks.networks.preact_resnet import PreActResNet
from benchmarks.parameters import require_method
from benchmarks.recipes import resolve
from benchmarks.spec import BadInput, Loss, Recipe, Run, variant

RELEASED = read("sltt_released")
TINY = Run("cifar10", "preact-resnet-tiny", "sltt", 4, 0, "laptop")
LABELS = torch.arange(6)


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def recipe_of(method: str, steps: int = 4) -> Recipe:
    return resolve(replace(TINY, method=method, timesteps=steps))


def made(method: str, steps: int = 4, network: str = "preact-resnet-tiny") -> Steps:
    torch.manual_seed(0)
    found = build(network, method, steps, 10, recipe=recipe_of(method, steps))
    assert isinstance(found, Steps)
    return found.train()


def gradients_of(method: str, network: Steps, steps: int = 4) -> dict[str, Tensor]:
    network.zero_grad(set_to_none=True)
    backward(method, recipe_of(method, steps))(network, noise(6, 3, 32, 32), LABELS)
    return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("case", begins(RELEASED, "neuron"))
def test_the_neuron_spikes_and_is_differentiated_as_the_released_one(case, close):
    settings, golden = RELEASED[case]
    kind = LIF if settings["method"] == "sltt" else ThroughTime
    reset = settings["reset"].split()[0]
    neuron = kind(settings["T"], settings["threshold"], settings["tau"], settings["surrogate"], reset)
    x, outputs = golden["x"].clone().requires_grad_(), []
    for current, grad in zip(x, golden["grad_out"], strict=True):
        outputs.append(neuron(current))
        if kind is LIF:
            outputs[-1].backward(grad)
    if kind is ThroughTime:
        torch.stack(outputs).backward(golden["grad_out"])
    assert torch.equal(torch.stack(outputs).detach(), golden["out"]), "spikes differ"
    close(x.grad, golden["grad_x"], f"{case}/grad_x")
    close(neuron.membrane, golden["membrane_end"], f"{case}/membrane_end")


def released_network(settings: dict, monkeypatch: pytest.MonkeyPatch) -> tuple[Steps, str, Recipe]:
    """The suite's network with the settings of a case; its trained steps are those that the case has drawn."""
    method = {"sltt": "sltt-published", "sltt-k": "sltt-k-published", "bptt": "sltt-bptt"}[settings["method"]]
    run, steps = Run("cifar10", "preact-resnet18", method, settings["T"], 0, "paper"), settings["T"]
    loss: Loss = "tet" if settings["mse_target"] == "constant" else "tet-onehot"
    trained = len(settings["trained_steps"])
    recipe = replace(resolve(run), loss=loss, loss_share=settings["loss_lambda"], trained_steps=trained)
    given = parts(method, steps, recipe)
    inner = PreActResNet(given, tuple(settings["blocks"]), tuple(settings["widths"]), settings["classes"])
    network = named(method).wrap(inner, steps, recipe)
    assert isinstance(network, Steps)
    monkeypatch.setattr(network, "_drawn", lambda device: set(settings["trained_steps"]))
    return network, method, recipe


@pytest.mark.parametrize("case", begins(RELEASED, "net"))
def test_a_network_takes_the_same_training_step_as_the_released_code(case, close, monkeypatch):
    settings, golden = RELEASED[case]
    network, method, recipe = released_network(settings, monkeypatch)
    network.load_state_dict(under(golden, "before/"), strict=False)  # they have not counted batches
    seen: list[Tensor] = []
    remembered = network.outputs
    monkeypatch.setattr(network, "outputs", lambda x: (seen.append(o.detach()) or o for o in remembered(x)))  # type: ignore[func-returns-value]
    logits, loss = backward(method, recipe)(network.train(), golden["x"], golden["y"])

    close(torch.cat(seen), golden["logits"], f"{case}/logits")
    close(logits, golden["logits"].mean(0), f"{case}/mean")
    close(loss, golden["loss"].sum(), f"{case}/loss")
    found, expected = {name: p.grad for name, p in network.named_parameters()}, under(golden, "grad/")
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        close(found[name], gradient, f"{case}/grad/{name}", against=weight_of_annulled_bias(name, expected))
    state = network.state_dict()
    for name, statistic in under(golden, "after/").items():
        close(state[name], statistic, f"{case}/after/{name}")


def largest_kept(step: Callable[[], object]) -> int:
    """Bytes that are kept for backward passes at one moment, at most."""
    now = most = 0

    class Kept:
        def __init__(self, tensor: Tensor) -> None:
            nonlocal now, most
            self.tensor = tensor
            now += tensor.nbytes
            most = max(most, now)

        def __del__(self) -> None:
            nonlocal now
            now -= self.tensor.nbytes

    with torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.tensor):
        step()
    return most


@pytest.mark.parametrize(
    ("method", "flat"),
    [("sltt", True), ("sltt-k", True), ("ottt", True), ("sltt-bptt", False), ("sltt@loss=cross-entropy", False)],
)
def test_what_is_kept_at_a_time_does_not_grow_with_t(method: str, flat: bool) -> None:
    def kept(steps: int) -> int:
        network, step = made(method, steps), backward(method, recipe_of(method, steps))
        return largest_kept(lambda: step(network, noise(4, 3, 32, 32), torch.arange(4)))

    few, many = kept(2), kept(6)
    assert few == many > 0 if flat else many > 2.5 * few > 0


def test_gradients_add_up_as_if_a_step_had_no_past() -> None:
    """Backward behind every step, or once behind the last: the membranes have no graph, so both are the same."""
    network = made("sltt")
    found = gradients_of("sltt", network)
    network.zero_grad(set_to_none=True)
    recipe = recipe_of("sltt")
    backward("sltt-bptt", recipe)(network, noise(6, 3, 32, 32), LABELS)  # one backward pass
    for name, p in network.named_parameters():
        assert torch.allclose(found[name], p.grad, rtol=1e-4, atol=1e-6), name


def test_the_loss_of_the_mean_output_can_be_lowered_too() -> None:
    network = made("sltt@loss=cross-entropy")
    found = gradients_of("sltt@loss=cross-entropy", network)
    network.zero_grad(set_to_none=True)
    F.cross_entropy(torch.stack([*network.outputs(noise(6, 3, 32, 32))]).mean(0), LABELS).backward()
    for name, p in network.named_parameters():
        assert torch.equal(found[name], p.grad), name


@pytest.mark.parametrize(("method", "share"), [("sltt-k", 1.0), ("sltt-k-published", 2 / 4)])
def test_over_all_draws_the_gradient_of_k_steps_is_slttss_or_as_released_a_share_of_it(
    method: str, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = gradients_of("sltt", made("sltt"))
    total = {name: torch.zeros_like(gradient) for name, gradient in expected.items()}
    draws = [*combinations(range(4), 2)]
    for draw in draws:
        network = made(method)
        monkeypatch.setattr(network, "_drawn", lambda device, draw=draw: set(draw))
        for name, gradient in gradients_of(method, network).items():
            total[name] += gradient / len(draws)
    for name, gradient in expected.items():
        assert torch.allclose(total[name], share * gradient, rtol=1e-3, atol=1e-6), name


def test_k_steps_are_drawn_anew_for_every_batch_and_have_a_graph() -> None:
    network, x = made("sltt-k", 5), noise(2, 3, 32, 32)

    def drawn() -> Iterator[tuple[int, ...]]:
        for _ in range(20):
            yield tuple(t for t, output in enumerate(network.outputs(x)) if output.requires_grad)

    draws = {*drawn()}
    assert all(len(draw) == 2 for draw in draws)
    assert len(draws) > 5, "of 10 pairs"
    assert {t for draw in draws for t in draw} == set(range(5))
    assert network.divisor == 2
    assert made("sltt-k-published", 5).divisor == 5
    assert made("sltt-k", 1).trained == 1, "no more than there are"
    with torch.no_grad():
        assert not any(output.requires_grad for output in network.outputs(x))


def test_running_statistics_move_at_every_step_whether_it_is_trained_or_not() -> None:
    for method in ("sltt", "sltt-k"):
        network = made(method)
        gradients_of(method, network)
        assert network.norm.num_batches_tracked.item() == 4  # type: ignore[union-attr, operator]


def test_nothing_of_a_batch_is_left_in_the_network() -> None:
    for method in ("sltt", "ottt"):
        network = made(method)
        gradients_of(method, network)
        states = [vars(module).get(name) for module in network.modules() for name in ("membrane", "trace")]
        assert all(state is None for state in states)


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("sltt@trained_steps=2", "trained_steps is of methods that go backward behind some steps only"),
        ("sltt-k@trained_steps=0", "trained_steps is a whole number of at least 1, not 0"),
        (
            "sltt-k@loss=cross-entropy",
            "it goes backward behind some steps only, so loss is tet or tet-onehot, not cross-entropy",
        ),
        ("stbp-tdbn@loss_share=0.1", "loss_share is of loss tet or tet-onehot, not of cross-entropy"),
        ("stbp-tdbn@loss=tet@loss_share=1.5", "loss_share is a number from 0 to 1, not 1.5"),
    ],
)
def test_a_variant_that_means_nothing_is_refused_in_a_line(method: str, said: str) -> None:
    with pytest.raises(BadInput, match=f"^{re.escape(f'{method}: {said}')}$"):
        resolve(replace(TINY, method=method))


def test_variants_of_the_steps_and_of_the_loss_reach_the_recipe() -> None:
    for method in ("sltt-k@trained_steps=3", "stbp-tdbn@loss=tet@loss_share=0", "sltt@loss_share=0.5"):
        require_method(*variant(method))
    assert recipe_of("sltt-k@trained_steps=3").trained_steps == 3
    assert recipe_of("stbp-tdbn@loss=tet@loss_share=0").loss_share == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"tau": 0.5}, "tau must be at least 1"),
        ({"threshold": 0.0}, "threshold must be positive, not 0.0"),
        ({"surrogate": "arctangent"}, "surrogate must be triangle or rectangle or sigmoid"),
        ({"reset": "none"}, "reset must be soft or hard, not none"),
    ],
)
def test_a_neuron_says_what_it_takes(wrong: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        LIF(4, **wrong)
