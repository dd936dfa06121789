"""Which way a difference of protocol may move accuracy, and who says so; silence where nobody does."""

from __future__ import annotations

from benchmarks.catalogue import facts
from benchmarks.catalogue.datasets import EVENTS
from benchmarks.spec import Run, variant
from reports.rendering.table import DASH

SILENT = (DASH, "")
STARTS = ("calibration", "threshold-balancing-half")
RESULTS = "docs/results.md"


def direction(run: Run, what: str, published: str, here: str) -> tuple[str, str]:
    """`down`, `up`, `unknown` or a dash, and the source. `published` and `here` are the two sides as text."""
    base, _ = variant(run.method)
    match what:
        case "T":
            return _steps(run, base, published)
        case "gradient" if run.dataset in EVENTS:
            return "down", "docs/limits.md: N-MNIST"
        case "gradient":
            return "unknown", f"{RESULTS}: pairs show no difference"
        case "reported epoch":
            return "unknown", "results/README.md: the best is optimistic"
        case "epochs" if base.startswith(("dsr-if", "dsr-lif", "stbp")) and here == "8":
            return "down", f"{RESULTS}: eight epochs are few"
        case "V at the start" if base in ("dsr-if", "dsr-if-rep") and here == "first-gradient":
            return "up", "docs/scales.md: a short training from V = 6 learns little"
        case "alpha" if base == "dsr-if" and here == "1":
            return "down", "paper, Tab. 3"
        case "train threshold" if base.startswith("dsr") and here == "no":
            return "down", "paper, Tab. 3"
        case "thresholds see test images" if here == "no":
            return "down", "the paper's thresholds have seen test images"
        case "network" if base.startswith("stbp") and run.network == "preact-resnet18":
            return "unknown", "ResNet-19 has four times the operations"
        case _:
            return _of_baselines(run, base, what, here)


def _of_baselines(run: Run, base: str, what: str, here: str) -> tuple[str, str]:
    match what:
        case "augmentation" | "parent's augmentation" if base.startswith("qcfs") and here == "crop-flip":
            return "down", "issues: reproductions fail without AutoAugment"
        case "L" | "parent's L" if base.startswith("qcfs-l8"):
            return "up", f"{RESULTS}: conversions"
        case "surrogate" if here == "triangle":
            return "up", f"{RESULTS}: stbp-variants"
        case "surrogate width" if base == "stbp-tdbn" and "surrogate=" not in run.method and here in ("0.5", "2.5"):
            return "down", f"{RESULTS}: stbp-variants"
        case "membrane at the start, in V" if base in STARTS and here == "0.5":
            return "up", f"{RESULTS}: conversions"
        case _:
            return SILENT


def _steps(run: Run, base: str, published: str) -> tuple[str, str]:
    if run.timesteps >= int(published.partition(",")[0]):
        return SILENT
    if base.startswith("dsr") and run.dataset == "cifar10":
        return "down", "paper, Fig. 3a"
    about = facts(base)
    return ("down", f"{RESULTS}: conversions") if about and about.family == "conversion" else SILENT
