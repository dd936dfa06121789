"""IDE: the simulation and its implicit gradient against released code and dense solves; what is fed back, counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from golden_vectors import begins, folder, read
from torch import Tensor, nn
from torch.nn import functional as F

import baselines.ann
from baselines import ide
from baselines.ide import spectral
from benchmarks.networks import build
from benchmarks.networks.feedback import FeedbackNet
from benchmarks.networks.parts import Parts
from benchmarks.operations.counter import counting
from benchmarks.operations.structure import structure

GOLDEN = read("ide_released")
OURS = {
    "weight_w": "parametrizations.weight.original",
    "weight_g": "parametrizations.weight.0.gain",
    "weight_u": "parametrizations.weight.0.u",
    "weight_v": "parametrizations.weight.0.v",
}
"""What the released code calls the parts of a bounded weight, and what they are called here."""
Close = Callable[..., None]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def solved_as_published(*words: str) -> list[str]:
    """Cases of the solver that the published numbers are made with; the released N-MNIST script has another."""
    return [case for case in begins(GOLDEN, *words) if GOLDEN[case][0]["solver"] == "broyden"]


class OneLayer(nn.Module):
    """A layer that feeds back into itself."""

    def __init__(self, settings: dict[str, Any], before: dict[str, Tensor], kind: str) -> None:
        super().__init__()
        self.stem: nn.Module
        weight, back = before[f"network_x.{kind}.weight"], before[f"network_s.{kind}.weight_w"]
        if kind == "conv":
            self.stem, self.norm = nn.Conv2d(3, len(weight), 3, 2, padding=1), nn.BatchNorm2d(len(weight))
            self.feedback: nn.Module = nn.Conv2d(len(back), len(back), 3, padding=1, bias=False)
        else:
            self.stem, self.norm = nn.Linear(weight.shape[1], len(weight)), nn.BatchNorm1d(len(weight))
            self.feedback = nn.Linear(len(back), len(back), bias=False)
        self.dropout, self.dropout_back = (ide.HeldDropout(settings["dropout"]) for _ in range(2))
        self.neuron, self.layers = neuron_of(settings), nn.ModuleList()
        self.classifier = nn.Linear(before["classifier.weight"].shape[1], 7)

    def fed_back(self, spikes: Tensor, like: Tensor) -> Tensor:
        return self.dropout_back(self.feedback(spikes))

    def read(self, rate: Tensor) -> Tensor:
        return self.classifier(rate.flatten(1))


def neuron_of(settings: dict[str, Any]) -> ide.Neuron:
    return ide.Neuron(1, settings["threshold"], settings["leak"] or 1.0)


def named_here(name: str, kind: str) -> str:
    """A parameter's name in the released code -> its name here."""
    for theirs, ours in OURS.items():
        name = name.replace(theirs, ours)
    if kind != "multi":
        return (
            name.replace(f"network_x.{kind}", "stem")
            .replace("network_x.bn", "norm")
            .replace(f"network_s.{kind}", "feedback")
        )
    pairs = [("network_x.conv", "stem.layer"), ("network_x.bn", "norm"), ("network_s5.convT", "feedback")]
    pairs += [(f"network_s{i}.conv", f"layers.{i - 1}.conv") for i in range(1, 5)]
    pairs += [(f"network_s{i}.bn", f"layers.{i - 1}.norm") for i in range(1, 5)]
    for theirs, ours in (*pairs, ("classifier", "readout.linear")):
        name = name.replace(theirs, ours)
    return name


def parts_of(neuron: Callable[[], nn.Module]) -> Parts:
    def readout(features: int, classes: int, reencode: bool = True) -> nn.Module:
        return baselines.ann.Readout(features, classes)

    return Parts(1, neuron, lambda features, branches=1: nn.BatchNorm2d(features), readout, dropout=ide.HeldDropout)


def equilibrium(case: str, kind: str) -> ide.Equilibrium:
    settings, golden = GOLDEN[case]
    before, network = folder(golden, "before"), nn.Module()
    if kind == "multi":
        network = FeedbackNet(parts_of(lambda: neuron_of(settings)), (6, 8, 10, 10, 8), (2, 1, 2, 1, 1), 7, pooled=2)
    else:
        network = OneLayer(settings, before, kind)
    ide.bound(network.feedback)  # type: ignore[arg-type]
    at: ide.At = "f of rate" if kind == "multi" else "rate"
    made = ide.Equilibrium(network, settings["T"], at, moves_twice=True, tolerance=1e-7)
    found = made.load_state_dict({named_here(name, kind): value for name, value in before.items()}, strict=False)
    assert not found.unexpected_keys
    assert all(name.endswith("num_batches_tracked") for name in found.missing_keys)
    return made


