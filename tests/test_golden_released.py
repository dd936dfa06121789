"""The baselines against what their authors, or others, have released: neurons, activations, norms and small networks.

Where the released code has no name for it, a network is built here from the suite's parts as `golden/README.md` says.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import pytest
import torch
from golden_vectors import begins, folder, read
from torch import Tensor, nn
from torch.nn import functional as F

import dsr
from baselines import calibration, clipped, conversion, events, qcfs, stbp
from baselines.stbp import compiled as stbp_compiled
from baselines.stbp import tdbn

QCFS, DENG_GU = read("qcfs_released"), read("deng_gu_released")
SIMPLE, AUTHOR = read("stbp_simple_released"), read("stbp_author_released")
TET = read("tet_released")
ORDERS: dict[str, qcfs.Order] = {"floor_then_clamp": "floor-clamp", "clamp_then_floor": "clamp-floor"}


def order_of(case: str) -> qcfs.Order:
    return next(order for name, order in ORDERS.items() if name in case)


def same_gradients(network: nn.Module, expected: dict[str, Tensor], case: str, close: Callable[..., None]) -> None:
    """Every gradient; that of a bias in front of a norm is 0 but for rounding, and held against its weight's."""
    found = {name: p.grad for name, p in network.named_parameters()}
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        against = expected[name.replace("bias", "weight")] if gradient.abs().max() < 2e-7 else None
        close(found[name], gradient.view_as(found[name]), f"{case}/grad/{name}", against=against)


@pytest.mark.parametrize("case", begins(QCFS, "act"))
def test_qcfs_activation_and_its_gradients_are_those_of_the_two_repositories(case, close):
    settings, golden = QCFS[case]
    activation = qcfs.Activation(settings["L"], settings["threshold"], order_of(case))
    x = golden["x"].clone().requires_grad_()
    out = activation(x)
    out.backward(golden["grad_out"])
    close(out, golden["out"], f"{case}/out")
    assert torch.equal(x.grad, golden["grad_x"]), "open and closed inputs differ"
    close(activation.threshold.grad.view(1), golden["grad_threshold"], f"{case}/grad_threshold")


def test_the_two_orders_of_qcfs_agree_in_value_and_not_in_gradient():
    x = torch.linspace(-3, 12, 602, dtype=torch.float64)[1:-1] + 1e-4  # 40 to a unit, none on a jump
    values, shares, thresholds = [], [], []
    for order in ORDERS.values():
        activation, at = qcfs.Activation(4, 8.0, order).double(), x.clone().requires_grad_()
        values.append(activation(at))
        values[-1].sum().backward()
        shares.append(at.grad.mean().item())
        thresholds.append(activation.threshold.grad.item())
    assert torch.equal(*values)
    # of [-3, 12] open are [-1, 9) and [0, 8]; h / theta - [open] x / theta sums to 0 over what is open, to 1 above it
    assert shares == pytest.approx([10 / 15, 8 / 15], abs=0.003)
    assert thresholds == pytest.approx([3 * 40, 4 * 40], abs=1)


@pytest.mark.parametrize("case", begins(QCFS, "if_"))
def test_a_converted_neuron_spikes_as_both_repositories_do(case, close):
    settings, golden = QCFS[case]
    neuron = conversion.IF(settings["T"], settings["threshold"], start=0.5)
    out = torch.stack([neuron(current) for current in golden["x"]])
    assert torch.equal(out > 0, golden["out"] > 0), "spikes differ"
    close(out, golden["out"], f"{case}/out")
    if "membrane_end" in golden:
        close(neuron.membrane, golden["membrane_end"], f"{case}/membrane_end")


def qcfs_network(neuron: Callable[[], nn.Module]) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, bias=False),
        nn.BatchNorm2d(6),
        neuron(),
        nn.Conv2d(6, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        neuron(),
        nn.AvgPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1, stride=2, bias=False),
        nn.BatchNorm2d(8),
        neuron(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 7),
    )


