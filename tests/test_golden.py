"""DSR against its authors' released code, STBP-tdBN against SpikingJelly; `test_golden_released.py` has the others."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from golden_vectors import read
from torch import Tensor, nn
from torch.nn import functional as F

import dsr
from baselines import stbp
from baselines.stbp import tdbn
from benchmarks.methods import parts
from benchmarks.networks.parts import DirectCoding
from benchmarks.networks.preact_resnet import PreActResNet
from benchmarks.recipes import resolve
from benchmarks.spec import Run

DSR_CASES = read("dsr_official")
STBP_CASES = read("stbp_reference")
NEURONS = [case for case in DSR_CASES if case.startswith("neuron")]
NETWORKS = [case for case in DSR_CASES if case.startswith("net")]


def make_neuron(settings: dict, timesteps: int) -> dsr.IF | dsr.LIF:
    common = {"threshold": settings["vth"], "alpha": settings["alpha"]}
    if settings["kind"] == "if":
        return dsr.IF(timesteps, **common)
    return dsr.LIF(timesteps, tau=settings["tau"], dt=settings["delta_t"], **common)


@pytest.mark.parametrize("case", NEURONS)
def test_dsr_neurons_spike_and_differentiate_as_the_released_code_does(case, close):
    settings, golden = DSR_CASES[case]
    neuron = make_neuron(settings, settings["T"])
    x = golden["x"].flatten(0, 1).requires_grad_()

    out = neuron(x)
    out.backward(golden["grad_out"].flatten(0, 1))

    assert torch.equal(out.detach() > 0, golden["out"].flatten(0, 1) > 0), "spikes differ"
    close(out, golden["out"].flatten(0, 1), f"{case}/out")
    close(neuron.rate()(out), golden["rep"], f"{case}/rep")
    close(x.grad, golden["grad_x"].flatten(0, 1), f"{case}/grad_x")
    close(neuron.threshold.grad, golden["grad_vth"], f"{case}/grad_vth")


def make_network(settings: dict) -> PreActResNet:
    method = f"dsr-{settings['kind']}"
    run = Run("cifar10", "preact-resnet18", method, settings["timesteps"], 0, "paper")
    neuron = {
        "threshold": settings["Vth"],
        "alpha": settings["alpha"],
        "threshold_floor": settings["Vth_bound"],
        "train_threshold": settings["train_Vth"],
    }
    if settings["kind"] == "lif":
        neuron |= {"tau": settings["tau"], "dt": settings["delta_t"]}
    recipe = replace(resolve(run), neuron=neuron)
    given = parts(method, settings["timesteps"], recipe)
    return PreActResNet(given, tuple(settings["blocks"]), tuple(settings["widths"]), settings["classes"])


def our_name(name: str) -> str:
    """The released code's state name -> ours."""
    head = {"conv1": "stem.layer", "bn1": "norm", "relu1": "neuron", "relu2": "readout.pooled_neuron"}
    head |= {"linear": "readout.linear", "bn2": "readout.norm", "relu3": "readout.neuron"}
    block = {"bn1": "norm1", "relu1": "neuron1", "bn2": "norm2", "relu2": "neuron2"}
    pieces = name.replace("Vth", "threshold").split(".")
    if not pieces[0].startswith("layer"):
        return ".".join([head[pieces[0]], *pieces[1:]])
    stage = int(pieces[0].removeprefix("layer")) - 1
    return ".".join(["stages", str(stage), pieces[1], block.get(pieces[2], pieces[2]), *pieces[3:]])


def under(golden: dict[str, Tensor], folder: str) -> dict[str, Tensor]:
    return {our_name(k.removeprefix(folder)): v for k, v in golden.items() if k.startswith(folder)}


@pytest.mark.parametrize("wrap", [lambda network: network, lambda network: dsr.Exact(network, DirectCoding)])
@pytest.mark.parametrize("case", NETWORKS)
def test_a_whole_network_takes_the_same_training_step_as_the_released_code(case, wrap, close):
    settings, golden = DSR_CASES[case]
    network = wrap(make_network(settings))
    network.load_state_dict(under(golden, "before/"))

    logits = network(golden["x"])
    loss = F.cross_entropy(logits, golden["y"])
    loss.backward()

    close(logits, golden["logits_train"], f"{case}/logits_train")
    close(loss, golden["loss"], f"{case}/loss")
    gradients = {name: p.grad for name, p in network.named_parameters()}
    expected = under(golden, "grad/")
    assert gradients.keys() == expected.keys()
    for name, gradient in expected.items():
        close(gradients[name], gradient, f"{case}/grad/{name}", against=weight_of_annulled_bias(name, expected))
    state = network.state_dict()
    for name, statistic in under(golden, "after/").items():
        close(state[name], statistic, f"{case}/after/{name}")

    network.eval()
    with torch.no_grad():
        close(network(golden["x"]), golden["logits_eval"], f"{case}/logits_eval")


def weight_of_annulled_bias(name: str, gradients: dict[str, Tensor]) -> Tensor | None:
    """A bias whose layer feeds a batch norm has gradient 0; what is stored is rounding noise of about 1e-9.

    Such a bias (of every convolution and of the classifier) is held against the size of its layer's weight gradient.
    """
    layer = name.removesuffix(".bias")
    annulled = name.endswith(".bias") and layer.split(".")[-1] in ("conv1", "conv2", "shortcut", "linear")
    return gradients[f"{layer}.weight"] if annulled else None


@pytest.mark.parametrize("case", [case for case in STBP_CASES if case.startswith("lif")])
def test_the_surrogate_neuron_spikes_and_differentiates_as_spikingjelly_does(case, close):
    settings, golden = STBP_CASES[case]
    neuron = stbp.LIF(settings["T"], settings["threshold"], settings["decay"], settings["surrogate_width"])
    x = golden["x"].flatten(0, 1).requires_grad_()

    out = neuron(x)
    out.backward(golden["grad_out"].flatten(0, 1))

    assert torch.equal(out.detach(), golden["out"].flatten(0, 1)), "spikes differ"
    close(x.grad, golden["grad_x"].flatten(0, 1), f"{case}/grad_x")


@pytest.mark.parametrize("case", [case for case in STBP_CASES if case.startswith("tdbn")])
def test_threshold_batch_norm_equals_spikingjellys_at_initialisation(case, close):
    settings, golden = STBP_CASES[case]
    norm = tdbn.ThresholdBatchNorm2d(golden["x"].shape[2], settings["threshold"], settings["alpha"])
    assert isinstance(norm, nn.BatchNorm2d)
    assert (norm.eps, norm.momentum) == (settings["eps"], settings["momentum"])
    x = golden["x"].flatten(0, 1).requires_grad_()

    out = norm(x)
    out.backward(golden["grad_out"].flatten(0, 1))

    close(out, golden["out"].flatten(0, 1), f"{case}/out")
    close(x.grad, golden["grad_x"].flatten(0, 1), f"{case}/grad_x")
    close(norm.running_mean, golden["running_mean"], f"{case}/running_mean")
    close(norm.running_var, golden["running_var"], f"{case}/running_var")
    norm.eval()
    close(norm(x), golden["out_eval"].flatten(0, 1), f"{case}/out_eval")