def hold(network: ide.Equilibrium, golden: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the masks be those of the released code."""
    if "mask_x" in golden:
        monkeypatch.setattr(ide.HeldDropout, "reset", lambda self: None)
        network.dropout.mask, network.dropout_back.mask = golden["mask_x"], golden["mask_s"]  # type: ignore[union-attr, assignment]


@pytest.mark.parametrize(
    ("case", "kind"),
    [(case, kind) for kind in ("fc", "conv", "multi") for case in solved_as_published(kind)],
)
def test_a_training_step_is_that_of_the_released_code(
    case: str, kind: str, close: Close, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As there, several layers take J at f of the rate, and the first norm's statistics move twice."""
    _, golden = GOLDEN[case]
    network = equilibrium(case, kind).train()
    hold(network, golden, monkeypatch)
    read_from = []
    last = network.get_submodule("classifier" if kind != "multi" else "pool")
    last.register_forward_pre_hook(lambda module, inputs: read_from.append(inputs[0].detach().clone()))
    logits = network(golden["x"])
    loss = F.cross_entropy(logits, golden["y"])
    loss.backward()
    close(read_from[0].view_as(golden["rate"]), golden["rate"], f"{case}/rate")
    close(logits, golden["logits_train"], f"{case}/logits_train")
    close(loss.view(1), golden["loss"].view(1), f"{case}/loss")
    parameters, state = dict(network.named_parameters()), network.state_dict()
    for name, gradient in folder(golden, "grad").items():
        found, weight = (
            parameters[named_here(name, kind)].grad,
            folder(golden, "grad").get(name.replace("bias", "weight")),
        )
        small = gradient.norm() < 1e-6  # 0 but for rounding: in front of a norm, or a gain that is cut
        close(found, gradient, f"{case}/grad/{name}", against=weight if small and weight is not gradient else None)
    for name, value in folder(golden, "after").items():
        close(state[named_here(name, kind)], value, f"{case}/after/{name}")
    for module in network.eval().modules():
        spectral.step(module)  # theirs takes a power step at every test batch, too
    close(network(golden["x"]), golden["logits_eval"], f"{case}/logits_eval")


def test_a_neurons_trace_worked_out_by_hand() -> None:
    """V 2, leak 0.5, currents 1.5: u = 1.5; .75 + 1.5 = 2.25, fires, (2.25 - 2) / 2 = .125; 1.625; 2.3125, fires."""
    neuron = ide.Neuron(4, 2.0, 0.5)
    spikes = [neuron(torch.tensor([1.5])).item() for _ in range(4)]
    assert spikes == [0, 1, 0, 1]
    assert neuron.membrane is not None
    assert neuron.membrane.item() == pytest.approx(0.15625)
    neuron.reset()
    assert neuron(torch.tensor([2.0])).item() == 1, "it fires at its threshold"
    for name, wrong in (("threshold", (1, 0.0, 1.0)), ("leak", (1, 2.0, 0.0)), ("timesteps", (0, 2.0, 1.0))):
        with pytest.raises(ValueError, match=f"^{name} must be"):
            ide.Neuron(*wrong)  # type: ignore[arg-type]


def test_the_rate_tends_to_the_clip_that_is_differentiated() -> None:
    currents = torch.linspace(-0.5, 2.5, 13)
    neuron = ide.Neuron(1000, 2.0, 0.99)
    rate = ide.equilibrium.weighted_mean((neuron(currents) for _ in range(1000)), 0.99)
    assert (rate - neuron.rate(currents)).abs().max() < 0.02


@pytest.mark.parametrize("largest", [0.5, 3.0])
def test_the_solver_finds_what_a_dense_solve_finds(largest: float) -> None:
    """Also where q <- G + J'q diverges: the largest eigenvalue's size is then 3."""
    matrix = noise(60, 60).double()
    matrix *= largest / torch.linalg.eigvals(matrix).abs().max()
    right = noise(5, 3, 4, seed=1).double()
    found = ide.solve(lambda q: (matrix.t() @ q.flatten()).view(5, 3, 4), right, tolerance=1e-12, most=60)
    expected = torch.linalg.solve(torch.eye(60).double() - matrix.t(), right.flatten())
    assert torch.allclose(found.flatten(), expected, rtol=1e-8, atol=1e-10)


def test_the_solver_stops_where_it_is_told_to_and_at_nothing_to_solve() -> None:
    products = []

    def product(q: Tensor) -> Tensor:
        products.append(q)
        return 0.3 * q.roll(1)

    right = noise(40).double()
    found = ide.solve(product, right, tolerance=1e-3)
    assert (found - 0.3 * found.roll(1) - right).norm() <= 1e-3 * right.norm()
    assert len(products) < 8
    products.clear()
    ide.solve(product, right, tolerance=0.0, most=4)
    assert len(products) == 4
    products.clear()
    assert not ide.solve(product, torch.zeros(40)).any()
    assert not products


def small(at: ide.At = "rate", classes: int = 5, **changes: Any) -> ide.Equilibrium:
    torch.manual_seed(0)
    network = FeedbackNet(parts_of(lambda: ide.Neuron(1, 1.0, 0.9)), (4, 6, 5), (2, 2, 1), classes, pooled=2, **changes)
    ide.bound(network.feedback)
    return ide.Equilibrium(network.double(), 12, at, tolerance=1e-12, most=200)


def test_the_implicit_gradient_is_that_of_a_dense_solve() -> None:
    """f, its Jacobian and its parameters' gradients are written out here; only layers are shared."""
    network, x, labels = small(), noise(3, 3, 8, 8).double(), torch.arange(3)
    seen: list[Tensor] = []
    network.pool.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))  # type: ignore[operator]
    loss = F.cross_entropy(network.train()(x), labels)
    loss.backward()
    found = {name: p.grad.clone() for name, p in network.named_parameters()}  # type: ignore[union-attr]
    network.zero_grad()
    rate = seen[0].detach()
    layers: Any = network.layers

    def f(a: Tensor) -> Tensor:
        back = F.conv_transpose2d(a, network.feedback.weight, None, 2, 1, 1)  # type: ignore[arg-type, union-attr]
        a = (network.norm(network.stem(x)) + back).clamp(0, 1)  # type: ignore[operator]
        for layer in layers:
            a = layer.norm(layer.conv(a)).clamp(0, 1)
        return a

    at = rate.clone().requires_grad_()
    read = F.cross_entropy(network.readout(network.pool(at).flatten(1)), labels)  # type: ignore[operator]
    (grad,) = torch.autograd.grad(read, at)
    jacobian = torch.autograd.functional.jacobian(f, rate).reshape(rate.numel(), rate.numel())
    assert jacobian.abs().max() > 0.01, "nothing is fed back: the test shows nothing"
    q = torch.linalg.solve(torch.eye(rate.numel()).double() - jacobian.t(), grad.flatten())
    assert (q - grad.flatten()).norm() > 0.01 * grad.norm(), "q is G: the test shows nothing"
    f(rate).backward(q.view(rate.shape))
    for name, parameter in network.named_parameters():
        if name.startswith("readout"):
            continue
        assert parameter.grad is not None
        assert torch.allclose(found[name], parameter.grad, rtol=1e-6, atol=1e-9), name


