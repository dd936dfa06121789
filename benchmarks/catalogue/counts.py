"""Methods whose gradient goes through spike counts, with the recipes they are published with.

[TANDEM] Wu et al., TNNLS 2021, code deepspike/tandem_learning 006feb1; [ASF] Wu et al., AAAI 2021, code
neural-lab/ASF-BP 30f6735; [RATE] Yu et al., NeurIPS 2024, code Tab-ct/rate-based-backpropagation 3c70ee9; [ours] chosen
by us. The first two papers could be read as abstracts only: what their codes do not say is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmarks.catalogue.facts import Facts
from benchmarks.spec import Recipe, Run


def _tandem(run: Run, usual: Recipe) -> Recipe:
    """[TANDEM] V = 1, no leak; norms of counts. [ours] Spikes are normalised with the eps of the norm, too."""
    norm = {"folded_eps": 1e-4}
    return replace(usual, neuron={"threshold": 1.0}, norm=norm, sources="Tandem learning matched to DSR's recipe")


def _tandem_published(run: Run, usual: Recipe) -> Recipe:
    """[TANDEM] main_cifar10.py: Adam 0.001 without decay, a tenth of it at epochs 50 and 100 of 150, batch 256, no
    warm-up, crop and flip; 45,000 training images, 5,000 held out and used for nothing.

    Its default is T = 1; the paper's number is of T = 8, and nothing in the recipe depends on T. Dropout 0.2 in front
    of the classifier is on when the code tests: here it is off. It keeps the best epoch on the test split. Only its
    CIFAR-10 part is released: network and input of its DVS-CIFAR10 row are not known.
    """
    recipe = replace(
        usual,
        epochs=150,
        batch_size=256,
        learning_rate=0.001,
        optimizer="adam",
        weight_decay=0.0,
        warmup_iterations=0,
        drops=(50 / 150, 100 / 150),
        neuron={"threshold": 1.0},
        norm={"folded_eps": 0.0},
        sources="Tandem learning, main_cifar10.py as released, but without dropout in tests",
    )
    return replace(recipe, train_images=45_000, validation_images=5_000) if run.dataset == "cifar10" else recipe


MANY = 100
"""Time steps of ASF-BP's released code."""


def _asf_bp(run: Run, usual: Recipe) -> Recipe:
    """[ASF] V = 2, no leak; slopes are measured in 500 of every 2,500 batches, an epoch in five; Adam 0.0005.

    The optimiser is its own: its loss is a sum over a batch, under which SGD at DSR's rate silences the network.
    [ours] The period stays when a scale changes how many batches are an epoch. Below the 100 steps of the code V = 0.5:
    with 2 the last layers are silent at the start, and a layer that receives nothing passes no gradient.
    """
    threshold = 2.0 if run.timesteps >= MANY else 0.5
    neuron = {"threshold": threshold, "measured": 500, "period": 2500}
    recipe = replace(usual, optimizer="adam", learning_rate=5e-4, neuron=neuron)
    return replace(recipe, sources="ASF-BP with DSR's schedule and batch, its own optimiser")


def _asf_bp_published(run: Run, usual: Recipe) -> Recipe:
    """[ASF] vgg7.py: Adam 0.0005, L2 0.0005 on everything, a fifth of the rate at epochs 50 and 75 of 100, batch 100,
    crop and flip, no warm-up. V = 2.

    Its default is T = 100; the paper's number is of T = 400, with constants that are not known. It keeps the best epoch
    on the test split, and draws other input spikes at each evaluation: here the draw follows from the image.
    """
    recipe = _asf_bp(run, usual)
    return replace(
        recipe,
        epochs=100,
        batch_size=100,
        warmup_iterations=0,
        drops=(50 / 100, 75 / 100),
        drop=0.2,
        sources="ASF-BP, vgg7.py as released",
    )


def _rate_bp(run: Run, usual: Recipe) -> Recipe:
    """[RATE] V = 1, membranes keep 0.2 of themselves, sigmoid surrogate of slope 4. All else is DSR's (matched)."""
    neuron = {"threshold": 1.0, "decay": 0.2, "surrogate_slope": 4.0}
    return replace(usual, neuron=neuron, sources="rate-based backpropagation matched to DSR's recipe")


def _rate_bp_published(run: Run, usual: Recipe) -> Recipe:
    """[RATE] SGD 0.1 for 300 epochs of batches of 128, cosine without warm-up, no weight decay on norms and biases,
    AutoAugment (CIFAR-10's policy on CIFAR-100, too) and Cutout.

    Its gradient is divided by T: a rate of 0.1 is one of 0.1 / T. It keeps the best epoch on the test split, and fills
    Cutout's holes before it normalises: they are black there, and of the mean colour here.
    """
    recipe = replace(_rate_bp(run, usual), epochs=300, warmup_iterations=0, decayed="weights")
    sources = "rate-based backpropagation as released (README), but for the colour of Cutout's holes"
    return replace(recipe, augmentation="autoaugment-cutout", sources=sources)


METHODS: Mapping[str, Facts] = {
    "tandem": Facts(
        "Tandem learning: gradient through spike counts, slope 1 above 0",
        family="spike counts",
        temporal_gradient="none",
        watched=True,
        recipe=_tandem,
    ),
    "tandem-published": Facts(
        "Tandem learning, recipe of its authors' code",
        family="spike counts",
        temporal_gradient="none",
        watched=True,
        recipe=_tandem_published,
    ),
    "rate-bp": Facts(
        "Rate-based backpropagation: gradient through rates, measured slopes",
        family="spike counts",
        temporal_gradient="none",
        watched=True,
        recipe=_rate_bp,
        colour="#7B3294",
        marker=(5, 2, 0),
    ),
    "rate-bp-bptt": Facts(
        "The neuron of rate-based backpropagation, differentiated through time",
        family="surrogate gradient",
        temporal_gradient="all",
        watched=True,
        recipe=_rate_bp,
    ),
    "rate-bp-published": Facts(
        "Rate-based backpropagation, recipe of its authors' code",
        family="spike counts",
        temporal_gradient="none",
        watched=True,
        recipe=_rate_bp_published,
    ),
    "asf-bp": Facts(
        "ASF-BP: gradient through accumulated spikes, a measured slope per layer, no norm",
        family="spike counts",
        temporal_gradient="none",
        watched=True,
        recipe=_asf_bp,
    ),
    "asf-bp-published": Facts(
        "ASF-BP, recipe of its authors' code",
        family="spike counts",
        temporal_gradient="none",
        watched=True,
        recipe=_asf_bp_published,
    ),
}