@pytest.mark.parametrize("case", begins(QCFS, "net"))
def test_a_qcfs_network_trains_and_converts_as_both_repositories_do(case, close):
    settings, golden = QCFS[case]
    network = qcfs_network(lambda: qcfs.Activation(settings["L"], settings["threshold"], order_of(case)))
    before = {name: v.squeeze() if "threshold" in name else v for name, v in folder(golden, "before").items()}
    found = network.load_state_dict(before, strict=False)
    assert not found.unexpected_keys
    assert all(name.endswith("num_batches_tracked") for name in found.missing_keys)

    logits = network(golden["x"])
    loss = F.cross_entropy(logits, golden["y"])
    loss.backward()

    close(logits, golden["logits_train"], f"{case}/logits_train")
    close(loss, golden["loss"], f"{case}/loss")
    same_gradients(network, folder(golden, "grad"), case, close)
    state = network.state_dict()
    for name, statistic in folder(golden, "after").items():
        close(state[name], statistic, f"{case}/after/{name}")
    network.eval()
    close(network(golden["x"]), golden["logits_eval"], f"{case}/logits_eval")

    library, _ = dsr.engine.kernels.load(events.SOURCE)
    theirs, steps = golden["logits_snn"].cumsum(0), settings["T"]
    for compiled in (None, library):
        converted = conversion.Converted(qcfs_network(lambda: conversion.IF(steps, start=0.5)), steps, compiled)
        converted.load_state_dict(network.state_dict(), strict=False)
        for step, (_, ours, *_) in enumerate(converted.eval().trajectory(golden["x"], range(1, steps + 1)), 1):
            close(ours, theirs[step - 1] / step, f"{case}/logits_snn/{step}")


@pytest.mark.parametrize("case", [*begins(SIMPLE, "lif"), "lif_cifar10", "lif_mnist"])
def test_the_surrogate_neuron_is_that_of_stbp_simple_and_of_stbps_authors(case, close):
    """Both fire above V, not at it, and their rectangle is open. `lif_other` of the authors' is left out: their
    rectangle has the height 1 at every width, ours 1 / width, which is the same at the width 1 that they use."""
    settings, golden = (SIMPLE | AUTHOR)[case]
    half = settings.get("half_width") or settings["surrogate_half_width"]
    neuron = stbp.LIF(settings["T"], settings["threshold"], settings["decay"], 2 * half)
    x = golden["x"].flatten(0, 1).requires_grad_()
    out = neuron(x)
    out.backward(golden["grad_out"].flatten(0, 1))
    assert torch.equal(out.detach(), golden["out"].flatten(0, 1)), "spikes differ"
    close(x.grad, golden["grad_x"].flatten(0, 1), f"{case}/grad_x")


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("case", begins(TET, "neuron"))
def test_the_surrogate_neuron_with_a_triangle_is_that_of_tet(case, compiled, close):
    settings, golden = TET[case]
    neuron = stbp.LIF(settings["T"], settings["threshold"], settings["decay"], settings["gama"], "triangle")
    if compiled:
        library, reason = dsr.engine.kernels.load(stbp_compiled.SOURCE)
        if library is None:
            pytest.skip(reason)
        stbp.compile_neurons(neuron, library)
    x = golden["x"].flatten(0, 1).requires_grad_()
    out = neuron(x)
    out.backward(golden["grad_out"].flatten(0, 1))
    assert torch.equal(out.detach(), golden["out"].flatten(0, 1)), "spikes differ"
    close(x.grad, golden["grad_x"].flatten(0, 1), f"{case}/grad_x")


@pytest.mark.parametrize("compiled", [False, True])
def test_at_the_threshold_and_at_the_rectangles_edge_nothing_happens(compiled):
    neuron = stbp.LIF(1, threshold=0.5, surrogate_width=0.5)
    if compiled:
        library, reason = dsr.engine.kernels.load(stbp_compiled.SOURCE)
        if library is None:
            pytest.skip(reason)
        stbp.compile_neurons(neuron, library)
    # V - a / 2 and V + a / 2 are outside, V is inside
    x = torch.tensor([[0.25, 0.375, 0.5, 0.625, 0.75]]).requires_grad_()
    out = neuron(x)
    out.sum().backward()
    assert out.tolist() == [[0, 0, 0, 1, 1]]
    assert x.grad.tolist() == [[0, 2, 2, 2, 0]]


