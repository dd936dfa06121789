"""A network's structure: sizes published or worked out for it, and fvcore's count of its multiply-accumulates."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
import torch
from torch import nn

from benchmarks.catalogue import networks
from benchmarks.methods import parts
from benchmarks.networks import build
from benchmarks.networks.vgg import VGG
from benchmarks.operations.structure import structure
from benchmarks.recipes import resolve
from benchmarks.spec import Run


def test_the_papers_network_has_its_published_size():
    network = build("preact-resnet18", "dsr-if", 2, 10).eval()
    found = structure(network, torch.zeros(1, 3, 32, 32))
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(11.177e6, rel=1e-4)
    assert sum(layer.padded_macs for layer in found.layers) == pytest.approx(555.4e6, rel=1e-4)
    assert sum(found.neurons.values()) == 557_578
    assert len(found.neurons) == 19


@pytest.mark.parametrize(
    ("depth", "macs", "parameters", "thresholds", "neurons"),
    [(20, 40.81e6, 0.273e6, 21, 188_490), (56, 125.7e6, 0.858e6, 57, 532_554), (110, 253.1e6, 1.735e6, 111, 1_048_650)],
)
def test_the_narrow_family_has_the_sizes_worked_out_for_it(depth, macs, parameters, thresholds, neurons):
    network = build(f"preact-resnet{depth}", "dsr-lif", 2, 10).eval()
    found = structure(network, torch.zeros(1, 3, 32, 32))
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(parameters, rel=2e-3)
    assert sum(layer.padded_macs for layer in found.layers) == pytest.approx(macs, rel=1e-3)
    assert len(found.neurons) == thresholds
    assert sum(found.neurons.values()) == neurons


@pytest.mark.parametrize(
    ("name", "parameters", "macs", "neurons"),
    [
        ("resnet19", 12.631e6, 2216.5e6, 18),  # Zheng et al. 2021: 12.63 M; 2.216 G worked out for it
        ("resnet18", 11.174e6, 555.4e6, 17),
        ("resnet20", 272_474, 40.81e6, 19),  # as many operations as its pre-activation sister
        # 3 x 3 convolutions with biases and norms, 512-4096-4096-10: worked out by hand from the widths
        ("vgg16", 14_710_464 + 4_224 + 8_448 + 2_101_248 + 16_781_312 + 40_970, 332.1e6, 15),
    ],
)
def test_the_baselines_networks_have_their_published_sizes(name, parameters, macs, neurons):
    network = build(name, "ann", 1, 10).eval()
    found = structure(network, torch.zeros(1, 3, 32, 32))
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(parameters, rel=1e-3)
    assert sum(layer.padded_macs for layer in found.layers) == pytest.approx(macs, rel=1e-3)
    assert len(found.neurons) == neurons


@pytest.mark.parametrize(
    ("name", "channels", "edge", "classes", "parameters", "macs", "neurons"),
    [
        # those of ResNet-18 and 34, whose layers these are: 11.69 M and 1.814 G, 21.80 M and 3.664 G; a neuron behind
        # each of their 17 and 33 convolutions of 3 x 3 and 7 x 7, and of their three of 1 x 1
        ("sew-resnet18-imagenet", 3, 224, 1000, 11.69e6, 1.814e9, 20),
        ("sew-resnet34-imagenet", 3, 224, 1000, 21.80e6, 3.664e9, 36),
        # by hand: 2 x 64 and 64 x 128 in front of stages, 18 w^2 in each block, two a channel in norms, the classifier
        ("sew-dvs", 2, 128, 10, 128 + 8_192 + 18 * 65_536 + 2 * 1_472 + 1_290, 1_631_716_608, 16),
    ],
)
def test_sew_networks_have_the_sizes_of_resnets_and_of_their_stages(
    name, channels, edge, classes, parameters, macs, neurons
):
    network = build(name, "ann", 1, classes, channels).eval()
    found = structure(network, torch.zeros(1, channels, edge, edge))
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(parameters, rel=5e-4)
    assert sum(layer.padded_macs for layer in found.layers) == pytest.approx(macs, rel=5e-4)
    assert len(found.neurons) == neurons


@pytest.mark.parametrize(
    ("name", "method", "parameters", "macs", "first", "neurons"),
    [
        # worked out for the released networks, ten output neurons a class
        ("cifarnet", "stbp-published", 45.0e6, 1.25e9, 0.0, 8),
        ("plif-cifar10", "plif-published", 36.7e6, 1.69e9, 7e6, 8),  # the first layer once, the others at every step
        ("plif-dvs", "plif-published", 17.4e6, 848e6, 0.0, 6),
    ],
)
def test_stbps_and_plifs_networks_have_their_published_sizes(name, method, parameters, macs, first, neurons):
    shape, channels, edge = networks.ENTRIES[name].shape, 3, 32
    if name == "plif-dvs":  # theirs sees 128 x 128 pixels
        shape, channels, edge = replace(shape, pooled=8), 2, 128
    made = parts(method, 1, resolve(Run("cifar10", name, method, 1, 0, "paper")))
    network = VGG(made, shape, 10, channels).eval()
    found = structure(network, torch.zeros(1, channels, edge, edge))
    macs += first
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(parameters, rel=2e-3)
    assert sum(layer.padded_macs for layer in found.layers) == pytest.approx(macs, rel=5e-3)
    assert found.layers[0].padded_macs == pytest.approx(first or found.layers[0].padded_macs, rel=0.02)
    assert len(found.neurons) == neurons


def test_dsrs_network_for_event_data_has_its_published_size():
    network = build("vgg11", "dsr-lif", 2, 10, in_channels=2).eval()
    found = structure(network, torch.zeros(1, 2, 48, 48))
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(9.476e6, rel=1e-4)
    assert sum(layer.padded_macs for layer in found.layers) == pytest.approx(342.6e6, rel=2e-4)
    assert len(found.neurons) == 9
    # the classifier reads 49 copies of one pixel: a spike there, which four pixels share with 49 copies, reaches 490
    last = found.layers[-1]
    assert last.fanout.tolist() == [[490, 490, 0], [490, 490, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    "name",
    [
        *("preact-resnet18-narrow", "preact-resnet20", "preact-resnet-tiny", "resnet19", "resnet20", "vgg16"),
        *("sew-resnet18-narrow", "sew-resnet34-imagenet-narrow", "sew-dvs-narrow"),
    ],
)
def test_padded_macs_equal_fvcores(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fvcore = pytest.importorskip("fvcore.nn")
        network = build(name, "ann", 1, 10).eval()
        x = torch.zeros(1, 3, 32, 32)
        theirs = fvcore.FlopCountAnalysis(network, x).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        by_operator = theirs.by_operator()
    ours = sum(layer.padded_macs for layer in structure(network, x).layers)
    assert ours == by_operator["conv"] + by_operator["linear"]


def test_dense_macs_equal_fvcores_where_there_is_no_padding():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fvcore = pytest.importorskip("fvcore.nn")
        network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 2, 2, groups=2)).eval()
        theirs = fvcore.FlopCountAnalysis(network, torch.zeros(1, 3, 8, 8)).by_operator()["conv"]
    found = structure(network, torch.zeros(1, 3, 8, 8)).layers
    assert sum(layer.dense_macs for layer in found) == sum(layer.padded_macs for layer in found) == theirs
