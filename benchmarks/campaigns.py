"""Campaigns: many sweeps' runs in one order, most valuable first, for as much time as can be had.

    dsr-bench sweep workstation --budget 3h

A campaign is carried out, exported and reported like a sweep. It is a sequence of groups, one question each; a group is
a sequence of blocks, each a small grid. All blocks of a group have their seed 0 before any has its seed 1, so that an
interrupted campaign has complete comparisons. Parents go before their children, and conversions follow at once: they
are cheap.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from benchmarks.recipes import GRID
from benchmarks.recipes.scales import LONG
from benchmarks.spec import Parameter, Run, Scale, spelled
from benchmarks.sweeps import FIFTH, RATES, SWEEPS, Sweep, tuned

CHEAP = tuple(steps for steps in GRID if steps <= LONG)
"""T at which conversions are read: beyond, a simulation takes hours."""
AFTER_FOUR = tuple(steps for steps in CHEAP if steps > 4)
FROM_ANN = (
    *("threshold-balancing", "threshold-balancing-half", "maximum-shift"),
    *("calibration", "calibration@shift=0@start=0.5"),
)
REP = ("dsr-if-rep", "dsr-lif-rep")
OTHER_RATES = tuple(spelled("ann", {"learning_rate": rate}) for rate in (0.1, 0.4))
LADDER = ("dsr-ann", "dsr-clamp", "dsr-quantized")
"""Between `ann` and `dsr-if-rep`: DSR's readout, its clip, its levels."""
OTHER_NEURONS: tuple[Mapping[str, Parameter], ...] = (
    *({"threshold": start} for start in (1, 0.7)),
    {"train_threshold": False},
    *({"alpha": alpha} for alpha in (0.25, 1)),
)
AGAINST_DEVIATION = tuple(spelled("dsr-if-rep", {**changed, "epochs": FIFTH}) for changed in OTHER_NEURONS)
"""Trials beside `dsr-if-rep@epochs=4` of the sweep `width`, which fires at half a trained threshold."""
ABLATION = tuple(method.replace("dsr-if", "dsr-if-rep", 1) for method in SWEEPS["ablation"].methods)
THREE, TWO, ONE = (0, 1, 2), (0, 1), (0,)
SINCE = (5, 2)
"""T at which methods since DSR are compared."""


@dataclass(frozen=True)
class Campaign:
    """Groups of blocks in the order of their value; of these runs the `chosen` ones.

    It has the face of a `Sweep`: `networks` per scale, `methods`, `timesteps`, `seeds`, `runs`.
    """

    title: str
    groups: tuple[tuple[Sweep, ...], ...]
    chosen: Chosen | None = None

    @property
    def blocks(self) -> list[Sweep]:
        """In order."""
        return [block for group in self.groups for block in group]

    @property
    def networks(self) -> Mapping[str, tuple[str, ...]]:
        """The networks per scale."""
        scales = dict.fromkeys(scale for block in self.blocks for scale in block.networks)
        return {
            scale: tuple(dict.fromkeys(name for block in self.blocks for name in block.networks.get(scale, ())))
            for scale in scales
        }

    @property
    def methods(self) -> tuple[str, ...]:
        """In the order of their value."""
        return tuple(dict.fromkeys(method for block in self.blocks for method in block.methods))

    def runs(self, scale: Scale) -> list[Run]:
        """The runs at one scale, most valuable first."""
        found = [
            run
            for group in self.groups
            for run in sorted((run for block in group for run in block.runs(scale)), key=lambda run: run.seed)
        ]
        return [run for run in dict.fromkeys(found) if self.chosen is None or run in self.chosen]

    def only(self, chosen: Chosen) -> Campaign:
        """The same campaign with fewer runs."""
        return replace(self, chosen=chosen)


@dataclass(frozen=True)
class Chosen:
    """Runs whose fields have these values; None: any."""

    networks: Collection[str] | None = None
    methods: Collection[str] | None = None
    timesteps: Collection[int] | None = None
    seeds: Collection[int] | None = None

    def __contains__(self, run: Run) -> bool:
        asked = (
            (self.networks, run.network),
            (self.methods, run.method),
            (self.timesteps, run.timesteps),
            (self.seeds, run.seed),
        )
        return all(allowed is None or value in allowed for allowed, value in asked)


def _block(
    title: str,
    methods: tuple[str, ...],
    timesteps: tuple[int, ...],
    seeds: tuple[int, ...],
    networks: tuple[str, ...] = ("preact-resnet18-narrow",),
    dataset: str = "cifar10",
) -> Sweep:
    """A grid at scale `workstation`. Methods without time steps are in it once, whatever the T."""
    return Sweep(title, dataset, {"workstation": networks}, methods, timesteps, seeds)


def _deep(*depths: int) -> Sweep:
    networks = tuple(f"preact-resnet{depth}" for depth in depths)
    return _block("depth", ("ann", "dsr-if-rep"), (5,), TWO, networks)


def _rates(*methods: str, timesteps: int = 5, network: str = "preact-resnet18-narrow", low: float = RATES[0]) -> Sweep:
    """The three learning rates of `tuning`, or as many from another one on, each twice the one before."""
    variants = [name for method in methods for name in tuned(method, rates=(low, 2 * low, 4 * low))]
    return _block("learning rates", tuple(variants), (timesteps,), ONE, (network,))