def test_a_loop_that_is_cut_leaves_the_gradient_of_a_plain_network() -> None:
    """With no weight in the feedback J is 0, and q is G: one backward pass through the clips."""
    network, x, labels = small(), noise(3, 3, 8, 8).double(), torch.arange(3)
    network.feedback.parametrizations.weight[0].gain.data.zero_()  # type: ignore[union-attr, index]
    products = []
    original = torch.autograd.grad

    def counted(*of: Any, **others: Any) -> Any:
        products.append(of)
        return original(*of, **others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.autograd, "grad", counted)
        F.cross_entropy(network.train()(x), labels).backward()
    assert len(products) == 1, "one product says that nothing is left to solve"
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name


def test_the_first_norms_statistics_move_once_and_in_the_released_code_twice() -> None:
    x = noise(4, 3, 8, 8).double()
    once, twice = small(), small()
    twice.moves_twice = True
    moved = [network.train()(x) is not None and network.norm.num_batches_tracked.item() for network in (once, twice)]  # type: ignore[union-attr, operator]
    assert moved == [1, 2]
    assert once.layers[0].norm.num_batches_tracked.item() == twice.layers[0].norm.num_batches_tracked.item() == 1  # type: ignore[index, union-attr]


def test_j_at_f_of_the_rate_moves_no_statistics() -> None:
    network, x = small("f of rate"), noise(4, 3, 8, 8).double()
    logits = network.train()(x)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    F.cross_entropy(logits, torch.arange(4)).backward()
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_frames_that_repeat_an_image_give_the_images_gradient() -> None:
    x, found = noise(3, 3, 8, 8).double(), []
    for images in (x, x.expand(12, *x.shape)):
        network = small().train()
        F.cross_entropy(network(images), torch.arange(3)).backward()
        found.append({name: p.grad for name, p in network.named_parameters()})
    for name, gradient in found[0].items():
        assert torch.allclose(gradient, found[1][name], rtol=1e-6, atol=1e-9), name


