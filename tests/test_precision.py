"""Operands in bfloat16: by hardware's arithmetic or by rounding the same experiment, and close to float32's gradients.

bfloat16 keeps 8 bits of a number, the first included: the nearest one is at most 2^-8 of the number away.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import dsr.precision
from benchmarks.catalogue import network_of, timeless
from benchmarks.data import load, training_batches
from benchmarks.methods import BUILT_IN, parts, with_precision
from benchmarks.networks import build
from benchmarks.networks.preact_resnet import PreActResNet
from benchmarks.recipes import resolve
from benchmarks.recipes.delays import of_enough_steps
from benchmarks.spec import BadInput, Run
from benchmarks.training.losses import mean_over_time

LAST = torch.channels_last
STEPS = 4
NEAREST = 2.0**-8
COSINE = 0.999
fast_enough = pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() not in ("AVX512", "AVX512_BF16", "AMX"),
    reason="without AVX-512 torch multiplies bfloat16 tens of times slower",
)


def trained() -> list[str]:
    """Methods that train and can round: transposed convolutions, as in networks that feed back, and OTTT's refuse."""
    trains = [name for name in BUILT_IN if resolve(run_of(name)).epochs and not BUILT_IN[name].feedback]
    return [name for name in trains if not name.startswith("ottt")]


def run_of(method: str, dataset: str = "cifar10") -> Run:
    run = Run(dataset, network_of(method), method, 1 if timeless(method) else STEPS, 0, "laptop")
    return of_enough_steps(run, resolve(run))


def layer_and_input(kind: str) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    if kind == "linear":
        return nn.Linear(40, 24), torch.randn(16, 40)
    groups = 2 if kind == "grouped" else 1
    layer = nn.Conv2d(16, 24, 3, 2, padding=1, groups=groups, bias=kind != "without bias")
    return layer.to(memory_format=LAST), torch.randn(4, 16, 9, 8).contiguous(memory_format=LAST)


def passed(layer: nn.Module, x: Tensor, gradient: Tensor) -> dict[str, Tensor]:
    """Output and gradients of one training pass."""
    x = x.clone().requires_grad_()
    layer.zero_grad()
    y = layer(x)
    y.backward(gradient)
    return {"y": y.detach(), "x": x.grad} | {name: p.grad.clone() for name, p in layer.named_parameters()}


@fast_enough
@pytest.mark.parametrize("kind", ["convolution", "grouped", "without bias", "linear"])
def test_hardware_and_rounding_are_the_same_experiment(kind, monkeypatch):
    """Both multiply the same operands. Hardware also rounds each sum when it stores it; a bias is added afterwards.

    Float32 accumulation moves a sum of n products by at most n 2^-24 times the sum of their magnitudes, in either way.
    """
    layer, x = layer_and_input(kind)
    with torch.no_grad():
        gradient = torch.randn_like(layer(x))
    absolute = layer_and_input(kind)[0]
    for parameter in absolute.parameters():
        parameter.data = parameter.data.abs()
    magnitudes = passed(absolute, x.abs(), gradient.abs())
    rounding = dsr.precision.round_operands(layer)
    found = {}
    for way in ("hardware", "rounding"):
        monkeypatch.setenv("DSR_BFLOAT16", way)
        found[way] = passed(rounding, x, gradient)
    products = 16 * 9 + gradient.numel()  # no sum has more
    for name, by_rounding in found["rounding"].items():
        biased = name == "y" and layer.bias is not None
        stored = by_rounding - layer.bias.detach().view(-1, *[1] * (x.dim() - 2)) if biased else by_rounding
        bound = NEAREST * stored.abs() + 2 * products * 2.0**-24 * 1.01 * magnitudes[name]
        difference = (found["hardware"][name] - by_rounding).abs()
        assert (difference <= bound).all(), name
        assert difference.any() or name == "bias", "nothing is stored in bfloat16: the test shows nothing"


@pytest.mark.parametrize("kind", ["convolution", "grouped", "without bias", "linear"])
def test_rounding_layers_multiply_the_nearest_bfloat16_numbers(kind, monkeypatch):
    """The expected values come from double precision on operands rounded beforehand."""
    monkeypatch.setenv("DSR_BFLOAT16", "rounding")
    layer, x = layer_and_input(kind)
    oracle = layer_and_input(kind)[0].double()
    oracle.weight.data = layer.weight.data.bfloat16().double()
    gradient = torch.randn_like(layer(x))
    expected = passed(oracle, x.bfloat16().double(), gradient.bfloat16().double())
    found = passed(dsr.precision.round_operands(layer), x, gradient)
    for name, value in expected.items():
        assert torch.allclose(found[name].double(), value, rtol=1e-4, atol=1e-4), name
    exact = passed(layer_and_input(kind)[0], x, gradient)
    assert (exact["y"] - found["y"]).abs().max() > 1e-3, "nothing is rounded: the test shows nothing"
    like = torch.empty_like(x)
    assert torch.allclose(dsr.precision.input_gradient(layer, gradient, like), found["x"], atol=1e-5)
    assert torch.allclose(dsr.precision.weight_gradient(layer, gradient, x), found["weight"], atol=1e-4)


