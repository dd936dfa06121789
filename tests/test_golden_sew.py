"""SEW ResNets against numbers made with their authors' released blocks and networks (`tests/golden/README.md`)."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from golden_vectors import begins, folder, read
from torch import Tensor, nn
from torch.nn import functional as F

import baselines.ann
from baselines.stbp import sew
from benchmarks.networks.parts import DirectCoding, Parts
from benchmarks.networks.sew_resnet import Block, SEWEventNet, SEWResNet

GOLDEN = read("sew_released")
NAMES = (
    # the stem of a network for images
    (r"^conv1\.weight", "stem.0.layer.weight"),
    (r"^bn1\.", "stem.1."),
    (r"^layer(\d)\.", lambda found: f"stages.{int(found[1]) - 1}."),
    # a block; "module" is theirs for what is done to all steps at once
    (r"(conv[12])\.module\.0\.", r"\1."),
    (r"conv([12])\.module\.1\.", r"norm\1."),
    (r"downsample\.0\.module\.", "shortcut."),
    # a network for event data: its first layer, one in front of a stage, a block
    (r"^conv\.0\.0\.module\.0\.", "features.0.0.layer."),
    (r"^conv\.(\d)\.0\.module\.", r"features.\1."),
    (r"^conv\.(\d)\.1\.w", r"features.\1.2.w"),
    (r"^conv\.(\d)\.conv\.(\d)\.0\.module\.0", lambda found: f"features.{found[1]}.conv{int(found[2]) + 1}"),
    (r"^conv\.(\d)\.conv\.(\d)\.0\.module\.1", lambda found: f"features.{found[1]}.norm{int(found[2]) + 1}"),
    (r"^conv\.(\d)\.conv\.(\d)\.1\.w", lambda found: f"features.{found[1]}.neuron{int(found[2]) + 1}.w"),
    (r"^(fc|out)\.", "readout.linear."),
)


def ours(theirs: str) -> str:
    """Our name of one of their parameters."""
    for pattern, name in NAMES:
        theirs = re.sub(pattern, name, theirs)
    return theirs


def parts(timesteps: int, **neuron: object) -> Parts:
    return Parts(
        timesteps,
        lambda: sew.Neuron(timesteps, **neuron),  # type: ignore[arg-type]
        lambda features, branches=1: nn.BatchNorm2d(features),
        lambda features, classes, reencode=True: baselines.ann.Readout(features, classes, timesteps),
        nn.MaxPool2d,
    )


def loaded(network: nn.Module, golden: dict[str, Tensor]) -> nn.Module:
    """The network with their weights; a number of theirs has the shape (1,)."""
    state = network.state_dict()
    before = {ours(name): value for name, value in folder(golden, "before").items()}
    found = network.load_state_dict({name: v.view_as(state[name]) for name, v in before.items()}, strict=False)
    assert not found.unexpected_keys
    assert all(re.search("num_batches_tracked|running", name) for name in found.missing_keys)
    return network


def same_gradients(network: nn.Module, golden: dict[str, Tensor], case: str, close: Callable[..., None]) -> None:
    found = {name: p.grad for name, p in network.named_parameters()}
    expected = {ours(name): value for name, value in folder(golden, "grad").items()}
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        close(found[name], gradient.view_as(found[name]), f"{case}/grad/{name}")


@pytest.mark.parametrize("case", begins(GOLDEN, "block"))
def test_a_block_and_its_gradients_are_theirs_for_each_way_to_join_spikes(case, close):
    settings, golden = GOLDEN[case]
    x = golden["x"].flatten(0, 1).requires_grad_()
    inputs, outputs = x.shape[1], golden["out"].shape[2]
    block = Block(parts(settings["T"]), inputs, outputs, settings["stride"], settings["connect"].lower())
    out = loaded(block, golden)(x)
    out.backward(golden["grad_out"].flatten(0, 1))
    assert torch.equal(out, golden["out"].flatten(0, 1)), "spikes differ"
    close(x.grad, golden["grad_x"].flatten(0, 1), f"{case}/grad_x")
    same_gradients(block, golden, case, close)


def trained(network: nn.Module, x: Tensor, case: str, close: Callable[..., None]) -> None:
    """A training step and an evaluation are theirs."""
    golden = GOLDEN[case][1]
    logits = loaded(network, golden)(x)
    loss = F.cross_entropy(logits, golden["y"])
    loss.backward()
    close(logits, golden["logits_train"], f"{case}/logits_train")
    close(loss.view(1), golden["loss"], f"{case}/loss")
    same_gradients(network, golden, case, close)
    state = network.state_dict()
    for name, statistic in folder(golden, "after").items():
        if ours(name) == "stem.1.running_var":
            _same_variance(state[ours(name)], statistic, x, GOLDEN[case], close)
            state[ours(name)].copy_(statistic)
        else:
            close(state[ours(name)], statistic, f"{case}/after/{name}")
    with torch.no_grad():
        close(network.eval()(x), golden["logits_eval"], f"{case}/logits_eval")


def _same_variance(
    found: Tensor, expected: Tensor, x: Tensor, case: tuple[dict, dict[str, Tensor]], close: Callable[..., None]
) -> None:
    """Their stem's norm sees an image once, ours at every step: the same variance, but n / (n - 1) for another n."""
    settings, golden = case
    kept, once = 0.9 * golden["before/bn1.running_var"], x.shape[0] * (x.shape[2] // 2) ** 2
    every = once * settings["T"]
    close(found - kept, (expected - kept) * (once - 1) / once * every / (every - 1), "stem's variance")


@pytest.mark.parametrize("case", ["net_add", "net_iand"])
def test_a_network_for_imagenet_takes_their_training_step(case, close):
    settings, golden = GOLDEN[case]
    sizes = tuple(settings["blocks"]), tuple(settings["widths"]), golden["logits_train"].shape[1]
    network = SEWResNet(parts(settings["T"]), *sizes, 3, True, settings["connect"].lower())
    trained(network, golden["x"], case, close)


def test_the_network_for_event_data_takes_their_training_step(close):
    """Of another first block's width and second stage's kernel than the suite's networks have."""
    settings, golden = GOLDEN["net_dvs_add"]
    network = SEWEventNet(parts(settings["T"], tau=2.0, train_tau=True), (4, 6), 5, 2, "add", pooled=4)
    network.features[1].conv1, network.features[1].norm1 = nn.Conv2d(4, 5, 3, padding=1, bias=False), nn.BatchNorm2d(5)
    network.features[1].conv2 = nn.Conv2d(5, 4, 3, padding=1, bias=False)
    network.features[3][0] = nn.Conv2d(4, 6, 3, padding=1, bias=False)
    assert isinstance(network.features[0][0], DirectCoding)
    trained(network, golden["x"].transpose(0, 1), "net_dvs_add", close)
