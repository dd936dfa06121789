"""A run in NeuroBench's terms, against NeuroBench and SpikingJelly themselves on the same network.

Both tell accumulates from multiplications by values: an input of zeros and ones accumulates. DSR's spikes are V / dt
high, so the network is first written as they understand it: norms and amplitudes folded into weights, neurons that
emit ones, and no other function.
"""

from __future__ import annotations

import copy
import json
import warnings
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ended_runs import ended, finish
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from benchmarks.networks import build
from benchmarks.operations import neurobench
from benchmarks.operations.counter import Counter, counting
from benchmarks.runs import store
from benchmarks.spec import BadInput, Run

STEPS, IMAGES = 3, 4


class Ones(nn.Module):
    def __init__(self, neuron: nn.Module) -> None:
        super().__init__()
        self.neuron = neuron

    def forward(self, x: Tensor) -> Tensor:
        return (self.neuron(x) != 0).to(x.dtype)


class Scale(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


def scaled(layer: nn.Module, amplitude: float) -> nn.Module:
    layer = copy.deepcopy(layer)
    layer.weight.data.mul_(amplitude)
    return layer


def folded(network: nn.Module) -> nn.Module:
    """A ResNet with the neuron after the addition, in evaluation mode."""
    network = copy.deepcopy(network)
    network.stem.layer, network.norm = fuse_conv_bn_eval(network.stem.layer, network.norm), nn.Identity()
    amplitude, network.neuron = network.neuron.spike_amplitude(), Ones(network.neuron)
    for block in (block for stage in network.stages for block in stage):
        inner = block.neuron1.spike_amplitude()
        if isinstance(block.shortcut, nn.Identity):
            block.shortcut = Scale(amplitude)
        else:
            block.shortcut = fuse_conv_bn_eval(scaled(block.shortcut[0], amplitude), block.shortcut[1])
        block.conv1 = fuse_conv_bn_eval(scaled(block.conv1, amplitude), block.norm1)
        block.conv2 = fuse_conv_bn_eval(scaled(block.conv2, inner), block.norm2)
        amplitude = block.neuron2.spike_amplitude()
        block.norm1, block.norm2 = nn.Identity(), nn.Identity()
        block.neuron1, block.neuron2 = Ones(block.neuron1), Ones(block.neuron2)
    readout = network.readout
    readout.linear, readout.norm = fuse_linear_bn_eval(scaled(readout.linear, amplitude), readout.norm), nn.Identity()
    return network


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    plain = build("resnet20", "dsr-lif", STEPS, 10)._hidden[0].double()
    for module in plain.modules():
        if hasattr(module, "spike_amplitude"):
            module.threshold.data.fill_(0.02)
        if hasattr(module, "momentum"):
            module.momentum = 1.0
    with torch.no_grad():
        plain(images())
    return plain.eval()


def images() -> Tensor:
    return torch.randn(IMAGES, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def count(network: nn.Module) -> Counter:
    with torch.no_grad(), counting(network, images()[:1], STEPS) as counter:
        network(images())
    return counter


def summary(network: nn.Module, counter: Counter) -> dict[str, Any]:
    rows = [{k: "" if value is None else str(value) for k, value in asdict(row).items()} for row in counter.ledger()]
    run = SimpleNamespace(top1=50.0, key="", dataset="", network="", method="", timesteps=STEPS, scale="")
    return neurobench.summary(rows, run, neurobench.static(network.state_dict()))


def test_a_folded_network_is_the_same_function_and_emits_ones(network):
    with torch.no_grad():
        assert torch.allclose(folded(network)(images()), network(images()), atol=1e-9)
        some = torch.arange(-3.0, 3.0, dtype=torch.float64).view(STEPS, 2)
        assert set(folded(network).neuron(some).unique().tolist()) == {0.0, 1.0}


def test_neurobench_counts_the_same_on_the_folded_network(network):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("snntorch", reason="NeuroBench imports snnTorch")
        pytest.importorskip("neurobench")
        from neurobench.metrics.static import ConnectionSparsity, Footprint
        from neurobench.metrics.workload.activation_sparsity import ActivationSparsity
        from neurobench.metrics.workload.synaptic_operations import SynapticOperations
        from neurobench.models.torch_model import TorchModel
    found, batch = [], (images(), torch.zeros(IMAGES))
    for of, neuron in ((network, type(network.neuron)), (folded(network), Ones)):
        model = TorchModel(of)
        model.add_activation_module(neuron)
        model.register_hooks()
        with torch.no_grad():
            logits = model(images())
        found.append((SynapticOperations()(model, logits, batch), ActivationSparsity()(model, logits, batch)))
        model.cleanup_hooks()
    (as_it_is, sparsity), (theirs, _) = found  # the folded network's readout still emits what it did
    ours = summary(network, count(network))
    assert as_it_is["Effective_ACs"] == 0, "values of V / dt are taken for graded ones: this is why it is folded"
    assert ours["SynapticOperations"] == theirs
    assert ours["SynapticOperations"]["Effective_ACs"] > 0
    assert ours["ActivationSparsity"] == pytest.approx(sparsity, rel=1e-12)
    assert ours["Footprint"] == Footprint()(TorchModel(network))
    assert ours["ConnectionSparsity"] == ConnectionSparsity()(TorchModel(network)) == 0


def test_spikingjelly_counts_the_same_on_the_folded_network(network):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        counters = pytest.importorskip("spikingjelly.activation_based.op_counter")
        theirs = counters.SynOpCounter()
        with torch.no_grad(), counters.DispatchCounterMode([theirs]):
            folded(network)(images())
    rows = count(network).ledger()
    # shortcuts that pass spikes on are no synaptic operations there, and a pooled map is no spikes
    ours = sum(row.operations for row in rows if row.kind == "ac" and row.operation == "conv")
    assert theirs.get_total() == ours > 0


@pytest.fixture(scope="module")
def sums() -> nn.Module:
    """Blocks that add spikes of height 1, as NeuroBench takes them for spikes; sums reach 2 and 3."""
    torch.manual_seed(0)
    network = build("sew-resnet-tiny", "sew", STEPS, 10).double()
    for module in network.modules():
        if hasattr(module, "momentum"):
            module.momentum = 1.0
            nn.init.constant_(module.bias, 0.6)
    with torch.no_grad():
        network(images())
    return network.eval()


def by_values(network: nn.Module) -> tuple[float, float]:
    """Effective MACs and ACs per image as NeuroBench tells them apart, but for norms, which it does not know."""
    found = [0, 0]

    def see(layer: nn.Module, inputs: tuple[Tensor], _: Tensor) -> None:
        x, ones = inputs[0], torch.ones_like(layer.weight)
        marks = (x != 0).double()
        is_spikes = bool(((x == 0) | (x.abs() == 1)).all())
        if isinstance(layer, nn.Linear):
            found[is_spikes] += round(nn.functional.linear(marks, ones).sum().item())
        else:
            reached = nn.functional.conv2d(marks, ones, None, layer.stride, layer.padding)
            found[is_spikes] += round(reached.sum().item())

    hooks = [m.register_forward_hook(see) for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    with torch.no_grad():
        network(images())
    for hook in hooks:
        hook.remove()
    return found[0] / IMAGES, found[1] / IMAGES


def test_sums_of_spikes_are_multiplied_as_one_who_looks_at_values_sees_them(sums):
    counter = count(sums)
    assert {row.kind for row in counter.ledger()} == {"mac", "ac", "sum"}
    ours = summary(sums, counter)["SynapticOperations"]
    assert (ours["Effective_MACs"], ours["Effective_ACs"]) == by_values(sums)


def test_neurobench_counts_the_same_behind_sums_of_spikes(sums):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("snntorch", reason="NeuroBench imports snnTorch")
        pytest.importorskip("neurobench")
        from neurobench.metrics.workload.synaptic_operations import SynapticOperations
        from neurobench.models.torch_model import TorchModel
    ours = summary(sums, count(sums))["SynapticOperations"]
    model = TorchModel(sums)
    model.add_activation_module(type(sums.stem[2]))
    model.register_hooks()
    with torch.no_grad():
        logits = model(images())
    assert ours == SynapticOperations()(model, logits, (images(), torch.zeros(IMAGES)))


def test_a_pool_multiplies_and_weights_of_zero_are_sparse():
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(2, 5, 1)).double()
    network[3].weight.data[:2] = 0
    x = torch.ones(IMAGES, 3, 16, 16, dtype=torch.float64)
    network[0].weight.data.fill_(1.0)
    network[0].bias.data = torch.tensor([0.0, -9.0], dtype=torch.float64)  # one channel of two is silent
    with torch.no_grad(), counting(network.eval(), x[:1], 1) as counter:
        network(x)
    found = summary(network, counter)
    first, second = 3 * 2 * 256, 2 * 5 * 64
    assert found["SynapticOperations"] == {
        "Effective_MACs": first + second / 2,
        "Effective_ACs": 0,
        "Dense": first + second,
    }
    assert found["ActivationSparsity"] == 0.5
    assert found["ConnectionSparsity"] == 4 / 16
    assert found["Footprint"] == 8 * (6 + 2 + 10 + 5)
    assert (found["ClassificationAccuracy"], found["MembraneUpdates"]) == (0.5, 0)


def test_a_run_directory_that_has_all_gets_its_file_and_another_is_refused(tmp_path: Path, network):
    place = finish(tmp_path, Run("digits", "resnet20", "dsr-lif", STEPS, 0, "laptop"))
    with pytest.raises(BadInput, match=r"cannot read .*ledger\.csv"):
        neurobench.rewrite(place)
    counter = count(network)
    store.write_table(place / store.LEDGER, counter.ledger())
    torch.save(network.state_dict(), place / store.NETWORK)
    written = json.loads(neurobench.rewrite(place))
    assert written == json.loads((place / store.NEUROBENCH).read_text())
    assert written["SynapticOperations"] == summary(network, counter)["SynapticOperations"]
    assert written["ClassificationAccuracy"] == ended(Run("digits", "ann", "ann", 1, 0, "laptop")).top1 / 100
    assert set(written["definitions"]) < set(written)
    assert written["MembraneUpdates"] == counter.per_image().neuron_updates
