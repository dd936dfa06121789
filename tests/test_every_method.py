"""Every method on every kind of network: a new method is tested here without writing a test."""

from __future__ import annotations

import pytest
import torch

from benchmarks import contract
from benchmarks.contract import CLAUSES, steps_of
from benchmarks.methods import METHODS
from benchmarks.networks import build
from benchmarks.operations.counter import counting
from benchmarks.spec import BadInput

SLOW = (contract.runs_on_every_network, contract.learns)


def marked(values, slow):
    """Parameters, the slow ones marked."""
    return [pytest.param(value, marks=pytest.mark.slow) if value in slow else value for value in values]


@pytest.mark.parametrize("clause", marked(CLAUSES, SLOW), ids=lambda clause: clause.__name__)
@pytest.mark.parametrize("method", METHODS)
def test_it_keeps_its_contract(method, clause):
    clause(method)


@pytest.mark.parametrize("network", marked(["vgg11", "vgg16", "sew-resnet-tiny", "sew-dvs-narrow"], ["vgg16"]))
@pytest.mark.parametrize("method", METHODS)
def test_it_runs_on_vggs_and_on_blocks_that_add_spikes(method, network):
    logits = build(network, method, steps_of(method), classes=7)(torch.randn(2, 3, 32, 32))
    assert logits.shape == (2, 7)
    assert logits.isfinite().all()


@pytest.mark.parametrize(
    "network",
    marked(
        [
            *("resnet19", "resnet20", "vgg11", "vgg16", "preact-resnet-imagenet-tiny"),
            *("sew-resnet-tiny", "sew-resnet-imagenet-tiny", "sew-dvs-narrow"),
        ],
        ["resnet19", "vgg16"],
    ),
)
@pytest.mark.parametrize(
    ("method", "dtype", "may_differ"),
    # float32: sums in another order move a spike or two, and those move others
    [("dsr-if", torch.float64, 0.0), ("dsr-lif-rep", torch.float64, 0.0), ("dsr-if", torch.float32, 0.25)],
)
def test_an_engine_computes_the_network_it_runs(network, method, dtype, may_differ):
    torch.manual_seed(0)
    model, x = build(network, method, 2, classes=7).to(dtype), torch.randn(4, 3, 32, 32, dtype=dtype)
    for module in model.modules():
        if hasattr(module, "spike_amplitude"):
            module.threshold.data.fill_(0.1)
        if hasattr(module, "momentum"):
            module.momentum = 1.0  # the statistics of one batch are the running ones
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.kaiming_normal_(module.weight)  # as VGGs start, their last layers are silent for two steps
    model(x)
    with torch.no_grad():
        by_engine = model.eval()(x)
        seen = []
        handle = model.readout.norm.register_forward_hook(lambda *of: seen.append(of[2]))
        by_modules = model(x)
    handle.remove()
    assert seen
    assert by_modules.std() > 0
    assert ((by_engine - by_modules).abs() > 1e-6).double().mean() <= may_differ


def test_unknown_names_are_refused_in_one_line():
    with pytest.raises(BadInput, match=r"unknown method 'dsr-fi' \(did you mean 'dsr-if'\?\); allowed: ann, "):
        build("preact-resnet20", "dsr-fi", 2, 10)
    with pytest.raises(BadInput, match="unknown network 'resnet'"):
        build("resnet", "ann", 1, 10)


@pytest.mark.parametrize("network", ["vgg11-narrow", "vgg16"])
def test_a_vggs_fully_connected_weights_start_as_released(network: str) -> None:
    torch.manual_seed(0)
    layers = [m for m in build(network, "ann", 1, 10).modules() if isinstance(m, torch.nn.Linear)]
    assert [layer.weight.std().item() for layer in layers] == pytest.approx([0.01] * len(layers), rel=0.05)
    assert not any(layer.bias.any() for layer in layers)


@pytest.mark.parametrize("network", ["cifarnet-narrow", "plif-cifar10-narrow", "plif-dvs-narrow"])
def test_stbps_and_plifs_networks_start_as_torch_does(network: str) -> None:
    """Uniform within 1 / sqrt(inputs)."""
    torch.manual_seed(0)
    for module in build(network, "stbp", 1, 10).modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
            inputs = module.weight[0].numel()
            assert module.weight.abs().max().item() == pytest.approx(inputs**-0.5, rel=0.02)
            assert module.weight.std().item() == pytest.approx((3 * inputs) ** -0.5, rel=0.1)


@pytest.mark.parametrize("network", ["vgg11-narrow", "vgg16", "resnet20", "sew-resnet-tiny", "sew-dvs-narrow"])
def test_an_ann_multiplies_no_more_than_is_dense(network: str) -> None:
    x = torch.randn(2, 3, 32, 32)
    model = build(network, "ann", 1, 10).eval()
    with torch.no_grad(), counting(model, x[:1], 1) as counter:
        model(x)
    counted = counter.per_image()
    assert 0 < counted.analog_macs <= counted.dense_macs_per_step
    assert all(row.operations <= 2 * row.dense_macs_per_step for row in counter.ledger())