@pytest.mark.parametrize("case", begins(SIMPLE, "tdbn"))
def test_threshold_batch_norm_is_that_of_stbp_simple(case, close):
    settings, golden = SIMPLE[case]
    norm = tdbn.ThresholdBatchNorm2d(golden["x"].shape[2], settings["threshold"], settings["alpha"])
    norm.load_state_dict({"weight": golden["weight"], "bias": golden["bias"]}, strict=False)
    x = golden["x"].flatten(0, 1).requires_grad_()
    out = norm(x)
    out.backward(golden["grad_out"].flatten(0, 1))
    close(out, golden["out"].flatten(0, 1), f"{case}/out")
    close(x.grad, golden["grad_x"].flatten(0, 1), f"{case}/grad_x")
    close(norm.weight.grad, golden["grad_weight"], f"{case}/grad_weight")
    close(norm.bias.grad, golden["grad_bias"], f"{case}/grad_bias")
    close(norm.running_mean, golden["running_mean"], f"{case}/running_mean")
    close(norm.running_var, golden["running_var"], f"{case}/running_var")
    close(norm.eval()(x), golden["out_eval"].flatten(0, 1), f"{case}/out_eval")


def surrogate(settings: dict) -> Callable[[], stbp.LIF]:
    half = settings.get("half_width") or settings["surrogate_half_width"]
    return lambda: stbp.LIF(settings["T"], settings["threshold"], settings["decay"], 2 * half)


@pytest.mark.parametrize("case", begins(SIMPLE, "net"))
def test_an_stbp_tdbn_network_takes_the_training_step_of_stbp_simple(case, close):
    settings, golden = SIMPLE[case]
    neuron, threshold = surrogate(settings), settings["threshold"]
    readout = stbp.SpikeReadout(128, settings["classes"], neuron, settings["T"])
    layers = {
        "conv0": nn.Conv2d(3, 6, 3, padding=1, bias=False),
        "bn0": tdbn.ThresholdBatchNorm2d(6, threshold),
        "neuron0": neuron(),
        "conv1": nn.Conv2d(6, 8, 3, padding=1, bias=False),
        "bn1": tdbn.ThresholdBatchNorm2d(8, threshold, 2**-0.5),
        "neuron1": neuron(),
        "pool": nn.AvgPool2d(2),
        "pooled": neuron(),
        "flatten": nn.Flatten(),
        "fc": readout,
    }
    network = nn.Sequential(OrderedDict(layers))
    network.load_state_dict(
        {name.replace("fc.", "fc.linear."): v for name, v in folder(golden, "before").items()}, strict=False
    )
    rate = network(golden["x"].repeat(settings["T"], 1, 1, 1))
    loss = F.cross_entropy(rate, golden["y"])
    loss.backward()
    close(rate, golden["rate"], f"{case}/rate")
    close(loss, golden["loss"], f"{case}/loss")
    expected = {name.replace("fc.", "fc.linear."): v for name, v in folder(golden, "grad").items()}
    same_gradients(network, expected, case, close)
    state = network.state_dict()
    for name, statistic in folder(golden, "after").items():
        close(state[name], statistic, f"{case}/after/{name}")


def stack(layers: str, before: dict[str, Tensor], neuron: Callable[[], nn.Module]) -> nn.Sequential:
    """Layers by name, in order, each but a pool followed by a neuron; sizes are those of their weights."""
    made: OrderedDict[str, nn.Module] = OrderedDict()
    for number, name in enumerate(layers.split()):
        if name == "pool":
            made[f"pool{number}"] = nn.AvgPool2d(2)
            continue
        weight = before[f"{name}.weight"]
        if weight.dim() == 2 and "flatten" not in made:
            made["flatten"] = nn.Flatten()
        sizes, padding = weight.shape[1::-1], weight.shape[-1] // 2
        made[name] = nn.Linear(*sizes) if weight.dim() == 2 else nn.Conv2d(*sizes, weight.shape[-1], padding=padding)
        made[f"{name}_neuron"] = neuron()
    network = nn.Sequential(made)
    network.load_state_dict(before, strict=False)
    return network


@pytest.mark.parametrize(
    ("case", "layers"),
    [
        ("net_cifar10", "conv1 conv2 pool conv3 pool conv4 conv5 fc1 fc2 fc3"),
        ("net_mnist", "conv1 pool conv2 pool fc1 fc2"),
    ],
)
def test_an_stbp_network_takes_the_training_step_of_its_authors(case, layers, close):
    settings, golden = AUTHOR[case]
    network = stack(layers, folder(golden, "before"), surrogate(settings))
    steps = settings["T"]
    currents = (
        [(golden["x"] > at).float() for at in golden["uniform"]] if "uniform" in golden else [golden["x"]] * steps
    )
    out = network(torch.cat(currents)).view(steps, len(golden["x"]), -1).mean(0)
    if "voting" in golden:
        out = out @ golden["voting"]
    loss = F.mse_loss(out, F.one_hot(golden["y"], 10).float())
    loss.backward()
    close(out, golden["out"], f"{case}/out")
    close(loss.view(1), golden["loss"], f"{case}/loss")
    same_gradients(network, folder(golden, "grad"), case, close)


