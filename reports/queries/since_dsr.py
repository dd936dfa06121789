"""Published protocols of methods since DSR: their own papers and released code."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.spec import Run
from reports.queries.protocol import BEST_ON_TEST, CIFAR, SCHEDULE, Beyond, Protocol

CUTOUT = (
    "augmentation",
    "Cutout of 2 to 40 % of the area of every second image, before the flip",
    "Cutout of 16 x 16 pixels of every image",
)


def knows(method: str) -> bool:
    """Whether a method's protocol is one of these."""
    return method in OWN


def protocol(run: Run) -> Protocol | None:
    """The published protocol of a run of such a method; None where nothing is published for its data set."""
    return OWN[run.method](run) if run.dataset in CIFAR else None


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


OWN = {"clif": _clif, "clif-published": _clif, "lsq-ann": _lsq}