SPECIAL = [
    0.0,
    -0.0,
    1.0,
    1 + 2**-8,
    1 + 3 * 2**-8,
    1 + 2**-8 + 2**-20,
    3.39e38,
    3.4e38,
    -3.4e38,
    1e-40,
    1e-45,
    2**-133,
]
SPECIAL += [float("inf"), float("-inf"), float("nan")]


@pytest.mark.parametrize("layout", ["plain", "channels last", "transposed", "every second"])
def test_rounded_is_the_nearest_number_ties_to_even(layout):
    x = torch.cat([torch.tensor(SPECIAL), torch.randn(3 * 4 * 5 * 6 - len(SPECIAL)) * 1e3]).view(3, 4, 5, 6)
    x = {
        "plain": x,
        "channels last": x.contiguous(memory_format=LAST),
        "transposed": x.permute(3, 2, 1, 0),
        "every second": x.repeat_interleave(2, 3)[..., ::2],
    }[layout]
    found = dsr.precision.rounded(x)
    assert torch.equal(found.nan_to_num(7.0), x.bfloat16().float().nan_to_num(7.0))
    assert torch.equal(found.isnan(), x.isnan())
    assert torch.equal(found.signbit() & ~found.isnan(), x.signbit() & ~x.isnan())
    if layout != "every second":
        assert found.stride() == x.stride()
    assert found.data_ptr() != x.data_ptr()


def test_ties_go_to_even_and_the_largest_numbers_to_infinity():
    x = torch.tensor([1 + 2**-8, 1 + 3 * 2**-8, 3.4e38, float("nan")])
    assert dsr.precision.rounded(x)[:3].tolist() == [1.0, 1 + 4 * 2**-8, float("inf")]
    assert dsr.precision.rounded(x)[3].isnan()
    assert dsr.precision.rounded(torch.zeros(0, 3, 4, 4)).shape == (0, 3, 4, 4)
    assert dsr.precision.rounded(torch.tensor([1 + 2**-8], dtype=torch.float64)).tolist() == [1.0]


EDGE = 16


def pair(method: str, dataset: str = "cifar10", channels: int = 3) -> dict[str, nn.Module]:
    """A network in each precision, with the same weights, for images of any size, or else of EDGE pixels."""
    run, networks = run_of(method, dataset), {}
    for precision in ("float32", "bfloat16"):
        torch.manual_seed(0)
        recipe = replace(resolve(run), precision=precision)
        if "edge" in recipe.norm and dataset == "cifar10":
            recipe = replace(recipe, norm={**recipe.norm, "edge": EDGE})
        networks[precision] = build(run.network, method, run.timesteps, 10, channels, recipe).train()
    return networks


