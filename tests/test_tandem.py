"""Tandem learning: against its authors' numbers, by hand, and on networks with additions, pools, dropout and heads."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import pytest
import torch
from golden_vectors import begins, folder, read
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.counts import tandem
from baselines.counts.pairs import Pair, Paired, of_both
from benchmarks.methods import backward
from benchmarks.networks import build
from benchmarks.networks.parts import DirectCoding
from benchmarks.operations.counter import counting
from benchmarks.recipes import resolve
from benchmarks.spec import Run

RELEASED = read("tandem_released")
T = 5


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def no_eps(features: int, timesteps: int) -> tandem.Norm:
    """As released."""
    return tandem.Norm(features, timesteps, folded_eps=0.0)


@pytest.mark.parametrize("case", begins(RELEASED, "linear", "conv"))
def test_a_layer_takes_the_training_step_of_its_authors(case, close):
    """Their bias is added to a count, ours at every step."""
    settings, golden = RELEASED[case]
    steps, weight = settings["T"], golden["weight"]
    sizes = weight.shape[1::-1]
    layer = nn.Linear(*sizes) if weight.dim() == 2 else nn.Conv2d(*sizes, 3, stride=2, padding=1)
    layer.load_state_dict({"weight": weight, "bias": golden["bias"] / steps})
    norm, neuron = no_eps(len(weight), steps), tandem.IF(steps, settings["threshold"], settings["leak"] or 1.0)
    before = {name: golden[f"{name}_before"] for name in ("running_mean", "running_var")}
    norm.load_state_dict({"weight": golden["gamma"], "bias": golden["beta"], **before}, strict=False)
    rate = golden["spikes_in"].mean(0).requires_grad_()
    out = neuron.pair(norm.pair(of_both(layer, Pair(rate, golden["spikes_in"].flatten(0, 1)))))
    assert torch.equal(out.train, golden["spikes_out"].flatten(0, 1)), "spikes differ"
    out.rate.backward(golden["grad_count_out"] * steps)
    close(out.rate * steps, golden["count_out"], f"{case}/count_out")
    close(rate.grad / steps, golden["grad_count_in"], f"{case}/grad_count_in")
    close(layer.weight.grad, golden["grad_weight"], f"{case}/grad_weight")
    close(norm.weight.grad, golden["grad_gamma"], f"{case}/grad_gamma")
    close(norm.bias.grad, golden["grad_beta"], f"{case}/grad_beta")
    for name in before:
        close(norm.state_dict()[name], golden[name], f"{case}/{name}")


def small(steps: int) -> Paired:
    layers = {
        "conv1": DirectCoding(nn.Conv2d(3, 6, 3, padding=1), steps),
        "norm1": no_eps(6, steps),
        "neuron1": tandem.IF(steps),
        "conv2": nn.Conv2d(6, 8, 3, stride=2, padding=1),
        "norm2": no_eps(8, steps),
        "neuron2": tandem.IF(steps),
        "flatten": nn.Flatten(),
        "fc5": nn.Linear(128, 12),
        "norm5": no_eps(12, steps),
        "neuron5": tandem.IF(steps),
        "readout": tandem.Readout(12, 7, steps),
    }
    return Paired(nn.Sequential(OrderedDict(layers)), steps, DirectCoding)


OURS = {
    "conv1.conv2d": "conv1.layer",
    "conv1.bn2d": "norm1",
    "conv2.conv2d": "conv2",
    "conv2.bn2d": "norm2",
    "fc5.linear": "fc5",
    "fc5.bn1d": "norm5",
    "fc6": "readout.linear",
}


def renamed(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{OURS[module]}.{name}": v for (module, name), v in ((key.rsplit(".", 1), v) for key, v in theirs.items())}


@pytest.mark.parametrize("case", begins(RELEASED, "net"))
def test_a_network_takes_the_training_step_of_its_authors(case, close):
    settings, golden = RELEASED[case]
    network, before = small(settings["T"]), renamed(folder(golden, "before"))
    for name in ("conv1.layer.bias", "conv2.bias", "fc5.bias"):
        before[name] = before[name] / settings["T"]
    network.load_state_dict(before, strict=False)
    logits = network(golden["x"])
    loss = F.cross_entropy(logits, golden["y"])
    loss.backward()
    close(logits.log_softmax(1), golden["logits_train"], f"{case}/logits_train")
    close(loss, golden["loss"], f"{case}/loss")
    found = {name: p.grad for name, p in network.named_parameters()}
    expected = renamed(folder(golden, "grad"))
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        in_front_of_a_norm = name.endswith("bias") and not name.startswith(("norm", "readout"))
        against = expected[name.replace("bias", "weight")] if in_front_of_a_norm else None  # 0 but for rounding
        close(found[name], gradient, f"{case}/grad/{name}", against=against)
    for name, statistic in renamed(folder(golden, "after")).items():
        close(network.state_dict()[name], statistic, f"{case}/after/{name}")
    with torch.no_grad():
        close(network.eval()(golden["x"]).log_softmax(1), golden["logits_eval"], f"{case}/logits_eval")


@pytest.mark.parametrize(
    ("leak", "threshold", "currents", "spikes"),
    [
        (1.0, 1.0, [0.5, 0.5, 0.75, 0.75, 2.5, 0.0], [0, 1, 0, 1, 1, 1]),  # at V it fires; 0.5, 2.0 and 1.0 are left
        (1.0, 1.5, [1.0, 1.0, 1.0, 1.0], [0, 1, 1, 0]),  # u = 1, 2, 1.5, 1: a reset takes V off
        (0.5, 1.0, [1.5, 0.5, 1.5], [1, 0, 1]),  # 0.75 + 0.5 - 1 = 0.25, 0.125 + 1.5: only the membrane leaks
    ],
)
def test_by_hand_the_neuron_fires_at_its_threshold_and_subtracts_it(
    leak: float, threshold: float, currents: list[float], spikes: list[int]
) -> None:
    x = torch.tensor(currents)[:, None]
    train, counts = tandem.IF(len(currents), threshold, leak).counted(x)
    assert train.flatten().tolist() == spikes
    assert counts.item() == sum(spikes)


def test_the_slope_is_1_above_0_without_an_upper_bound() -> None:
    """3 at every step is beyond what T spikes can say, -1 is silent, and 0.125 is above 0 and silent."""
    current = torch.tensor([[3.0, -1.0, 0.0, 0.125]], requires_grad=True)
    out = tandem.IF(4).pair(Pair(current, current.detach().repeat(4, 1)))
    out.rate.backward(torch.tensor([[2.0, 3.0, 5.0, 7.0]]))
    assert out.rate.tolist() == [[1.0, 0.0, 0.0, 0.0]]
    assert current.grad is not None
    assert current.grad.tolist() == [[2.0, 0.0, 0.0, 7.0]]


def test_a_channel_whose_input_never_changes_has_a_finite_current() -> None:
    """Its running variance tends to 0, by which the released code divides: 0 / 0."""
    x = torch.full((6, 3, 4, 4), 0.25)
    for norm, finite in ((tandem.Norm(3, T), True), (no_eps(3, T), False)):
        for _ in range(60):  # 0.1^60 is no float
            norm.pair(Pair(x[:2], x))
        assert norm(x).isfinite().all() == finite


def test_norms_start_with_numbers_of_spikes_of_either_sign() -> None:
    torch.manual_seed(0)
    network = build("preact-resnet18-narrow", "tandem", T, 10)
    weights = torch.cat([m.weight for m in network.modules() if isinstance(m, tandem.Norm)])
    assert weights.std().item() == pytest.approx(2, rel=0.1)
    assert (weights < 0).double().mean().item() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("frames", [False, True])
@pytest.mark.parametrize(
    "name", ["preact-resnet-tiny", "resnet20", "vgg11-narrow", "cifarnet-tandem-narrow", "preact-resnet-imagenet-tiny"]
)
def test_what_training_reads_out_is_what_the_network_then_emits(name: str, frames: bool) -> None:
    """Spikes of a training step are those of the network itself by the running statistics that the step has left."""
    torch.manual_seed(0)
    network, x = build(name, "tandem", T, 7).double(), noise(4, 3, 32, 32).double()
    x = noise(T, 4, 3, 32, 32).double() if frames else x
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, nn.Linear):  # those of VGGs start so small that nothing behind them fires
            nn.init.kaiming_normal_(module.weight)
    trained = network(x)
    with torch.no_grad():
        emitted = network.eval()(x)
    assert trained.std() > 0
    assert torch.allclose(trained, emitted, rtol=1e-9, atol=1e-9)


def test_frames_enter_as_their_mean_with_its_gradient() -> None:
    """The norm's statistics are those of the sum over frames, and what reaches the weights is the mean frame."""
    torch.manual_seed(0)
    layer, norm, frames = nn.Conv2d(3, 4, 3), tandem.Norm(4, T), noise(T, 6, 3, 8, 8)
    network = Paired(nn.Sequential(DirectCoding(layer, T), norm, tandem.IF(T), nn.Flatten()), T, DirectCoding)
    head = noise(4 * 36)
    (network(frames).rate @ head).sum().backward()
    found = layer.weight.grad
    layer.weight.grad = None
    counts = F.batch_norm(T * layer(frames.mean(0)), None, None, training=True, eps=1e-4)
    assert norm.running_mean is not None
    assert torch.allclose(norm.running_mean, 0.9 * T * layer(frames.flatten(0, 1)).mean((0, 2, 3)), atol=1e-5)
    (counts.relu().flatten(1) @ head).sum().div(T).backward()  # relu has the slope that a count is given
    assert torch.allclose(found, layer.weight.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["tandem", "asf-bp", "rate-bp"])
