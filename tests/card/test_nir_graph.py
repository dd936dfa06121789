"""NIR graphs, written, read back by `nir`, and simulated: the same spikes and logits as the network they are of.

In float64, where no rounding moves a spike. The neurons' steps are also worked out by hand.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import baselines.conversion
import baselines.counts.rate_bp
import baselines.fine_tuned
import baselines.online
import baselines.stbp
import baselines.stbp.plif
import baselines.stbp.sew
import dsr
from benchmarks import catalogue, networks
from benchmarks.card import neurons, nir_graph, nir_simulation
from benchmarks.networks import build
from benchmarks.spec import BadInput

nir = pytest.importorskip("nir", reason="nir is not installed (extra: export)")

STEPS, IMAGES = 4, 6
SPIKING = (
    *("dsr-if", "dsr-lif", "dsr-if-rep", "stbp-tdbn", "stbp-tdbn-spikes", "stbp-tdbn-tuned", "sew"),
    *("plif", "stbp", "diet-snn", "threshold-balancing", "deng-gu", "calibration", "qcfs", "rate-bp"),
    *("plif", "stbp", "diet-snn", "sltt", "ottt-published", "threshold-balancing", "deng-gu", "calibration", "qcfs"),
)


def images(channels: int = 3, size: int = 16) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(IMAGES, channels, size, size, dtype=torch.float64, generator=generator)


def busy(name: str, method: str, x: Tensor) -> nn.Module:
    """A network all of whose layers spike, with norms that fold into something, and corrections that are not 0."""
    torch.manual_seed(0)
    network = build(name, method, STEPS, 10, x.shape[1])
    for module in [*network.modules(), *(m for m in getattr(network, "_hidden", ()) if isinstance(m, nn.Module))]:
        module.double()
    for i, module in enumerate(network.modules()):
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.4)
        if isinstance(module, dsr.IF | dsr.LIF | baselines.conversion.IF):
            module.threshold.data.fill_(0.4 + 0.01 * i if not isinstance(module, dsr.LIF) else 0.03 + 0.001 * i)
        if isinstance(module, baselines.fine_tuned.LIF):
            module.threshold.data.fill_(0.4 + 0.01 * i)
            module.leak.data.fill_(0.8)
        if isinstance(module, baselines.conversion.IF) and method == "calibration":
            module.correction.fill_(0.03 * i)
    if method.endswith("spikes"):
        nn.init.uniform_(network.readout.linear.bias, 0.2, 1.0)
    with torch.no_grad():
        network.train()(x)
    return network.eval()


def through_a_file(graph, path: Path):
    nir.write(path / "network.nir", graph)
    return nir.read(path / "network.nir")


def spikes_of(network: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Of every layer of neurons `(T*B, ...)`, whether it fires."""
    seen: dict[str, list[Tensor]] = {}
    layers = {name: module for name, module in network.named_modules() if hasattr(module, "spike_amplitude")}
    hooks = [
        module.register_forward_hook(lambda m, i, out, name=name: seen.setdefault(name, []).append(out != 0))
        for name, module in layers.items()
    ]
    with torch.no_grad():
        network(x)
    for hook in hooks:
        hook.remove()
    return {name: torch.cat(values) for name, values in seen.items()}


@pytest.mark.parametrize("method", SPIKING)
@pytest.mark.parametrize(
    "name",
    ["preact-resnet-tiny", "preact-resnet-imagenet-tiny", "resnet20", "sew-resnet-tiny", "sew-resnet-imagenet-tiny"],
)
def test_a_graph_that_was_read_back_has_the_networks_spikes_and_logits(tmp_path, name, method):
    x = images(size=32 if "imagenet" in name else 8)
    network = busy(name, method, x)
    graph = through_a_file(nir_graph.graph_of(network, x[:1], STEPS, {"key": "k"}), tmp_path)
    with torch.no_grad():
        logits = network(x)
    assert torch.allclose(nir_simulation.logits(graph, x), logits, rtol=0, atol=1e-9)
    steps = list(nir_simulation.run(graph, x))
    fired = spikes_of(network, x)
    assert {name.replace(".", "_") for name in fired} == {
        k for k, n in graph.nodes.items() if hasattr(n, "v_threshold")
    }
    for layer, ours in fired.items():
        theirs = torch.cat([values[layer.replace(".", "_")] for values in steps])
        assert torch.equal(theirs != 0, ours), layer
        assert set(theirs.unique().tolist()) <= {0.0, 1.0}
    assert logits.std() > 1e-3, "a silent network would agree with anything"
    assert graph.metadata["key"] == "k"


