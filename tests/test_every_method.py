"""Every method on every kind of network: a new method is tested here without writing a test."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from benchmarks.methods import METHODS
from benchmarks.networks import NETWORKS, build
from benchmarks.recipes import resolve, timeless
from benchmarks.spec import BadInput, Run
from benchmarks.structure import structure
from benchmarks.synops import counting

TRAINED = [name for name in METHODS if resolve(Run("cifar10", "preact-resnet-tiny", name, 1, 0, "paper")).epochs]


def steps_of(method: str) -> int:
    return 1 if timeless(method) else 3


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("network", [name for name in NETWORKS if name not in ("preact-resnet18", "preact-resnet110")])
def test_it_maps_images_to_finite_logits(network, method):
    torch.manual_seed(0)
    model = build(network, method, steps_of(method), classes=7, in_channels=3)
    logits = model(torch.randn(2, 3, 32, 32))
    assert logits.shape == (2, 7)
    assert logits.isfinite().all()


@pytest.mark.parametrize("network", ["resnet19", "resnet20", "vgg16"])
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


@pytest.mark.parametrize("method", TRAINED)
def test_every_parameter_gets_a_finite_gradient(method):
    torch.manual_seed(0)
    model = build("preact-resnet-tiny", method, steps_of(method), 10)
    F.cross_entropy(model(torch.randn(8, 3, 32, 32)), torch.arange(8)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_carried_from_one_batch_to_the_next(method):
    torch.manual_seed(0)
    model = build("preact-resnet-tiny", method, steps_of(method), 10).eval()
    x = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        first = model(x)
        model(torch.randn(6, 3, 32, 32))
        assert torch.equal(model(x), first)


@pytest.mark.parametrize("method", METHODS)
def test_an_images_logits_do_not_depend_on_its_batch(method):
    torch.manual_seed(0)
    model = build("preact-resnet-tiny", method, steps_of(method), 10)
    x = torch.randn(4, 3, 32, 32)
    model(x)
    model.eval()
    with torch.no_grad():
        together = model(x)
        alone = torch.cat([model(x[i : i + 1]) for i in range(4)])
    assert torch.allclose(together, alone, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_event_frames_that_repeat_an_image_give_the_images_logits(method):
    torch.manual_seed(0)
    steps = steps_of(method)
    model = build("preact-resnet-tiny", method, steps, 10).eval()
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(model(x.expand(steps, *x.shape)), model(x), atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_state_saved_and_loaded_gives_the_same_function(method):
    torch.manual_seed(0)
    model = build("preact-resnet-tiny", method, steps_of(method), 10)
    x = torch.randn(2, 3, 32, 32)
    model(x)
    other = build("preact-resnet-tiny", method, steps_of(method), 10)
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert torch.equal(other.eval()(x), model.eval()(x))


@pytest.mark.parametrize("method", METHODS)
def test_its_operations_are_booked_as_what_they_are(method):
    torch.manual_seed(0)
    model = build("preact-resnet-tiny", method, steps_of(method), 10)
    x = torch.randn(4, 3, 32, 32)
    model(x)
    model.eval()
    with counting(model, x[:1], steps_of(method)) as counter, torch.no_grad():
        model(x)
    counted = counter.per_image()
    stem = structure(model, x[:1]).layers[0].dense_macs
    if timeless(method):
        assert counted.acs == 0
        assert stem < counted.analog_macs <= counted.dense_macs_per_step
    else:
        assert counted.analog_macs == stem  # nothing behind the first layer multiplies
        assert counted.firing_rate is not None
        assert 0 <= counted.firing_rate <= 1
        assert counted.acs <= steps_of(method) * (counted.dense_macs_per_step + counted.neuron_updates * 10)


def test_two_methods_start_from_the_same_weights():
    weights = {}
    for method in ("ann", "dsr-if", "stbp-tdbn"):
        torch.manual_seed(3)
        weights[method] = dict(build("preact-resnet-tiny", method, 1, 10).named_parameters())
    shared = {name for name in weights["ann"] if name.endswith("conv1.weight") or name == "readout.linear.weight"}
    assert len(shared) == 4
    for name in shared:
        assert torch.equal(weights["ann"][name], weights["dsr-if"][name]), name
        assert torch.equal(weights["ann"][name], weights["stbp-tdbn"][name]), name


def test_unknown_names_are_refused_in_one_line():
    with pytest.raises(BadInput, match=r"unknown method 'dsr-fi' \(did you mean 'dsr-if'\?\); there are: ann, "):
        build("preact-resnet20", "dsr-fi", 2, 10)
    with pytest.raises(BadInput, match="unknown network 'resnet'"):
        build("resnet", "ann", 1, 10)