def test_what_is_kept_for_the_backward_pass_does_not_grow_with_t(method: str) -> None:
    def kept(steps: int) -> int:
        torch.manual_seed(0)
        recipe = resolve(Run("cifar10", "preact-resnet-tiny", method, steps, 0, "laptop"))
        network, step = build("preact-resnet-tiny", method, steps, 10, recipe=recipe), backward(method, recipe)
        sizes: list[int] = []

        def keep(tensor: Tensor) -> Tensor:
            sizes.append(tensor.nbytes)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            step(network, noise(4, 3, 32, 32), torch.arange(4))
        return sum(sizes)

    assert kept(8) == kept(2) > 0


def test_a_mask_drops_the_same_values_of_a_rate_and_of_every_step() -> None:
    torch.manual_seed(0)
    layer = tandem.Dropout(0.25)
    train = (noise(T * 3, 400) > 0).float()
    dropped = layer.pair(Pair(train.view(T, 3, 400).mean(0), train))
    assert torch.allclose(dropped.train.view(T, 3, 400).mean(0), dropped.rate)
    silent = (dropped.rate == 0).float().mean().item()
    assert silent == pytest.approx(0.25 + 0.75 * 0.5**T, abs=0.05)
    assert not torch.equal(dropped.rate[0] == 0, dropped.rate[1] == 0)
    assert layer.eval().pair(Pair(train, train)) == Pair(train, train)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (nn.Tanh(), "1: Tanh is not linear, and has no method pair"),
        (nn.Unflatten(1, (2, 3)), "1: Unflatten is not linear, and has no method pair"),
    ],
)
def test_a_layer_that_is_not_defined_for_pairs_is_refused_in_training_alone(layer: nn.Module, said: str) -> None:
    network = Paired(nn.Sequential(DirectCoding(nn.Linear(4, 6), 2), layer), 2, DirectCoding)
    with pytest.raises(NotImplementedError, match=f"^{said}$"):
        network(noise(3, 4))
    assert network.eval()(noise(3, 4)).shape[0] == 6