CAMPAIGNS: Mapping[str, Campaign] = {
    "learning-rates": Campaign(
        title="Three learning rates for every other trained method, with the budget of `tuning`, cheapest first",
        groups=(
            (_rates("lsq-ann", "deng-gu-ann", "ann-pixels"),),
            (_rates("rate-bp", "psn", "tandem"),),
            (_rates("sltt", "ottt", "clif", "plif", "sew", "stbp", "stbp-neunorm", "tssl-bp"),),
            (_block("parents", ("ann", "dsr-ann"), (1,), ONE), _rates("dsr-if-hybrid-rep", "diet-snn", low=0.0005)),
            (_block("a parent", ("ann-pixels",), (1,), ONE), _rates("cq-clamp-ann")),
            (_rates("asf-bp", network="vgg7-narrow", low=0.00025),),
            (_rates("ide", timesteps=30, network="cifarnet-f-narrow"),),
            # below 18 steps its late layers are silent
            (_rates("hybrid-training", timesteps=20, low=0.0005),),
        ),
    ),
    "workstation": Campaign(
        title="What judges the paper on two cores, most valuable first",
        groups=(
            (
                _block("an ANN", ("ann",), (1,), THREE),
                _block("its other learning rates, over all epochs", OTHER_RATES, (1,), ONE),
                _block("its conversions", FROM_ANN, CHEAP, THREE),
                _block("DSR in representation space", REP, (5,), THREE),
                _block("an ANN made to be converted", ("qcfs-ann",), (1,), THREE),
                _block("its conversion", ("qcfs",), CHEAP, THREE),
                _block("STBP-tdBN", ("stbp-tdbn",), (5,), THREE),
            ),
            (
                _block("DSR at many steps", REP, (20,), THREE),
                _block("rungs between ANN and DSR", LADDER, (5, 20), THREE),
                _block("few steps", (*REP, "stbp-tdbn"), (2,), TWO),
                _block("does DSR do better from an ANN's weights?", ("dsr-if-hybrid-rep",), (5, 20), TWO),
            ),
            (_block("DSR as released", ("dsr-if", "dsr-lif"), (5,), THREE),),
            (_deep(20, 32, 56),),
            (_deep(44),),
            (_block("ablation (paper: Tab. 3)", ABLATION, (20,), TWO),),
            (
                _block("STBP-tdBN, tuned", ("stbp-tdbn-tuned",), (5,), ONE),
                _block("QCFS, L = 8", ("qcfs-l8-ann", "qcfs-l8"), (5,), ONE),
                _block("DSR between 5 and 20 steps", ("dsr-if-rep",), (10,), ONE),
                _block(
                    "twice the budget: how far from convergence is this scale?",
                    tuple(spelled(method, {"epochs": 40}) for method in ("ann", "dsr-if-rep")),
                    (5,),
                    ONE,
                ),
                _block("what lowers the deviation error?", AGAINST_DEVIATION, (5,), ONE),
            ),
            (
                _block(
                    "rows of Table 2: SEW ResNet",
                    ("sew",),
                    (4,),
                    ONE,
                    ("preact-resnet18-narrow", "sew-resnet18-narrow"),
                ),
                _block("rows of Table 2: PLIF", ("plif", "plif-stepwise"), (8,), ONE),
                _block(
                    "rows of Table 2: ANNs to convert",
                    ("deng-gu-ann", "ann-pixels", "cq-clamp-ann", "cq-ann"),
                    (1,),
                    ONE,
                ),
                _block("rows of Table 2: conversions", ("rmp", "deng-gu-released", "cq", "spike-norm"), CHEAP, ONE),
                _block("rows of Table 2: STBP without tdBN", ("stbp", "stbp-neunorm"), (12,), ONE),
                _block("rows of Table 2: Tandem learning", ("tandem",), (8,), ONE),
                _block("rows of Table 2: ASF-BP", ("asf-bp",), (5, 20), ONE, ("vgg7-narrow",)),
                _block(
                    "rows of Table 2: DIET-SNN, and DSR from an ANN as well", ("diet-snn", "dsr-if-hybrid"), (5,), ONE
                ),
                # published for T = 125 (50 in its code), which takes days; from 18 on all its late layers are heard
                _block("rows of Table 2: hybrid training", ("hybrid-training",), (20,), ONE),
                _block("rows of Table 2: TSSL-BP", ("tssl-bp",), (5,), ONE),
                _block("rows of Table 2: IDE", ("ide",), (30,), ONE, ("cifarnet-f-narrow",)),
            ),
            (
                _block("since DSR: rate-based backpropagation", ("rate-bp", "rate-bp-bptt"), SINCE, TWO),
                _block("since DSR: PSN", ("psn",), SINCE, TWO),
                _block("since DSR: an ANN of as many bits as T steps need", ("lsq-ann",), (5, 2, 20), TWO),
                _block("since DSR: CLIF", ("clif",), SINCE, TWO),
                _block("since DSR: SRP, whose first 4 steps T counts", ("qcfs-srp",), AFTER_FOUR, TWO),
                _block("since DSR: SRP of one step, and one to read", ("qcfs-srp@presimulation=1",), SINCE, TWO),
                _block("since DSR: an ANN for SlipReLU", ("slip-relu-ann",), (1,), TWO),
                _block("since DSR: SlipReLU", ("slip-relu",), CHEAP, TWO),
                _block("since DSR: training step by step", ("sltt", "ottt", "sltt-bptt"), SINCE, TWO),
                _block("since DSR: backward behind 2 of 5 steps", ("sltt-k",), (5,), TWO),
                _block(
                    "since DSR: loss and method, two by two with stbp-tdbn and sltt",
                    ("stbp-tdbn@loss=tet", "sltt@loss=cross-entropy"),
                    SINCE,
                    TWO,
                ),
            ),
        ),
    ),
}
NAMED: Mapping[str, Sweep | Campaign] = {**SWEEPS, **CAMPAIGNS}
"""All that `dsr-bench sweep` carries out, by name."""