def test_a_mask_is_held_for_all_steps_and_drawn_anew_for_the_next_batch() -> None:
    layer = ide.HeldDropout(0.4)
    first, second = layer(torch.ones(5, 40)), layer(torch.ones(5, 40))
    assert torch.equal(first, second)
    assert first.unique().tolist() == [0.0, pytest.approx(1 / 0.6)]
    layer.reset()
    assert not torch.equal(first, layer(torch.ones(5, 40)))
    assert torch.equal(layer.eval()(torch.ones(5, 40)), torch.ones(5, 40))


def test_what_feeds_back_has_a_spectral_norm_of_at_most_one() -> None:
    torch.manual_seed(0)
    layer = nn.ConvTranspose2d(6, 4, 3, bias=False)
    free = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2).item()
    bound = ide.bound(layer)
    assert bound.gain.item() == pytest.approx(free, rel=0.02)
    bound.gain.data.fill_(7.0)
    for _ in range(200):
        spectral.step(layer)
    assert torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2).item() == pytest.approx(1.0, abs=1e-4)
    bound.gain.data.fill_(-0.5)
    assert torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2).item() == pytest.approx(0.5, abs=1e-4)


def test_evaluation_takes_no_power_step() -> None:
    network = build("cifarnet-f-tiny", "ide", 3, 10)
    x = noise(2, 3, 32, 32)
    network.train()(x)
    before = {name: value.clone() for name, value in network.eval().state_dict().items()}
    with torch.no_grad():
        network(x)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_what_is_fed_back_is_counted_at_every_step_but_the_last() -> None:
    """A spike of the last layer reaches 3 x 3 outputs of the transposed convolution, as far as the map goes."""
    steps, network, x = 4, build("cifarnet-f-tiny", "ide", 4, 7), 2 * noise(3, 3, 34, 34)
    for module in network.modules():
        if isinstance(module, ide.Neuron):
            module.threshold = 0.2
    network.train()(x)
    emitted: list[Tensor] = []
    last = network.get_submodule("layers.1.neuron")
    with counting(network.eval(), x[:1], steps) as counter, torch.no_grad():
        last.register_forward_hook(lambda module, inputs, out: emitted.append(out.clone()))
        network(x)
    rows = {row.layer: row for row in counter.ledger()}
    back = rows["feedback"]
    assert (back.kind, back.operation, back.origin) == ("ac", "transposed", "loop")
    assert len(emitted) == steps
    fed = torch.stack(emitted[:-1]).double()
    assert back.input_nonzero == int(fed.sum()) > 0
    maps = fed.flatten(0, 1)
    assert maps.shape[-1] == 9, "34 pixels, halved twice, are 9: fed back they are cut to 17"
    reached = F.conv_transpose2d(maps, torch.ones(16, 8, 3, 3).double(), stride=2, padding=1)
    assert reached.shape[-1] == 17
    assert back.operations == int(reached.sum())
    assert counter.per_image().neuron_updates == steps * sum(structure(network, x[:1]).neurons.values())


def test_the_released_network_has_the_size_worked_out_for_it() -> None:
    """Convolutions 3-128-256-512-1024-512 with biases and norms, a transposed one 512-128, 32768-10."""
    network = build("cifarnet-f", "ide", 2, 10).eval()
    convolutions = 9 * (3 * 128 + 128 * 256 + 256 * 512 + 512 * 1024 + 1024 * 512) + 3 * (128 + 256 + 512 + 1024 + 512)
    expected = convolutions + 9 * 512 * 128 + 1 + 32768 * 10 + 10
    assert sum(p.numel() for p in network.parameters()) == expected
    assert sum(layer.padded_macs for layer in structure(network, torch.zeros(1, 3, 32, 32)).layers) == pytest.approx(
        794e6, rel=1e-3
    )


def test_weights_start_with_unit_norm_per_output_channel() -> None:
    torch.manual_seed(0)
    network = build("cifarnet-f-tiny", "ide", 2, 10)
    layer = network.layers[0].conv  # type: ignore[index, union-attr]
    assert torch.allclose(layer.weight.flatten(1).norm(dim=1), torch.ones(16), atol=1e-6)  # type: ignore[union-attr, operator]
    back = network.feedback.parametrizations.weight.original  # type: ignore[union-attr]
    assert torch.allclose(back.transpose(0, 1).flatten(1).norm(dim=1), torch.ones(8), atol=1e-6)  # type: ignore[union-attr, operator]
