"""Every named sweep, on one page: which networks, methods, latencies and seeds, at every scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.recipes import GRID, timeless
from benchmarks.spec import Run, Scale

TRAINED = ("ann", "dsr-if", "dsr-lif", "dsr-if-rep", "dsr-lif-rep", "stbp-tdbn")
CONVERTED = ("threshold-balancing", "threshold-balancing-half", "deng-gu", "calibration", "qcfs", "qcfs-l8")
AS_PUBLISHED = ("calibration-published", "qcfs-published")
METHODS = (*TRAINED, "stbp-tdbn-tuned", *CONVERTED)
TINY = {"smoke": ("preact-resnet-tiny",)}
PAPER_BODY = {
    "paper": ("preact-resnet18",),
    "short": ("preact-resnet18",),
    "laptop": ("preact-resnet18-narrow",),
    **TINY,
}


@dataclass(frozen=True)
class Sweep:
    """A grid of runs. `networks` says per scale which networks stand in it: its keys are the scales there are."""

    title: str
    dataset: str
    networks: Mapping[str, tuple[str, ...]]
    methods: tuple[str, ...]
    timesteps: tuple[int, ...]
    seeds: tuple[int, ...]
    smoke_seeds: tuple[int, ...] = (0,)

    def runs(self, scale: Scale) -> list[Run]:
        """The grid at one scale, seed by seed, so that a sweep that is cut short has whole comparisons."""
        seeds = self.smoke_seeds if scale == "smoke" else self.seeds
        cells = [
            Run(self.dataset, network, method, 1 if timeless(method) else steps, seed, scale)
            for seed in seeds
            for network in self.networks[scale]
            for steps in self.timesteps
            for method in self.methods
        ]
        return list(dict.fromkeys(cells))


SWEEPS: Mapping[str, Sweep] = {
    "quick": Sweep(
        title="DSR and baselines of each kind on embedded handwritten digits, no download",
        dataset="digits",
        networks=TINY,
        methods=(*TRAINED, "threshold-balancing", "calibration", "qcfs"),
        timesteps=(2, 4, 8),
        seeds=(0, 1),
        smoke_seeds=(0, 1),
    ),
    "cifar10": Sweep(
        title="DSR and its baselines on CIFAR-10 (paper: Tab. 2, Fig. 3a)",
        dataset="cifar10",
        networks=PAPER_BODY,
        methods=METHODS,
        timesteps=(2, 3, 4, 5, 10, 15, 20),
        seeds=(0, 1, 2),
    ),
    "conversion": Sweep(
        title="ANN-to-SNN conversion at every latency up to 2048 steps",
        dataset="cifar10",
        networks=PAPER_BODY,
        methods=("ann", *CONVERTED, *AS_PUBLISHED),
        timesteps=GRID,
        seeds=(0, 1, 2),
    ),
    "stbp-variants": Sweep(
        title="STBP-tdBN's surrogate and reset: which of them the tuned variant takes",
        dataset="cifar10",
        networks=PAPER_BODY,
        methods=(
            "stbp-tdbn@surrogate_width=0.5",
            "stbp-tdbn",
            "stbp-tdbn@surrogate_width=2.5",
            "stbp-tdbn@detach_reset=true@reset=soft@surrogate=triangle",
            "stbp-tdbn@detach_reset=true@reset=soft@surrogate=triangle@surrogate_width=0.5",
            "stbp-tdbn@detach_reset=true@reset=soft@surrogate=triangle@surrogate_width=2.5",
        ),
        timesteps=(2,),
        seeds=(0,),
    ),
    "cifar100": Sweep(
        title="DSR and its baselines on CIFAR-100 (paper: Tab. 2)",
        dataset="cifar100",
        networks=PAPER_BODY,
        methods=METHODS,
        timesteps=(5, 10, 15, 20),
        seeds=(0, 1, 2),
    ),
}