@pytest.mark.parametrize("method", ["dsr-lif", "sew"])
def test_the_network_for_event_data_where_its_pools_fit(tmp_path, method):
    x = images(2, 128)[:2]
    network = busy("sew-dvs-narrow", method, x)
    graph = through_a_file(nir_graph.graph_of(network, x[:1], STEPS, {}), tmp_path)
    with torch.no_grad():
        logits = network(x)
    assert logits.std() > 1e-3
    assert torch.allclose(nir_simulation.logits(graph, x), logits, rtol=0, atol=1e-9)
    with pytest.raises(BadInput, match="is an average pool with ceil_mode"):
        nir_graph.graph_of(network, images(2, 48)[:1], STEPS, {})


@pytest.mark.parametrize("method", ["stbp-published", "plif-published"])
def test_votes_of_output_neurons_are_a_layer_behind_them(tmp_path, method):
    x = images(size=8)
    network = busy("preact-resnet-tiny", method, x)
    nn.init.normal_(network.readout.linear.weight, std=3.0)
    graph = through_a_file(nir_graph.graph_of(network, x[:1], STEPS, {}), tmp_path)
    with torch.no_grad():
        logits = network(x)
    assert logits.std() > 1e-3
    assert torch.allclose(nir_simulation.logits(graph, x), logits, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("network", "method", "why"),
    [
        ("cifarnet-tssl-tiny", "tssl-bp", "features.2 filters in discrete steps, which nir.CubaLIF"),
        ("cifarnet-f-tiny", "ide", "by this suite: the network feeds back from one step to the next"),
    ],
)
def test_synapses_that_filter_and_feedback_are_refused_with_their_reason(network, method, why):
    model = build(network, method, STEPS, 10).double().eval()
    with pytest.raises(BadInput, match=f"not expressible in NIR:? {why}"):
        nir_graph.graph_of(model, images(size=32)[:1].double(), STEPS, {})


def test_a_norm_behind_a_neuron_is_refused_with_its_reason():
    network = busy("preact-resnet-tiny", "stbp-neunorm", images(size=32))
    with pytest.raises(BadInput, match=r"not expressible in NIR: .*NeuNorm. emits no spikes"):
        nir_graph.graph_of(network, images(size=32)[:1], STEPS, {})


@pytest.mark.parametrize("method", ["tandem", "asf-bp", "psn"])
def test_methods_that_count_spikes_are_refused_before_their_norms_are_folded(method):
    network = busy("preact-resnet-tiny", method, images(size=32))
    with pytest.raises(BadInput, match=r"not expressible in NIR: .* emits spikes unlike DSR's"):
        nir_graph.graph_of(network, images(size=32)[:1], STEPS, {})


