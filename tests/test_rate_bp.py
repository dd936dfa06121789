"""Rate-based backpropagation: against its authors' numbers, and its slope against backpropagation through time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from golden_vectors import begins, folder, read
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.counts import rate_bp
from baselines.counts.pairs import Pair, Paired
from benchmarks.methods import METHODS
from benchmarks.networks import build
from benchmarks.networks.parts import Parts
from benchmarks.networks.resnet import ResNet

RELEASED = read("rate_bp_released")
T = 5


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("case", begins(RELEASED, "neuron"))
def test_the_neuron_measures_the_rate_and_the_slope_of_its_authors(case: str, close: Callable[..., None]) -> None:
    settings, golden = RELEASED[case]
    neuron = rate_bp.LIF(settings["T"], settings["threshold"], settings["decay"])
    current = golden["x"].mean(0).requires_grad_()
    out = neuron.pair(Pair(current, golden["x"].flatten(0, 1)))
    out.rate.backward(golden["grad_out"])
    assert torch.equal(out.train, golden["spikes"].flatten(0, 1)), "spikes differ"
    assert torch.equal(neuron(golden["x"].flatten(0, 1)), out.train)
    close(out.rate, golden["rate"], f"{case}/rate")
    close(neuron.measured(golden["x"].flatten(0, 1))[2], golden["elig"], f"{case}/elig")
    assert current.grad is not None
    close(current.grad, golden["grad_current"], f"{case}/grad_current")


def test_through_time_the_neuron_has_the_gradient_of_its_authors(close: Callable[..., None]) -> None:
    settings, golden = RELEASED["bptt_neuron_0"]
    x = golden["x"].flatten(0, 1).requires_grad_()
    out = rate_bp.LIF(settings["T"], settings["threshold"], settings["decay"])(x)
    out.backward(golden["grad_out"].flatten(0, 1))
    assert torch.equal(out, golden["spikes"].flatten(0, 1)), "spikes differ"
    assert x.grad is not None
    close(x.grad, golden["grad_x"].flatten(0, 1), "bptt_neuron_0/grad_x")


@pytest.mark.parametrize("decay", [0.0, 0.6, 1.0])
def test_the_slope_is_what_backpropagation_through_time_gives_for_a_steady_change(decay: float) -> None:
    """A current that grows by the same amount at every step, and the gradient 1 / T of a rate at every spike."""
    neuron, x = rate_bp.LIF(T, 0.7, decay, 3.0), noise(T * 4, 9).double().requires_grad_()
    neuron(x).backward(torch.full_like(x, 1 / T))
    assert x.grad is not None
    _, rate, slope = neuron.measured(x.detach())
    assert torch.allclose(x.grad.view(T, 4, 9).sum(0), slope, rtol=1e-12)
    assert torch.allclose(neuron(x.detach()).view(T, 4, 9).mean(0), rate)


def test_by_hand_the_membrane_leaks_and_a_reset_takes_the_threshold_off() -> None:
    """u = 0.5, 0.25 + 0.75 = 1, 0 + 1.5, 0.25 + 0.5; at V = 1 it fires."""
    x = torch.tensor([0.5, 0.75, 1.5, 0.5])[:, None]
    spikes, rate, slope = rate_bp.LIF(4, 1.0, 0.5, 4.0).measured(x)
    assert spikes.flatten().tolist() == [0, 1, 1, 0]
    assert rate.item() == 0.5
    q = torch.sigmoid(4 * torch.tensor([-0.5, 0.0, 0.5, -0.25]))
    assert slope.item() == pytest.approx((torch.tensor([1, 1.5, 1.75, 1.875]) * 4 * q * (1 - q)).mean().item())


def test_a_norm_normalises_both_signals_as_its_authors_do(close: Callable[..., None]) -> None:
    settings, golden = RELEASED["norm_0"]
    norm = rate_bp.Norm(3, settings["eps"], settings["momentum"])
    norm.load_state_dict({"weight": golden["weight"], "bias": golden["bias"]}, strict=False)
    current = golden["x"].mean(0).requires_grad_()
    out = norm.pair(Pair(current, golden["x"].flatten(0, 1)))
    out.rate.backward(golden["grad_out"])
    found = {"out_spiking": out.train.view_as(golden["x"]), "out_rate": out.rate, "grad_current": current.grad}
    found |= {"grad_weight": norm.weight.grad, "grad_bias": norm.bias.grad}
    found |= {"running_mean": norm.running_mean, "running_var": norm.running_var}
    for name, value in found.items():
        assert value is not None
        close(value, golden[name], f"norm_0/{name}")


def test_a_norms_gradient_is_that_of_a_batch_norm_of_all_steps() -> None:
    """Its train made a function of the mean current, and the mean of what leaves it: exact, at T times the memory."""
    x, head = noise(T * 4, 3, 2, 2).double(), noise(4, 3, 2, 2).double()
    norm, current = rate_bp.Norm(3).double(), x.view(T, 4, 3, 2, 2).mean(0).requires_grad_()
    norm.weight.data.copy_(torch.tensor([0.5, -2.0, 1.5]))
    (norm.pair(Pair(current, x)).rate * head).sum().backward()
    again = current.detach().clone().requires_grad_()
    steps = x + (again - current.detach()).repeat(T, 1, 1, 1)
    out = F.batch_norm(steps, None, None, norm.weight.detach(), norm.bias.detach(), True, 0.1, norm.eps)
    (out.view(T, 4, 3, 2, 2).mean(0) * head).sum().backward()
    assert current.grad is not None
    assert torch.allclose(current.grad, again.grad, rtol=1e-10)


def test_a_norm_that_is_not_trained_leaves_its_statistics() -> None:
    norm, x = rate_bp.Norm(3).eval(), noise(T * 4, 3, 2, 2)
    out = norm.pair(Pair(x[:4], x))
    assert torch.equal(out.train, norm(x))
    assert torch.equal(out.rate, norm(x[:4]))
    assert norm.running_mean is not None
    assert norm.running_mean.eq(0).all()


def released(method: str, settings: dict) -> nn.Module:
    """Their ResNet with the parts of a method of ours."""
    chosen, steps = METHODS[method], settings["T"]
    neuron = partial(chosen.neuron, steps, settings["threshold"], settings["decay"])
    parts = Parts(steps, neuron, chosen.norm({}, steps), chosen.readout(neuron, steps))
    widths = tuple(settings["widths"])
    network = ResNet(parts, widths[0], tuple(settings["blocks"]), widths, settings["classes"])
    return chosen.wrap(network, steps, None)  # type: ignore[arg-type]


OURS = {"conv0.0": "stem.layer", "conv0.1": "norm", "classifier.0": "readout.linear"}


def ours(name: str) -> str:
    module, parameter = name.rsplit(".", 1)
    if module in OURS:
        return f"{OURS[module]}.{parameter}"
    stage, rest = module.removeprefix("layer").split(".", 1)
    return f"stages.{int(stage) - 1}.{rest.replace('bn', 'norm')}.{parameter}"


@pytest.mark.parametrize(
    ("case", "method"), [("net_rate", "rate-bp-published"), ("net_rate", "rate-bp"), ("net_bptt", "rate-bp-bptt")]
)
def test_a_network_takes_the_training_step_of_its_authors(case: str, method: str, close: Callable[..., None]) -> None:
    """Theirs divides the gradient by T; `rate-bp` does not."""
    settings, golden = RELEASED[case]
    network = released(method, settings)
    found = network.load_state_dict({ours(name): v for name, v in folder(golden, "before").items()}, strict=False)
    assert not found.unexpected_keys
    assert all(name.rpartition(".")[2] in ("running_mean", "running_var", "num_batches_tracked") for name in found[0])
    logits = network(golden["x"])
    loss = F.cross_entropy(logits, golden["y"])
    loss.backward()
    close(logits, golden["logits_train"], f"{case}/logits_train")
    close(loss, golden["loss"], f"{case}/loss")
    gradients = {name: p.grad for name, p in network.named_parameters()}
    expected = {ours(name): gradient for name, gradient in folder(golden, "grad").items()}
    assert gradients.keys() == expected.keys()
    for name, gradient in expected.items():
        times = settings["T"] if method == "rate-bp" else 1
        close(gradients[name], gradient * times, f"{case}/grad/{name}")
    for name, statistic in folder(golden, "after").items():
        close(network.state_dict()[ours(name)], statistic, f"{case}/after/{name}")
    with torch.no_grad():
        close(network.eval()(golden["x"]), golden["logits_eval"], f"{case}/logits_eval")


@pytest.mark.parametrize("frames", [False, True])
def test_what_training_reads_out_is_what_the_network_emits(frames: bool) -> None:
    """The same network, layer by layer, with the statistics of the batch: its classifier reads spikes of every step."""
    torch.manual_seed(0)
    network = build("preact-resnet-tiny", "rate-bp", T, 7).double()
    x = noise(T, 4, 3, 32, 32).double() if frames else noise(4, 3, 32, 32).double()
    trained = network(x)
    assert isinstance(network, Paired)
    with torch.no_grad():
        emitted = network._hidden[0](x)
    assert trained.std() > 0
    assert torch.allclose(trained, emitted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((0,), "timesteps must be at least 1"),
        ((2, 0.0), "threshold must be positive, not 0.0"),
        ((2, 1.0, 1.5), r"decay must be in \[0, 1\], not 1.5"),
        ((2, 1.0, 0.5, 0.0), "surrogate_slope must be positive, not 0.0"),
    ],
)
def test_values_that_a_neuron_cannot_have_are_refused(arguments: tuple[float, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        rate_bp.LIF(*arguments)  # type: ignore[arg-type]