def gradients(network: nn.Module, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    network.zero_grad()
    torch.manual_seed(0)  # of spikes that are drawn
    F.cross_entropy(mean_over_time(network(images)), labels).backward()
    return {name: p.grad for name, p in network.named_parameters() if p.dim() > 1}


def cosines(networks: dict[str, nn.Module], images: Tensor, labels: Tensor) -> dict[str, float]:
    """Of the gradient of every layer's weights in float32 and in bfloat16."""
    wide, narrow = (gradients(networks[name], images, labels) for name in ("float32", "bfloat16"))
    pairs = {name: (wide[name].flatten().double(), narrow[name].flatten().double()) for name in wide}
    return {name: F.cosine_similarity(a, b, 0).item() for name, (a, b) in pairs.items() if a.any() or b.any()}


def noise() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(64, 3, EDGE, EDGE, generator=generator).contiguous(memory_format=LAST)
    return images, torch.arange(64) % 10


class _ExactForward(torch.autograd.Function):
    """A layer that multiplies in float32 and whose adjoints have rounded operands."""

    @staticmethod
    def forward(ctx, x, weight, bias, layer):
        ctx.save_for_backward(x)
        ctx.layer = layer
        if isinstance(layer, nn.Linear):
            return F.linear(x, weight, bias)
        return layer._conv_forward(x, weight, bias)

    @staticmethod
    def backward(ctx, grad):
        (x,), layer = ctx.saved_tensors, ctx.layer
        of_x = dsr.precision.input_gradient(layer, grad, x) if ctx.needs_input_grad[0] else None
        return (
            of_x,
            dsr.precision.weight_gradient(layer, grad, x),
            grad.sum([d for d in range(grad.dim()) if d != 1]),
            None,
        )


@pytest.fixture
def exact_forward(monkeypatch):
    """Let training in bfloat16 round the operands of both adjoints, and not those of the forward pass."""

    def forward(layer, x):
        if not layer.training:
            return layer._conv_forward(x, layer.weight, layer.bias) if x.dim() == 4 else nn.Linear.forward(layer, x)
        by_bias = layer.bias if layer.bias is not None else x.new_zeros(layer.weight.shape[0])
        return _ExactForward.apply(x, layer.weight, by_bias, layer)

    monkeypatch.setattr(dsr.precision.Conv2d, "forward", forward)
    monkeypatch.setattr(dsr.precision.Linear, "forward", forward)
    for module in (dsr.engine.trains, dsr.engine.packed, dsr.engine.layout, dsr.precision):
        if hasattr(module, "multiplied"):
            monkeypatch.setattr(module, "multiplied", lambda layer: layer.weight.detach())


@pytest.mark.parametrize("method", trained())
def test_gradients_at_the_start_are_those_of_float32_on_the_same_spikes(method, exact_forward):
    """Rounding moves some currents over a threshold; a spike more or less is another network, not another gradient.

    Forward is therefore float32 in both. With rounded operands in forward, too, the smallest cosine of a layer is 0.99
    (`ann`) to 0.6 (`dsr-if`, `stbp-tdbn`, `qcfs-ann`) on this noise; the test below shows that thresholds are why.
    """
    found = cosines(pair(method), *noise())
    assert found
    assert min(found.values()) > COSINE, {name: round(value, 5) for name, value in found.items() if value < COSINE}
    assert min(found.values()) < 1 - 1e-9, "nothing is rounded: the test shows nothing"


def test_whole_steps_have_the_gradients_of_float32_where_no_threshold_is_crossed():
    """A network whose neurons have no kink: operands of the forward pass are rounded, too."""
    networks = {}
    for precision in ("float32", "bfloat16"):
        torch.manual_seed(0)
        smooth = replace(parts("ann", 1, resolve(run_of("ann"))), neuron=nn.Softplus)
        networks[precision] = PreActResNet(smooth, (1, 1, 1), (8, 16, 32), 10).to(memory_format=LAST).train()
        with_precision(networks[precision], replace(resolve(run_of("ann")), precision=precision))
    found = cosines(networks, *noise())
    assert min(found.values()) > COSINE, found
    assert max(found.values()) < 1 - 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ann", "dsr-if-rep", "dsr-if", "stbp-tdbn"])
def test_gradients_after_a_hundred_steps_are_those_of_float32_on_the_same_spikes(method, exact_forward):
    networks = pair(method, "digits", channels=1)
    recipe = resolve(run_of(method, "digits"))
    data, steps = load("digits", recipe), 0
    optimizer = torch.optim.SGD(networks["float32"].parameters(), 0.05, momentum=0.9)
    while steps < 100:
        for images, labels in training_batches(data, recipe, 0, 1 + steps):
            optimizer.zero_grad()
            F.cross_entropy(networks["float32"](images), labels).backward()
            optimizer.step()
            steps += 1
    networks["bfloat16"].load_state_dict(networks["float32"].state_dict())
    found = cosines(networks, images, labels)
    assert min(found.values()) > COSINE, found
    assert min(found.values()) < 1 - 1e-9


def test_a_layer_that_cannot_round_is_refused_in_a_line():
    recipe = replace(resolve(run_of("ide")), precision="bfloat16")
    with pytest.raises(BadInput, match="precision bfloat16: feedback is a ConvTranspose2d, whose operands cannot be"):
        build(network_of("ide"), "ide", STEPS, 10, 3, recipe)


@pytest.mark.parametrize("method", trained())
def test_evaluation_rounds_nothing(method):
    networks, (images, _) = pair(method), noise()
    labels = noise()[1]  # training gives norms their running statistics
    trained_so = [gradients(networks[name], images, labels) for name in ("float32", "bfloat16")]
    networks["bfloat16"].load_state_dict(networks["float32"].state_dict())
    with torch.no_grad():
        logits = [networks[name].eval()(images) for name in ("float32", "bfloat16")]
    assert torch.equal(*logits)
    assert any(not torch.equal(a, b) for a, b in zip(*map(dict.values, trained_so), strict=True)), (
        "training rounds nothing: the test shows nothing"
    )