@pytest.mark.parametrize("hidden", [(), (20,)])
def test_vgg_and_frames_and_copied_pixels(tmp_path, monkeypatch, hidden):
    shape = networks._builder(catalogue.networks.VGG(((8,), (8, 12)), hidden=hidden, dropout=0.1, pooled=3))
    monkeypatch.setattr(networks, "NETWORKS", {**networks.NETWORKS, "vgg-small": shape})
    frames = torch.stack([images(2, 4).roll(t, -1) for t in range(STEPS)])
    network = busy("vgg-small", "dsr-lif", frames[0])
    graph = through_a_file(nir_graph.graph_of(network, frames[0, :1], STEPS, {}), tmp_path)
    with torch.no_grad():
        logits = network(frames)
    assert logits.std() > 1e-3
    assert torch.allclose(nir_simulation.logits(graph, frames), logits, rtol=0, atol=1e-9)
    with pytest.raises(BadInput, match="not expressible in NIR: pool pools 2 x 2 pixels to 3 x 3"):
        nir_graph.graph_of(network, images(2, 8)[:1], STEPS, {})


@pytest.mark.parametrize(
    ("neuron", "expected"),
    [
        # alpha V = 1: v = .5, 1 fires already at the level and keeps -1, -.5, 0, .5, 1 fires
        (dsr.IF(6, threshold=2.0, alpha=0.5), [0, 1, 0, 0, 0, 1]),
        # from 1: 1.5, 2 fires and keeps 0, .5, 1, 1.5, 2 fires
        (baselines.conversion.IF(6, threshold=2.0, start=0.5), [0, 1, 0, 0, 0, 1]),
        # .5, .25 + .5 fires and is 0, .5, .75 fires
        (baselines.stbp.LIF(6, threshold=0.55, decay=0.5), [0, 1, 0, 1, 0, 1]),
        # .5, .75 fires and keeps .2, .6 fires and keeps .05, .525, .7625 fires and keeps .2125, .60625 fires
        (baselines.stbp.LIF(6, threshold=0.55, decay=0.5, reset="soft"), [0, 1, 1, 0, 1, 1]),
        (baselines.stbp.LIF(6, threshold=0.5, decay=0.5), [0, 1, 0, 1, 0, 1]),  # .5 is not above .5
        (baselines.stbp.LIF(6, threshold=1.2, decay=1.0), [0, 0, 1, 0, 0, 1]),
        (baselines.stbp.sew.Neuron(6), [0, 1, 0, 1, 0, 1]),  # .5, 1 fires at the level and is 0
        # a quarter of the way to .5: .125, .21875 fires and is 0
        (baselines.stbp.sew.Neuron(6, threshold=0.21875, tau=4.0), [0, 1, 0, 1, 0, 1]),
        # .5, .75 fires and keeps .2, .6 fires and keeps .05, .525, .7625 fires and keeps .2125, .60625 fires
        (baselines.fine_tuned.LIF(6, threshold=0.55, leak=0.5), [0, 1, 1, 0, 1, 1]),
        (baselines.fine_tuned.LIF(6, threshold=0.5), [0, 1, 1, 1, 1, 1]),  # .5 is not above .5; 1 is, and keeps .5
        # .5, .75 fires at the level and keeps 0, .5, ...
        (baselines.online.LIF(6, threshold=0.75, tau=2.0), [0, 1, 0, 1, 0, 1]),
        # k = .25, from 0: .125, .21875, .2890625, .341796875 fires and is 0, .125, .21875
        (baselines.stbp.plif.PLIF(6, threshold=0.3, tau=4.0), [0, 0, 0, 1, 0, 0]),
        # k = .5: .25 fires at the level and is 0, .25 fires, ...
        (baselines.stbp.plif.PLIF(6, threshold=0.25, tau=2.0), [1, 1, 1, 1, 1, 1]),
        # .5, .25 + .5 fires at the level and is 0, .5, .75 fires
        (baselines.counts.rate_bp.LIF(6, threshold=0.75, decay=0.5), [0, 1, 0, 1, 0, 1]),
    ],
)
def test_a_neuron_fires_as_worked_out_by_hand(neuron, expected):
    node = neurons.of("n", neuron.double()).node((1,), np.float64)
    x, fired = torch.tensor([[0.5]], dtype=torch.float64), []
    v = torch.full_like(x, node.metadata["v_initial"])
    for _ in expected:
        spike, v = nir_simulation.fire(node, v, x)
        fired.append(int(spike))
    assert fired == expected


