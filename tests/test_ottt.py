"""OTTT against its authors' released code: weights that learn from traces, and standardised weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from golden_vectors import begins, folder, read
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.online import LIF, Steps, standardised, traces
from benchmarks import catalogue
from benchmarks.methods import backward, named, parts
from benchmarks.networks import build
from benchmarks.networks.parts import DirectCoding, Projection
from benchmarks.networks.vgg import VGG
from benchmarks.recipes import resolve
from benchmarks.spec import BadInput, Run

RELEASED = read("ottt_released")
GENERATOR = torch.Generator()


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=GENERATOR.manual_seed(0))


@pytest.mark.parametrize("case", begins(RELEASED, "neuron"))
def test_the_neuron_and_its_trace_are_the_released_ones(case, close):
    settings, golden = RELEASED[case]
    neuron = LIF(
        settings["T"], settings["threshold"], settings["tau"], "sigmoid", steepness=settings["surrogate_alpha"]
    )
    reader = traces.Linear(17, 2)
    reader.decay = neuron.decay
    x, outputs, kept = golden["x"].clone().requires_grad_(), [], []
    for current, grad in zip(x, golden["grad_out"], strict=True):
        outputs.append(neuron(current))
        outputs[-1].backward(grad)
        kept.append(reader.traced(outputs[-1]))
    assert torch.equal(torch.stack(outputs).detach(), golden["out"]), "spikes differ"
    close(torch.stack(kept), golden["trace"], f"{case}/trace")
    close(x.grad, golden["grad_x"], f"{case}/grad_x")


@pytest.mark.parametrize("case", begins(RELEASED, "trace_layer"))
def test_a_layers_weights_learn_from_the_trace_and_its_input_from_the_step(case, close):
    settings, golden = RELEASED[case]
    neuron = LIF(
        settings["T"], settings["threshold"], settings["tau"], "sigmoid", steepness=settings["surrogate_alpha"]
    )
    layer = nn.Linear(13, 7)
    layer.load_state_dict({"weight": golden["weight"], "bias": golden["bias"]})
    network = traces.trace(nn.Sequential(neuron, layer), neuron.decay, DirectCoding)
    x = golden["x"].clone().requires_grad_()
    for t, current in enumerate(x):
        out = network(current)
        close(out, golden["out"][t], f"{case}/out")
        out.backward(golden["grad_out"][t])
    close(layer.weight.grad, golden["grad_weight"], f"{case}/grad_weight")
    close(layer.bias.grad, golden["grad_bias"], f"{case}/grad_bias")
    close(x.grad, golden["grad_x"], f"{case}/grad_x")


def shape_of(channels: list[int | str]) -> catalogue.networks.VGG:
    groups: list[list[int]] = [[]]
    for one in channels:
        if one == "M":
            groups.append([])
        else:
            groups[-1].append(int(one))
    return catalogue.networks.VGG(tuple(map(tuple, groups)), last_pool=False)


def our_names(released: dict[str, Tensor], network: VGG) -> dict[str, Tensor]:
    """The released state's names -> ours: convolutions in their order, and the classifier."""
    layers = [name for name, m in network.named_modules() if isinstance(m, nn.Conv2d)]
    theirs = list(dict.fromkeys(name.rpartition(".")[0] for name in released if name.startswith("features")))
    place = dict(zip(theirs, layers, strict=True)) | {"classifier.0.op": "readout.linear"}
    inside = {"weight": "parametrizations.weight.original", "gain": "parametrizations.weight.0.gain", "bias": "bias"}
    found = {}
    for name, value in released.items():
        layer, _, kind = name.rpartition(".")
        ours = inside[kind] if layer.startswith("features") else kind
        found[f"{place[layer]}.{ours}"] = value.flatten() if kind == "gain" else value
    return found


@pytest.mark.parametrize("case", begins(RELEASED, "net_a"))
def test_a_network_takes_the_same_training_step_as_the_released_code(case, close, monkeypatch):
    settings, golden = RELEASED[case]
    steps, method = settings["T"], "ottt-published"
    recipe = replace(
        resolve(Run("cifar10", "ottt-vgg11", method, steps, 0, "paper")), loss_share=settings["loss_lambda"]
    )
    assert recipe.neuron["height"] == settings["scale_after_neuron"]
    inner = VGG(parts(method, steps, recipe), shape_of(settings["channels"]), settings["classes"])
    network = named(method).wrap(inner, steps, recipe)
    assert isinstance(network, Steps)
    network.load_state_dict(our_names(folder(golden, "before"), inner))
    seen: list[Tensor] = []
    remembered = network.outputs
    monkeypatch.setattr(network, "outputs", lambda x: (seen.append(o.detach()) or o for o in remembered(x)))  # type: ignore[func-returns-value]
    _, loss = backward(method, recipe)(network.train(), golden["x"], golden["y"])

    close(torch.cat(seen), golden["logits"], f"{case}/logits")
    close(loss, golden["loss"].sum(), f"{case}/loss")
    found, expected = {name: p.grad for name, p in network.named_parameters()}, our_names(folder(golden, "grad"), inner)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        close(found[name], gradient, f"{case}/grad/{name}")
    network.eval()
    with torch.no_grad():
        close(network(golden["x"]), golden["logits_eval"].mean(0), f"{case}/logits_eval")


