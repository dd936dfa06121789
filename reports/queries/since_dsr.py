"""Published protocols of methods since DSR: their own papers and released code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmarks.catalogue import timeless
from benchmarks.spec import Run
from reports.queries.protocol import BEST_ON_TEST, CIFAR, SCHEDULE, WARM_UP, Beyond, Protocol

CUTOUT = ("Cutout", "of every second image, 2 to 40 % of it, before the flip", "16 x 16 pixels of every image")


def protocol(run: Run) -> Protocol | None:
    """The published protocol of a run; None for another method, and where nothing is published for its data set."""
    match run.method:
        case "clif" | "clif-published":
            found = _clif(run)
        case "rate-bp" | "rate-bp-bptt" | "rate-bp-published":
            found = _rate_bp(run)
        case "psn":
            return _psn(run)
        case "tet-published":
            found = _tet(run)
        case "ottt" | "ottt-published":
            found = _ottt(run)
        case method if method.startswith("sltt"):
            found = _sltt(run)
        case "lsq-ann":
            found = _lsq(run)
        case "qcfs-srp" | "qcfs-srp-published" | "qcfs-srp-published-ann":
            found = _srp(run)
        case "slip-relu" | "slip-relu-ann":
            found = _slip_relu(run)
        case _:
            return None
    if run.dataset not in CIFAR:
        return None
    return replace(found, timesteps=()) if timeless(found.run.method) else found


def _clif(run: Run) -> Protocol:
    beyond: Beyond = (("arithmetic", "float16 autocast", "float32"), CUTOUT)
    if run.method == "clif":
        beyond += (("statistics of the norms", "of each step by itself", "over all steps"),)
    at = replace(run, method="clif-published")
    where = "Huang et al. 2024 (CLIF)"
    return Protocol(where, at, ("preact-resnet18",), (4, 6), epoch=BEST_ON_TEST, beyond=beyond)


def _lsq(run: Run) -> Protocol:
    """Published on ImageNet, for weights of few bits as well."""
    unstated = (("networks and recipe on this data set", "DSR's"), ("bits", "as many as T steps need"))
    beyond: Beyond = (
        ("weights", "of as many bits as activations; 8 in the first and the last layer", "float32"),
        ("starts from", "a trained ANN", "random weights"),
    )
    return Protocol("Esser et al. 2020 (LSQ)", run, (), (), unstated=unstated, beyond=beyond, borrowed=SCHEDULE)


def _srp(run: Run) -> Protocol:
    """The paper counts the steps before the first that is read, its README does not; here T counts them."""
    beyond: Beyond = (("holes of Cutout", "8 x 8 pixels", "16 x 16"),) if run.dataset == "cifar100" else ()
    at = replace(run, method="qcfs-srp-published-ann" if run.method.endswith("ann") else "qcfs-srp-published")
    where, networks = "Hao et al. 2023 (SRP)", ("vgg16", "resnet20")
    return Protocol(where, at, networks, (5, 6, 8, 12), epoch=BEST_ON_TEST, beyond=beyond)


def _slip_relu(run: Run) -> Protocol:
    """Its README leaves the share, the levels and T open."""
    unstated = (("share of the clip", "0.5, its code's default"), ("L", "4"))
    networks, known = ("vgg16", "resnet18", "resnet20"), {"epochs": 300, "batch_size": 128, WARM_UP: 0}
    where = "Jiang et al. 2023 (SlipReLU)"
    return Protocol(where, run, networks, (), epoch=BEST_ON_TEST, unstated=unstated, borrowed=SCHEDULE, known=known)


def _rate_bp(run: Run) -> Protocol:
    """What is released is for CIFAR; of other data sets, that there are numbers."""
    beyond: Beyond = (("colour of Cutout's holes", "black", "the mean"),)
    if run.method != "rate-bp-published":
        here = "through time" if run.method == "rate-bp-bptt" else "not divided"
        beyond += (("gradient of the loss", "divided by T", here),)
    at, networks = replace(run, method="rate-bp-published"), ("resnet18", "resnet19", "a VGG")
    where = "Yu et al. 2024 (rate-based BP)"
    return Protocol(where, at, networks, (2, 4, 6), epoch=BEST_ON_TEST, beyond=beyond)


def _psn(run: Run) -> Protocol | None:
    """Its recipes are not in the suite: here they are DSR's."""
    published: Mapping[str, tuple[str, int, Beyond]] = {
        "cifar10": ("a network of 256 channels", 1024, (("mixed images", "mixup and CutMix", "none"),)),
        "imagenet": ("sew-resnet34-imagenet", 320, (("loss", "TET's", "cross-entropy of the mean output"),)),
    }
    if run.dataset not in published:
        return None
    network, epochs, beyond = published[run.dataset]
    where, known = "Fang et al. 2023 (PSN)", {"epochs": epochs, "weight_decay": 0.0}
    return Protocol(where, run, (network,), (4,), epoch=BEST_ON_TEST, beyond=beyond, borrowed=SCHEDULE, known=known)


def _tet(run: Run) -> Protocol:
    unstated: tuple[tuple[str, str], ...] = (("norm", "tdBN, V = 1"),)
    unstated += (("recipe on CIFAR-100", "that of CIFAR-10"),) if run.dataset == "cifar100" else ()
    return Protocol("Deng et al. 2022 (TET)", run, ("resnet19",), (4,), epoch=BEST_ON_TEST, unstated=unstated)


def _sltt(run: Run) -> Protocol:
    """SLTT, SLTT-K, and the same network trained through time, with which its authors compare."""
    method = "sltt-k-published" if run.method.startswith("sltt-k") else "sltt-published"
    beyond: Beyond = (("arithmetic", "float16 autocast", "float32"), CUTOUT)
    if run.method == "sltt-k":
        beyond += (("what the loss of a trained step is divided by", "T", "the number of trained steps"),)
    if run.method == "sltt-bptt":
        beyond += (("gradient from step to step", "none", "all"),)
    at, networks = replace(run, method=method), ("preact-resnet18",)
    return Protocol("Meng et al. 2023 (SLTT)", at, networks, (6,), epoch=BEST_ON_TEST, beyond=beyond)


def _ottt(run: Run) -> Protocol:
    beyond: Beyond = (CUTOUT,)
    if run.method == "ottt":
        beyond += (("norm", "none, weights are standardised", "batch norm of each step"),)
    if run.dataset == "cifar100":
        beyond += (("normalisation of images", "by the constants of CIFAR-10", "by its own"),)
    at, networks = replace(run, method="ottt-published"), ("ottt-vgg11",)
    return Protocol("Xiao et al. 2022 (OTTT)", at, networks, (6,), epoch=BEST_ON_TEST, beyond=beyond)