def test_a_leak_is_the_exact_solution_of_nirs_equation():
    node = neurons.of("n", dsr.LIF(5, threshold=9.0, tau=1.0, dt=0.05)).node((1,), np.float64)
    v, substeps = 0.3, 20_000
    for _ in range(substeps):  # tau dv/dt = -v + R I, over dt, in small steps
        v += 0.05 / substeps / node.tau.item() * (node.v_leak.item() - v + node.r.item() * 0.8)
    assert membrane(node, 0.3, 0.8) == pytest.approx(v, abs=1e-6)
    decays = neurons.of("n", baselines.stbp.LIF(5, threshold=9.0, decay=0.25)).node((1,), np.float64)
    assert membrane(decays, 0.4, 0.8) == pytest.approx(0.25 * 0.4 + 0.8, abs=1e-12)


def membrane(node, before: float, current: float) -> float:
    """After a step in which it does not fire."""
    values = (torch.tensor([value], dtype=torch.float64) for value in (before, current))
    return nir_simulation.fire(node, *values)[1].item()


def test_what_nir_has_no_words_for_is_said():
    def said(*layers: nn.Module) -> list[str]:
        return neurons.unsaid([neurons.of("n", layer).node((1,), np.float32) for layer in layers])

    assert len(said(baselines.stbp.sew.Neuron(4, tau=2.0, train_tau=True))) == 1
    assert said(baselines.stbp.LIF(4)) == [], "hard reset, above the threshold, from 0: NIR says all of this"
    assert [text.split()[1] for text in said(dsr.IF(4))] == ["reset", "is", "neuron"]
    assert len(said(dsr.IF(4, alpha=1.0))) == 2
    assert "membranes start at `v_initial`" in said(baselines.conversion.IF(4, start=0.5))
    assert said(baselines.stbp.LIF(4), baselines.stbp.LIF(4, reset="soft")) == said(baselines.stbp.LIF(4, reset="soft"))


@pytest.mark.parametrize(
    ("layers", "why"),
    [
        ([nn.ReLU()], "1 .ReLU. emits no spikes"),
        ([dsr.IF(1), nn.MaxPool2d(2)], "2 is not a sum, average or linear layer"),
        ([baselines.stbp.LIF(1, decay=0.0)], "the membrane of 1 has decay 0"),
        ([baselines.fine_tuned.LIF(1, leak=0.0)], "the membrane of 1 has decay 0"),
        ([baselines.fine_tuned.LIF(1, delayed=True)], "1 spikes a step late"),
        ([dsr.IF(1), nn.Conv2d(4, 4, 3, groups=2)], "2 is a convolution with groups"),
        ([dsr.IF(1), nn.AvgPool2d(3, 2, ceil_mode=True)], "2 is an average pool with ceil_mode"),
    ],
)
def test_what_nir_cannot_say_is_refused_with_its_reason(layers, why):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), *layers, nn.Conv2d(4, 4, 2), dsr.IF(1), nn.Conv2d(4, 4, 1)).double()
    with pytest.raises(BadInput, match=f"not expressible in NIR: {why}"):
        nir_graph.graph_of(network.eval(), images()[:1], 1, {})


def test_a_neuron_of_another_package_is_refused():
    layer = nn.Identity()
    layer.spike_amplitude = lambda: 1.0  # type: ignore[assignment]
    with pytest.raises(BadInput, match="emits spikes unlike"):
        neurons.of("n", layer)


def test_nirs_sum_pool_is_simulated_too_and_what_is_unknown_is_named():
    pool = nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))
    x = torch.arange(16.0).view(1, 1, 4, 4)
    assert nir_simulation.emitted(pool, x).flatten().tolist() == [10.0, 18.0, 42.0, 50.0]
    with pytest.raises(ValueError, match="Delay"):
        nir_simulation.emitted(nir.Delay(np.array([1.0])), x)
