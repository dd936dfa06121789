"""DSR and the ANN that its hybrid training starts from, with the recipes they are published with.

[DSR] the paper, its released code's defaults and README; [ours] chosen by us.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmarks.catalogue.chosen import rate_of
from benchmarks.catalogue.facts import Facts
from benchmarks.spec import Parameter, Recipe, Run

LOW_LATENCY = 5
"""Time steps up to which the released code's low-latency settings apply."""


def _integrate_and_fire(run: Run, usual: Recipe) -> Recipe:
    """[DSR] README: V = 6, alpha = 0.5 at T = 20 and 5; learning rate 0.1 at T = 20, 0.05 at T = 5. Other T: ours."""
    neuron = {"threshold": 6.0, "alpha": 0.5, "threshold_floor": 0.01}
    rate = 0.05 if run.timesteps <= LOW_LATENCY else 0.1
    return replace(usual, learning_rate=rate, neuron=neuron, sources=_sources(run, usual))


def _clamp(run: Run, usual: Recipe) -> Recipe:
    """[ours] DSR-IF's, but for what only spikes have."""
    recipe = _integrate_and_fire(run, usual)
    neuron = {name: value for name, value in recipe.neuron.items() if name != "alpha"}
    return replace(recipe, neuron=neuron, sources=f"{usual.sources}; taken over by us for a clamp")


def _quantized(run: Run, usual: Recipe) -> Recipe:
    """[ours] DSR-IF's."""
    recipe = _integrate_and_fire(run, usual)
    return replace(recipe, sources=f"{recipe.sources}; taken over by us for a quantised clamp")


def _leaky(run: Run, usual: Recipe) -> Recipe:
    """[DSR] T = 20, and README, "low latency", T = 5.

    [ours] Smaller T. At T = 10 and 15 alpha = 0.4, which minimises the mean quantisation error there.
    """
    sources = _sources(run, usual)
    if run.timesteps <= LOW_LATENCY:
        neuron: Mapping[str, Parameter] = {
            "threshold": 0.6,
            "alpha": 0.5,
            "tau": 1.0,
            "dt": 0.1,
            "threshold_floor": 0.001,
        }
        return replace(usual, learning_rate=0.05, neuron=neuron, sources=sources)
    alpha = 0.3 if run.timesteps >= 20 else 0.4
    neuron = {"threshold": 0.3, "alpha": alpha, "tau": 1.0, "dt": 0.05, "threshold_floor": 0.0005}
    return replace(usual, neuron=neuron, sources=sources)


def _sources(run: Run, usual: Recipe) -> str:
    """Settings are published for T = 20 and 5."""
    if run.timesteps in (LOW_LATENCY, 20):
        return usual.sources
    nearest = LOW_LATENCY if run.timesteps < LOW_LATENCY else 20
    return f"{usual.sources}; those of T = {nearest}, at T = {run.timesteps} by us"


def from_an_ann(usual: Recipe) -> Recipe:
    """[DSR] The optimiser of hybrid training: Adam from 0.001, no weight decay."""
    return replace(usual, optimizer="adam", learning_rate=0.001, weight_decay=0.0)


def _hybrid(run: Run, usual: Recipe) -> Recipe:
    """[DSR] From an ANN's weights; thresholds are 0.999 quantiles of its activations. Adam, no weight decay.

    [ours] 720 training images. Off ImageNet the schedule is ours.

    The paper's text has an L2 term on thresholds; the released hybrid code has none (weight decay 0), nor has this. The
    paper scales thresholds' gradients with batch size and model; the released code multiplies them by constants (1 for
    IF, dt for LIF, 0.001 for IF on ImageNet) that no batch size enters, and so does this: the loss is a mean over the
    batch, and a threshold's gradient a sum over it. Under Adam, which divides a gradient by its own size, the constant
    does nothing: with 1 and with 0.001 thresholds are the same but for 4e-6 (`tests/test_hybrid.py`).
    """
    gain = {"threshold_gain": 0.001} if run.dataset == "imagenet" else {}
    neuron = {"alpha": 0.5, "threshold_floor": 0.01, **gain}
    recipe = replace(from_an_ann(usual), neuron=neuron)
    return replace(recipe, conversion={"images": 720, "quantile": 0.999}, sources="DSR released code, hybrid training")