@pytest.mark.parametrize(
    "layer",
    [nn.Conv2d(3, 5, 3, 2, padding=1), nn.Conv2d(3, 5, 1, 2, bias=False), Projection(3, 5, 1, 2), nn.Conv2d(3, 5, 3)],
)
def test_a_convolutions_weights_learn_from_the_trace(layer: nn.Conv2d) -> None:
    """Against torch's own gradient, step by step: of the weights for the trace, of the input for the input."""
    plain = nn.Conv2d(3, 5, layer.kernel_size, layer.stride, layer.padding, bias=layer.bias is not None)
    plain.load_state_dict(layer.state_dict())
    traced = traces.trace(nn.Sequential(layer), 0.5, DirectCoding, {Projection: traces.Conv2d})
    plain, traced = plain.double(), traced.double()
    trace = torch.zeros(2, 3, 7, 7, dtype=torch.float64)
    for step in noise(3, 2, 3, 7, 7).double().to(memory_format=torch.channels_last_3d):
        x, y = step.clone().requires_grad_(), step.clone().requires_grad_()
        trace = 0.5 * trace + step
        out = traced(x)
        assert torch.allclose(out, plain(step))
        of_out = torch.cos(out.detach())
        out.backward(of_out)
        plain(trace).backward(of_out)
        F.conv2d(y, plain.weight.detach(), None, plain.stride, plain.padding).backward(of_out)
        assert torch.allclose(x.grad, y.grad)
    assert torch.allclose(layer.weight.grad, plain.weight.grad)
    if layer.bias is not None:
        assert torch.allclose(layer.bias.grad, plain.bias.grad)


def test_a_layer_behind_a_pool_keeps_what_comes_of_the_neurons_trace() -> None:
    torch.manual_seed(0)
    neuron, pool, layer = LIF(4, tau=2.0), nn.AvgPool2d(2), nn.Conv2d(3, 2, 3)
    network = traces.trace(nn.Sequential(neuron, pool, layer), 0.5, DirectCoding)
    emitted: list[Tensor] = []
    neuron.register_forward_hook(lambda module, inputs, spikes: emitted.append(spikes))
    of_neuron = torch.zeros(2, 3, 8, 8)
    for current in 2 * noise(4, 2, 3, 8, 8):
        network(current)
        of_neuron = 0.5 * of_neuron + emitted[-1]
        assert torch.allclose(layer.trace, pool(of_neuron))
    assert of_neuron.max() > 1.5


def test_the_first_layer_sees_images_and_leaves_no_trace() -> None:
    network = build("preact-resnet-tiny", "ottt", 3, 10)
    plain = [name for name, m in network.named_modules() if type(m) in (nn.Conv2d, Projection, nn.Linear)]
    assert plain == ["stem.layer"]


def test_a_standardised_channel_has_mean_0_and_its_gain_as_length() -> None:
    network = standardised.standardise(nn.Sequential(nn.Conv2d(3, 4, 3)))
    weight = network[0].weight.flatten(1)
    assert weight.mean(1).abs().max() < 1e-6
    n, eps = 27, 1e-4  # var is unbiased: the sum of squares is (n - 1) var
    around = network[0].parametrizations.weight.original.flatten(1).var(1)
    assert torch.allclose(weight.square().sum(1), (n - 1) * around / (n * around + eps), rtol=1e-4)
    network[0].parametrizations.weight[0].gain.data.fill_(3.0)
    assert torch.allclose(network[0].weight.flatten(1), 3 * weight)


def test_layers_that_round_their_operands_are_refused_in_a_line() -> None:
    recipe = replace(resolve(Run("cifar10", "preact-resnet-tiny", "ottt", 3, 0, "laptop")), precision="bfloat16")
    with pytest.raises(
        BadInput, match=r"^precision bfloat16: a layer that rounds its operands cannot learn from a trace"
    ):
        build("preact-resnet-tiny", "ottt", 3, 10, recipe=recipe)


def test_precision_is_not_blamed_for_a_layer_that_has_no_trace() -> None:
    recipe = resolve(Run("cifar10", "preact-resnet-tiny", "ottt", 3, 0, "laptop"))
    network = nn.Sequential(LIF(3), nn.Conv1d(3, 4, 3))
    with pytest.raises(BadInput, match=r"^1 is a Conv1d, which cannot learn from a trace of its input$"):
        named("ottt").wrap(network, 3, recipe)
