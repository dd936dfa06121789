"""What people do with networks: copy, prune, mix precisions, exchange layers. What runs them fast is not in the way."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

import dsr
from baselines import conversion
from benchmarks.networks import build

METHODS = ("ann", "qcfs-ann", "dsr-if", "dsr-lif-rep", "stbp-tdbn", "tandem", "asf-bp", "qcfs", "calibration")
METHODS += ("sltt", "ottt")
BY_ENGINE = ("dsr-if", "dsr-lif-rep")


def network(method: str) -> nn.Module:
    torch.manual_seed(0)
    made = build("preact-resnet-tiny", method, 1 if method.endswith("ann") else 3, 10)
    for module in made.modules():
        if isinstance(module, dsr.IF | dsr.LIF | conversion.IF):
            module.threshold.data.fill_(0.05 if isinstance(module, dsr.LIF) else 0.5)  # where it fires, untrained
        if hasattr(module, "momentum"):
            module.momentum = 1.0  # the statistics of one batch are the running ones
    made(x())
    return made


def x(images: int = 6) -> Tensor:
    return torch.randn(images, 3, 16, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float32)


@torch.no_grad()
def logits(of: nn.Module) -> Tensor:
    found: Tensor = of.eval()(x())
    return found


@pytest.fixture
def restored_default() -> Iterator[None]:
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("method", METHODS)
def test_it_is_copied_after_it_has_run(method):
    of = network(method)
    expected = logits(of)
    of.train()(x())
    other = copy.deepcopy(of)
    logits(of)
    for parameter in of.parameters():
        parameter.data.zero_()
    other.load_state_dict(network(method).state_dict())
    assert expected.std() > 0
    assert torch.equal(logits(other), expected)


@pytest.mark.parametrize("method", METHODS)
def test_it_is_pickled(method):
    of = network(method)
    assert torch.equal(logits(pickle.loads(pickle.dumps(of))), logits(of))


@pytest.mark.parametrize("method", METHODS)
def test_nothing_of_a_batch_is_kept(method):
    of = network(method).train()
    last = weakref.ref(of(x()).grad_fn) if "dsr" in method else weakref.ref(of(x()))
    gc.collect()
    assert last() is None


@pytest.mark.parametrize("method", METHODS)
def test_autocast_gives_nearly_the_same(method):
    of = network(method)
    expected = logits(of)
    with torch.autocast("cpu", torch.bfloat16):
        found = logits(of)
        if method == "dsr-lif-rep":
            with pytest.raises(NotImplementedError, match="autocast cannot be used in representation space"):
                of.train()(x())
        elif method in ("ann", "qcfs-ann", "dsr-if", "stbp-tdbn", "tandem", "asf-bp", "sltt", "ottt"):
            of.train()(x()).float().square().sum().backward()
    assert (found - expected).abs().max() < 0.5
    assert found.std() > 0
    assert all(p.grad is None or p.grad.isfinite().all() for p in of.parameters())


@pytest.mark.parametrize("method", METHODS)
def test_the_default_dtype_is_nobodys_business(method, restored_default):
    one, other = network(method), network(method)
    expected, trained = logits(one), other.train()(x())
    one.load_state_dict(network(method).state_dict())
    torch.set_default_dtype(torch.float64)
    assert torch.equal(logits(one), expected)
    assert torch.equal(one.train()(x()), trained)


@pytest.mark.parametrize("what", ["linear", "readout"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("method", BY_ENGINE)
def test_a_layer_that_is_exchanged_is_not_passed_over(method, training, what):
    of = network(method).train(training)
    setattr(of.readout if what == "linear" else of, what, nn.Linear(of.readout.linear.in_features, 7))
    with (
        torch.no_grad(),
        pytest.raises(RuntimeError, match=f"'{what}' has been replaced since"),
    ):
        of(x())


def test_a_pruned_network_trains_and_is_evaluated_with_its_mask():
    of, plain = network("dsr-if"), network("dsr-if")._hidden[0]
    for one in (of, plain):
        one.to(memory_format=torch.contiguous_format)  # torch's pruning takes weights of no other layout
        prune.l1_unstructured(one.blocks[0].conv1 if hasattr(one, "blocks") else first_convolution(one), "weight", 0.5)
        optimizer = torch.optim.SGD(one.parameters(), 0.05)
        for _ in range(3):
            optimizer.zero_grad()
            one.train()(x()).square().sum().backward()
            optimizer.step()
    assert torch.allclose(logits(of), logits(plain), atol=1e-6)
    assert (first_convolution(of).weight == 0).float().mean() >= 0.5
    with pytest.raises(NotImplementedError, match="cannot be observed"), of.observed(lambda name, spikes: None):
        pass


def test_a_pruned_network_is_refused_where_its_mask_would_be_passed_over():
    of = network("dsr-if-rep").to(memory_format=torch.contiguous_format)
    prune.l1_unstructured(first_convolution(of), "weight", 0.5)
    with pytest.raises(NotImplementedError, match="forward pre-hooks"):
        of.train()(x())


def first_convolution(of: nn.Module) -> nn.Conv2d:
    return next(module for name, module in of.named_modules() if name.endswith("conv1"))


@pytest.mark.parametrize("method", BY_ENGINE)
def test_evaluation_mode_has_gradients_where_they_are_wanted(method):
    of, images = network(method).eval(), x().requires_grad_()
    found = of(images)
    found.square().sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
    assert torch.allclose(found, logits(of), atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_an_empty_batch_has_empty_logits(method):
    with torch.no_grad():
        assert network(method).eval()(x(0)).shape == (0, 10)