def _hybrid_published(run: Run, usual: Recipe) -> Recipe:
    """[DSR] The released code measures on the first 720 validation images, unshuffled: of 15 classes, and tested on."""
    recipe = _hybrid(run, usual)
    return replace(recipe, conversion={**recipe.conversion, "test_images": 1.0})


def _from_first_gradient(recipe: Recipe) -> Recipe:
    """[ours] Thresholds start where the first batch says (`dsr.start`), as low as its gradient allows.

    A constant would have to fit every depth, T and neuron: from 1 the gradient explodes with depth, from 6 layers are
    silent.
    """
    neuron = {name: value for name, value in recipe.neuron.items() if name != "threshold"}
    return replace(recipe, neuron=neuron, start="first-gradient")


METHODS: Mapping[str, Facts] = {
    "dsr-if": Facts(
        "DSR, integrate-and-fire",
        family="DSR",
        temporal_gradient="none",
        recipe=_integrate_and_fire,
        shortened=_from_first_gradient,
        tuned=rate_of("dsr-if-rep", _from_first_gradient),
        compared=True,
        watched=True,
        role="representative",
        label="IF",
        colour="#0072B2",
        marker="o",
    ),
    "dsr-lif": Facts(
        "DSR, leaky integrate-and-fire",
        family="DSR",
        temporal_gradient="none",
        recipe=_leaky,
        shortened=_from_first_gradient,
        tuned=rate_of("dsr-lif-rep", _from_first_gradient),
        compared=True,
        watched=True,
        role="representative",
        label="LIF",
        colour="#D55E00",
        marker="^",
    ),
    "dsr-if-rep": Facts(
        "DSR-IF, differentiated in representation space",
        family="DSR",
        temporal_gradient="none",
        recipe=_integrate_and_fire,
        shortened=_from_first_gradient,
        tuned=rate_of("dsr-if-rep", _from_first_gradient),
        compared=True,
        watched=True,
        role="twin",
        label="IF, representation space",
        colour="#56B4E9",
        marker="s",
    ),
    "dsr-lif-rep": Facts(
        "DSR-LIF, differentiated in representation space",
        family="DSR",
        temporal_gradient="none",
        recipe=_leaky,
        shortened=_from_first_gradient,
        tuned=rate_of("dsr-lif-rep", _from_first_gradient),
        compared=True,
        watched=True,
        role="twin",
        label="LIF, representation space",
        colour="#E69F00",
        marker="v",
    ),
    "dsr-clamp": Facts(
        "DSR-IF without spikes: the clamp that it is differentiated as",
        family="DSR",
        recipe=_clamp,
        shortened=_from_first_gradient,
        tuned=rate_of("dsr-if-rep", _from_first_gradient),
        timeless=True,
        watched=True,
        label="clamp",
        colour="#6A51A3",
        marker=(6, 2, 0),
    ),
    "dsr-quantized": Facts(
        "DSR-IF without spikes: its clamp in the T + 1 levels of a rate",
        family="DSR",
        recipe=_quantized,
        shortened=_from_first_gradient,
        tuned=rate_of("dsr-if-rep", _from_first_gradient),
        levels=True,
        watched=True,
        label="quantised clamp",
        colour="#B2182B",
        marker=(5, 2, 0),
    ),
    "dsr-ann": Facts(
        "ANN, ReLU wherever DSR has a neuron, parent of dsr-if-hybrid",
        family="ANN",
        timeless=True,
        watched=True,
        colour="#555555",
    ),
    "dsr-if-hybrid": Facts(
        "DSR-IF that starts from dsr-ann, hybrid training",
        family="DSR",
        temporal_gradient="none",
        recipe=_hybrid,
        tuned=rate_of("dsr-if-hybrid-rep"),
        parent="dsr-ann",
        watched=True,
        role="hybrid",
        label="IF",
        colour="#004B75",
    ),
    "dsr-if-hybrid-rep": Facts(
        "dsr-if-hybrid in representation space",
        family="DSR",
        temporal_gradient="none",
        recipe=_hybrid,
        tuned=rate_of("dsr-if-hybrid-rep"),
        parent="dsr-ann",
        watched=True,
        colour="#3A9BD9",
    ),
    "dsr-if-hybrid-published": Facts(
        "dsr-if-hybrid, thresholds measured on test images as in the released code",
        family="DSR",
        temporal_gradient="none",
        recipe=_hybrid_published,
        parent="dsr-ann",
    ),
}