class Mixes(nn.Module):
    """Joins two signals by a function."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.function = DirectCoding(nn.Linear(4, 6), 2), function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.first(x))


@pytest.mark.parametrize("function", [lambda x: x * x, lambda x: x.view(-1)])
def test_what_is_not_linear_in_a_signal_is_refused(function: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(NotImplementedError, match=r"is not defined for a pair of rates and trains$"):
        Paired(Mixes(function), 2, DirectCoding)(noise(3, 4))


def test_a_layer_that_is_exchanged_is_not_passed_over() -> None:
    network = small(3)
    network(noise(2, 3, 8, 8))
    network._hidden[0].readout = tandem.Readout(12, 5, 3)  # type: ignore[assignment]
    assert network(noise(2, 3, 8, 8)).shape == (2, 5)


def test_its_classifier_accumulates_spikes_and_its_bias_counts_once() -> None:
    head = tandem.Readout(6, 4, T).requires_grad_(False)
    train = (noise(T * 3, 6) > 0).float()
    expected = F.linear(train.view(T, 3, 6).sum(0), head.linear.weight, head.linear.bias)
    assert torch.allclose(head(train), expected, atol=1e-6)
    network, x = build("cifarnet-tandem-narrow", "tandem", 3, 7), noise(2, 3, 32, 32)
    network(x)
    with torch.no_grad(), counting(network.eval(), x[:1], 3) as counter:
        network(x)
    assert [(row.kind, row.operation) for row in counter.ledger()] == [("mac", "conv")] + [("ac", "conv")] * 5 + [
        ("ac", "linear")
    ]
    assert counter.per_image().acs > 0


def test_the_published_network_has_its_authors_layers() -> None:
    """Weights by hand: five convolutions of 3 x 3, a hidden layer on 8 x 8 pixels, and the classifier."""
    by_hand = 9 * (3 * 128 + 128 * 256 + 256 * 512 + 512 * 1024 + 1024 * 512) + 512 * 64 * 1024 + 1024 * 10
    with torch.device("meta"):
        network = build("cifarnet-tandem", "tandem-published", 8, 10)
    assert sum(p.numel() for p in network.parameters() if p.dim() > 1) == by_hand
    norms = [m for m in network.modules() if isinstance(m, tandem.Norm)]
    assert [m.num_features for m in norms] == [128, 256, 512, 1024, 512, 1024]
    assert {m.folded_eps for m in norms} == {0.0}
    assert [m.p for m in network.modules() if isinstance(m, nn.Dropout)] == [0.2]