def test_the_clipped_relu_is_deng_and_gus_and_open_at_both_ends():
    settings, golden = DENG_GU["relu_0"]
    x = golden["x"].clone().requires_grad_()
    out = clipped.ClippedReLU(settings["threshold"])(x)
    out.backward(golden["grad_out"])
    assert torch.equal(out.detach(), golden["out"])
    assert torch.equal(x.grad, golden["grad_x"])


def shifted(shift_snn: int, threshold: float = 1.0) -> conversion.IF:
    """Their shift is of theta / (2 S), whatever the T of a run."""
    return conversion.IF(1, threshold, shift=0.5 if shift_snn else 0.0, shift_steps=shift_snn or None)


@pytest.mark.parametrize("case", begins(DENG_GU, "neuron"))
def test_a_shifted_neuron_spikes_as_deng_and_gus_does(case, close):
    settings, golden = DENG_GU[case]
    neuron = shifted(settings["shift_snn"], settings["threshold"])
    out = torch.stack([neuron(current) for current in golden["x"]])
    assert torch.equal(out > 0, golden["out"] > 0), "spikes differ"
    close(out, golden["out"], f"{case}/out")
    close(neuron.membrane, golden["membrane_end"], f"{case}/membrane_end")


class Block(nn.Module):
    """A residual block with a neuron behind its addition."""

    def __init__(self, golden: dict[str, Tensor], inner: nn.Module, outer: nn.Module) -> None:
        super().__init__()
        self.golden, self.inner, self.outer = golden, inner, outer

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.inner(F.conv2d(x, self.golden["conv1"], stride=2, padding=1))
        added = F.conv2d(hidden, self.golden["conv2"], padding=1)
        return self.outer(added + F.conv2d(x, self.golden["shortcut"], stride=2))


def test_a_residual_block_converts_as_deng_and_gus_does(close):
    """Behind the addition their neuron has no shift, as in `deng-gu-released`; the suite's `deng-gu` gives it one."""
    settings, golden = DENG_GU["residual_block"]
    ann = Block(golden, clipped.ClippedReLU(9.0), clipped.ClippedReLU(9.0))
    close(ann(golden["x"]), golden["ann"], "residual_block/ann")
    network = Block(golden, shifted(settings["shift_snn"]), shifted(settings["shift_snn"]))
    conversion.leave_additions_unshifted(network, ())
    calibration.set_thresholds(network, ann, golden["x"], Tensor.amax)
    close(torch.stack([network.inner.threshold, network.outer.threshold]), golden["thresholds"], "thresholds")
    out = torch.stack([network(golden["x"]) for _ in range(settings["T"])])
    assert torch.equal(out > 0, golden["out"] > 0), "spikes differ"
    close(out, golden["out"], "residual_block/out")


def test_a_network_converts_as_deng_and_gus_does(close):
    """Theirs has a neuron on the logits too, whose threshold is the largest of them, as in `deng-gu-released`."""
    settings, golden = DENG_GU["net"]
    before, layers = folder(golden, "before"), "conv1 pool conv2 pool fc"
    ann = stack(layers, before, lambda: clipped.ClippedReLU(9.0))
    ann.fc_neuron = nn.Identity()
    close(ann(golden["x"]), golden["logits_ann"], "net/logits_ann")
    steps = settings["T"]
    network = conversion.Converted(stack(layers, before, lambda: shifted(settings["shift_snn"])), steps)
    calibration.set_thresholds(network, ann, golden["x"], Tensor.amax)
    found = torch.stack([neuron.threshold for neuron in conversion.neurons(network).values()])
    close(found, golden["thresholds"], "net/thresholds")
    stops = range(settings["step"], steps + 1, settings["step"])
    for passed, expected in zip(network.trajectory(golden["x"], stops), golden["out"], strict=True):
        close(passed.logits, expected, f"net/out/{passed.timesteps}")
