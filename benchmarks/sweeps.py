"""Every named sweep, on one page: which networks, methods, latencies and seeds, at every scale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.catalogue import BUILT_IN, runs_on, timeless
from benchmarks.catalogue.networks import DEEP
from benchmarks.recipes import GRID
from benchmarks.spec import MEASURED_START, Parameter, Run, Scale, spelled

TRAINED = ("ann", "dsr-if", "dsr-lif", "dsr-if-rep", "dsr-lif-rep", "stbp-tdbn")
METHODS = tuple(name for name, facts in BUILT_IN.items() if facts.compared)
CONVERTED = tuple(name for name in METHODS if BUILT_IN[name].family == "conversion")
AS_PUBLISHED = ("calibration-published", "qcfs-published")
TINY = {"smoke": ("preact-resnet-tiny",)}
PAPER_BODY = {
    "paper": ("preact-resnet18",),
    "short": ("preact-resnet18",),
    "workstation": ("preact-resnet18-narrow",),
    "laptop": ("preact-resnet18-narrow",),
    **TINY,
}

FOR_TWO_CORES = ("workstation", "laptop", "smoke")
FIFTH = 4
"""Epochs: a fifth of those at scale workstation."""
RATES = (0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Sweep:
    """A grid of runs. `networks` lists the networks per scale: its keys are the scales of the sweep.

    `small_timesteps`: the timesteps at the scales for two cores, if they differ.
    """

    title: str
    dataset: str
    networks: Mapping[str, tuple[str, ...]]
    methods: tuple[str, ...]
    timesteps: tuple[int, ...]
    seeds: tuple[int, ...]
    smoke_seeds: tuple[int, ...] = (0,)
    small_timesteps: tuple[int, ...] = ()

    def runs(self, scale: Scale) -> list[Run]:
        """The grid at one scale, seed by seed, so that an interrupted sweep has complete comparisons.

        A method is not on networks that it cannot run.
        """
        seeds = self.smoke_seeds if scale == "smoke" else self.seeds
        timesteps = self.small_timesteps if scale in FOR_TWO_CORES else ()
        cells = [
            Run(self.dataset, network, method, 1 if timeless(method) else steps, seed, scale)
            for seed in seeds
            for network in self.networks[scale]
            for steps in timesteps or self.timesteps
            for method in self.methods
            if runs_on(method, network)
        ]
        return list(dict.fromkeys(cells))


def tuned(method: str, start: str = "", *values: Parameter, rates: tuple[float, float, float] = RATES) -> Iterator[str]:
    """Variants of a method: three learning rates from the first start, the other two starts at the middle rate."""
    first, *others = values or (None,)
    for rate, value in [*((rate, first) for rate in rates), *((rates[1], value) for value in others)]:
        changes: dict[str, Parameter] = {"epochs": FIFTH, "learning_rate": rate}
        yield spelled(method, changes if value is None else {**changes, start: value})


EVENT_BODY = {
    "paper": ("vgg11",),
    "short": ("vgg11",),
    "workstation": ("vgg11-narrow",),
    "laptop": ("vgg11-narrow",),
    **TINY,
}
ON_EVENTS = (*TRAINED, "stbp-tdbn-tuned", "threshold-balancing-half", "calibration", "qcfs")
SWEEPS: Mapping[str, Sweep] = {
    "quick": Sweep(
        title="DSR and baselines of each kind on embedded handwritten digits, no download",
        dataset="digits",
        networks=TINY,
        methods=(*TRAINED, "threshold-balancing", "calibration", "qcfs"),
        timesteps=(2, 4),
        seeds=(0,),
    ),
    "cifar10": Sweep(
        title="DSR and its baselines on CIFAR-10 (paper: Tab. 2, Fig. 3a)",
        dataset="cifar10",
        networks=PAPER_BODY,
        methods=METHODS,
        timesteps=(2, 3, 4, 5, 10, 15, 20),
        seeds=(0, 1, 2),
        small_timesteps=(1, 2, 3, 4, 5, 8, 10, 15, 20),
    ),
    "conversion": Sweep(
        title="ANN-to-SNN conversion at every latency up to 2048 steps",
        dataset="cifar10",
        networks=PAPER_BODY,
        methods=("ann", *CONVERTED, "calibration@shift=0@start=0.5", *AS_PUBLISHED),
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
    "imagenet": Sweep(
        title="Hybrid training on ImageNet (paper: Tab. 2); at laptop scale on ten of its classes",
        dataset="imagenet",
        networks={
            "paper": ("preact-resnet18-imagenet",),
            "short": ("preact-resnet18-imagenet",),
            "laptop": ("preact-resnet18-imagenet-narrow",),
            "smoke": ("preact-resnet-imagenet-tiny",),
        },
        methods=(
            *("dsr-ann", "dsr-if-hybrid", "dsr-if-hybrid-rep", "dsr-if-hybrid-published"),
            *("ann", "stbp-tdbn", "threshold-balancing-half", "calibration"),
        ),
        timesteps=(50,),
        seeds=(0,),
        small_timesteps=(8,),
    ),
    "nmnist": Sweep(
        title="Digits before an event camera; conversions see one frame, the mean",
        dataset="nmnist",
        networks=EVENT_BODY,
        methods=ON_EVENTS,
        timesteps=(5, 10),
        seeds=(0, 1, 2),
    ),
    "cifar10dvs": Sweep(
        title="CIFAR-10 before an event camera (paper: Tab. 2); conversions see one frame, the mean",
        dataset="cifar10dvs",
        networks=EVENT_BODY,
        methods=ON_EVENTS,
        timesteps=(10, 20),
        seeds=(0, 1, 2),
    ),
    "cifar10dvs-sim": Sweep(
        title="CIFAR-10 before a simulated event camera, in place of CIFAR10-DVS",
        dataset="cifar10dvs-sim",
        networks=EVENT_BODY,
        methods=ON_EVENTS,
        timesteps=(10, 20),
        seeds=(0, 1, 2),
    ),
    "depth": Sweep(
        title="Does depth help? PreAct-ResNet-20 to 110 (paper: Fig. 3b)",
        dataset="cifar10",
        networks={"paper": DEEP, "short": DEEP, "workstation": DEEP, "laptop": DEEP, **TINY},
        methods=METHODS,
        timesteps=(20,),
        seeds=(0, 1, 2),
        small_timesteps=(5,),
    ),
    "ablation": Sweep(
        title="Firing level at half the threshold (F), trained threshold (T), initial threshold (paper: Tab. 3)",
        dataset="cifar10",
        networks=PAPER_BODY,
        methods=tuple(
            spelled("dsr-if", {"threshold": start, **without_f, **without_t})
            for start in (6, 2)  # named: what dsr-if itself starts from depends on the scale
            for without_f in ({}, {"alpha": 1})
            for without_t in ({}, {"train_threshold": False})
        ),
        timesteps=(20,),
        seeds=(0, 1, 2),
    ),
    "tuning": Sweep(
        title="One budget of tuning for every method: learning rate and its own start, a fifth of the epochs",
        dataset="cifar10",
        networks={"workstation": PAPER_BODY["workstation"], **TINY},
        methods=(
            *tuned("ann"),
            # whoever's best of the three rates is the highest gets one rate more
            "ann@epochs=4@learning_rate=0.4",
            # 2 and 4 in the unit of the currents: a LIF neuron's is V tau / dt
            *tuned("dsr-if-rep", "threshold", MEASURED_START, 2, 4),
            *tuned("dsr-lif-rep", "threshold", MEASURED_START, 0.2, 0.4),
            "dsr-lif-rep@epochs=4@learning_rate=0.4@threshold=first-gradient",
            *tuned("qcfs-ann", "threshold", 4, 2, 8),
            "qcfs-ann@epochs=4@learning_rate=0.4@threshold=4",
            *tuned("stbp-tdbn", "surrogate_width", 1, 0.5, 0.25),
            "stbp-tdbn@epochs=4@learning_rate=0.4@surrogate_width=1",
        ),
        timesteps=(5,),
        seeds=(0,),
    ),
    "width": Sweep(
        title="Is a narrow network unfair to DSR? Base widths 16, 32 and 64, a fifth of the epochs",
        dataset="cifar10",
        networks={"workstation": ("preact-resnet18-narrow", "preact-resnet18-32", "preact-resnet18"), **TINY},
        methods=tuple(spelled(method, {"epochs": FIFTH}) for method in ("ann", "dsr-if-rep")),
        timesteps=(5,),
        seeds=(0, 1),
    ),
    "ladder": Sweep(
        title="What does a spike cost? Readout, clipping, levels and time, one after the other (paper: Sec. 4)",
        dataset="cifar10",
        networks=PAPER_BODY,
        methods=("ann", "dsr-ann", "dsr-clamp", "dsr-quantized", "dsr-if-rep"),
        timesteps=(5, 20),
        seeds=(0, 1, 2),
    ),
    "precision": Sweep(
        title="Is training in bfloat16 the same training? Pairs of runs with equal seeds",
        dataset="cifar10",
        networks=PAPER_BODY,
        methods=tuple(
            spelled(method, {"precision": precision})  # float32 is named, too, so that pairs are of one commit
            for method in ("ann", "dsr-if-rep", "stbp-tdbn")
            for precision in ("float32", "bfloat16")
        ),
        timesteps=(5,),
        seeds=(0, 1, 2),
    ),
}
