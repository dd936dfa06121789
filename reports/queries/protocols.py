"""Which published rows there are, and what they were made with beyond the recipe that `recipes.py` has of them.

[DSR] the paper's tables and figures and its released code; a baseline's own paper where DSR's has no such row. Figures
that are quoted from others in DSR's tables are no rows of DSR's protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from benchmarks.catalogue import facts, timeless
from benchmarks.catalogue.datasets import ENTRIES
from benchmarks.catalogue.networks import DEEP
from benchmarks.spec import Parameter, Run, spelled, variant

CIFAR = ("cifar10", "cifar100")
BODY = {name: entry.paper.network for name, entry in ENTRIES.items() if entry.paper}
"""[DSR] The network of each data set."""
STANDS_FOR = {name: entry.stands_for for name, entry in ENTRIES.items() if entry.stands_for}
NEAREST = {"dsr-clamp": "dsr-if", "dsr-quantized": "dsr-if"}
"""The published method that one of ours without spikes is derived from."""
ABLATIONS: tuple[Mapping[str, Parameter], ...] = (
    {"threshold": 6},
    {"threshold": 6, "alpha": 1},
    {"threshold": 6, "train_threshold": False},
    {"threshold": 2, "train_threshold": False},
    {"threshold": 6, "alpha": 1, "train_threshold": False},
)
"""[DSR] Tab. 3: all of DSR, without F, without T, without T from V = 2, without both."""
MEASURED_ON = "images thresholds are measured on"
LONG = (512, 1024, 2048)
WARM_UP = "warmup_iterations"
SCHEDULE = ("epochs", "batch_size", "learning_rate", "momentum", "weight_decay", WARM_UP, "augmentation", "optimizer")
EPOCH_UNKNOWN = "not stated; its code prints the best"
BEST_ON_TEST = "the best on the test split"
READOUT = ("readout", "votes of ten spiking neurons a class", "mean output current")


Beyond = tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Protocol:
    """Where it is published, and what with. `run` has the method whose recipe at scale `paper` it is.

    `networks`, `timesteps`: those that are published; empty where not known or without meaning. `seeds`: how many the
    row is a mean of, None where not known. `has_row`: whether the DSR paper has a row for the method itself.
    `epoch`: which epoch is reported. `unstated`: what the publication leaves open, and what is done here. `beyond`:
    what no recipe says and is done differently, there and here. `borrowed`: fields of the recipe that are DSR's
    because the publication's own are not known.
    """

    where: str
    run: Run
    networks: tuple[str, ...]
    timesteps: tuple[int, ...]
    seeds: int | None = None
    has_row: bool = False
    epoch: str = "not known here"
    unstated: tuple[tuple[str, str], ...] = ()
    beyond: Beyond = ()
    borrowed: tuple[str, ...] = ()


def protocol_of(run: Run) -> Protocol | None:
    """The published protocol nearest to a run; None where there is none for its data set and method."""
    base, changes = variant(run.method)
    method = NEAREST.get(base, base.removesuffix("-rep"))
    plain = replace(run, method=method, scale="paper")
    found = _dsr(plain, changes) or _own(plain)
    if found is None:
        return None
    if base in NEAREST:
        beyond = ("what neurons emit", "spikes, step by step", "a graded value, once")
        found = replace(found, timesteps=() if timeless(base) else found.timesteps, beyond=(*found.beyond, beyond))
    itself = found.has_row and method == base and run.dataset not in STANDS_FOR
    return replace(found, has_row=itself and (not changes or found.run.method == run.method))


def _dsr(run: Run, changes: Mapping[str, Parameter]) -> Protocol | None:
    """Rows of DSR's own tables and figures."""
    dataset = STANDS_FOR.get(run.dataset, run.dataset)
    if dataset not in BODY:
        return None
    at = replace(run, dataset=dataset)
    row = Protocol("DSR, Tab. 2", at, (BODY[dataset],), (20,), 3, True, EPOCH_UNKNOWN)
    match run.method:
        case "ann" | "dsr-ann" if dataset == "imagenet":
            return replace(row, run=replace(at, method="dsr-ann"), timesteps=(), seeds=None)
        case "ann" | "dsr-ann" if dataset in CIFAR:
            unstated = (("recipe of the ANN", "that of DSR's networks"),)
            return replace(row, timesteps=(), seeds=None, unstated=unstated, borrowed=SCHEDULE)
        case "dsr-if" | "dsr-if-hybrid" | "dsr-if-hybrid-published" if dataset == "imagenet":
            unstated = (("number of GPUs, by which threshold gradients grow", "they do not grow"),)
            hybrid = replace(at, method="dsr-if-hybrid-published")
            return replace(
                row, run=hybrid, timesteps=(50,), seeds=None, has_row=run.method != "dsr-if", unstated=unstated
            )
        case "dsr-if" | "dsr-lif" if dataset == "cifar10":
            return _cifar10(row, run, changes)
        case "dsr-if" | "dsr-lif" if dataset != "imagenet":
            return row
    return None


def _cifar10(row: Protocol, run: Run, changes: Mapping[str, Parameter]) -> Protocol:
    if run.network in DEEP:
        unstated = (("widths of the narrow networks", "16-32-64, He et al.'s"), ("neuron", run.method))
        return replace(row, where="DSR, Fig. 3b", networks=(run.network,), seeds=None, unstated=unstated)
    if run.method == "dsr-if" and changes and {"threshold": 6, **changes} in ABLATIONS:
        return replace(row, where="DSR, Tab. 3", run=replace(run, method=spelled(run.method, changes)))
    if run.timesteps == 20:
        return row
    unstated = (("learning rate between T = 5 and 20", "0.1"), ("LIF's alpha there", "0.4"))
    figure = replace(row, where="DSR, Fig. 3a", timesteps=(5, 10, 15, 20), seeds=None)
    if run.timesteps in (10, 15):
        return replace(figure, unstated=unstated[: 2 if run.method == "dsr-lif" else 1])
    return figure


def _own(run: Run) -> Protocol | None:
    """A baseline's own paper."""
    match run.method:
        case "stbp-tdbn" | "stbp-tdbn-spikes" | "stbp-tdbn-tuned":
            return _stbp(run)
        case "stbp" | "stbp-published" | "stbp-neunorm":
            return _without_tdbn(run)
        case "plif" | "plif-stepwise" | "plif-published":
            return _plif(run)
        case "tet-published":
            own = _tet(run)
        case method if method.startswith("sltt"):
            own = _sltt(run)
        case "ottt" | "ottt-published":
            own = _ottt(run)
        case method if method.startswith("diet-snn"):
            own = _diet(run)
        case method if method.startswith("hybrid-training"):
            return _hybrid_training(run)
        case "tssl-bp" | "tssl-bp-published":
            return _tssl(run)
        case "ide" | "ide-published":
            own = _ide(run)
        case method if method.startswith("qcfs"):
            own = _qcfs(run)
        case "tandem" | "tandem-published" | "asf-bp" | "asf-bp-published":
            return _counts(run)
        case "calibration" | "calibration-published" | "ann-published":
            method = run.method if run.method == "ann-published" else "calibration-published"
            at = replace(run, method=method)
            own = Protocol("Li et al. 2021 (calibration)", at, ("vgg16", "a variant of ResNet-18"), (32, 64, *LONG))
            if run.method != "ann-published":
                own = replace(own, beyond=((MEASURED_ON, "a few training batches", "512"),))
        case "sew" | "sew-published":
            return _sew(run)
        case "rmp":
            own = _rmp(run)
        case "spike-norm" if run.dataset in ("cifar10", "imagenet"):
            return _spike_norm(run)
        case "cq" | "cq-published" | "cq-ann" | "cq-clamp-ann" | "cq-published-ann":
            own = _cq(run)
        case "deng-gu" | "deng-gu-ann" | "deng-gu-released" | "maximum-shift":
            own = _deng_gu(run)
        case "threshold-balancing" | "threshold-balancing-half":
            unstated = ((MEASURED_ON, "512"),)
            at = replace(run, method="threshold-balancing")
            own = Protocol("Rueckauer et al. 2017", at, (), (), unstated=unstated, borrowed=SCHEDULE)
        case _:
            return None
    if run.dataset not in CIFAR:
        return None
    return replace(own, timesteps=()) if timeless(own.run.method) else own


def _qcfs(run: Run) -> Protocol:
    """Of the two repositories the later one, which ours follow, unless the first one's recipe is asked for."""
    which = "qcfs-2022-published" if "2022" in run.method else "qcfs-published"
    method = f"{which}-ann" if run.method.endswith("ann") else which
    at, networks, steps = replace(run, method=method), ("resnet18", "resnet20", "vgg16"), (2, 4, 8, 16, 32, 64, *LONG)
    return Protocol("Bu et al. 2022 (QCFS)", at, networks, steps, epoch=EPOCH_UNKNOWN)


def _rmp(run: Run) -> Protocol:
    unstated = (("factor on thresholds", "1"), ("coding of images", "as currents"), (MEASURED_ON, "512"))
    steps = (2048,) if run.dataset == "cifar10" else (768,)
    return Protocol("Han et al. 2020 (RMP)", run, ("vgg16",), steps, unstated=unstated, borrowed=SCHEDULE)


def _spike_norm(run: Run) -> Protocol:
    """Published on ImageNet and on networks without norms and biases; its authors' code is not public.

    The DSR paper has its row of ImageNet alone; what its authors publish on CIFAR-10 is not known here.
    """
    unstated = (
        ("neurons", "a hard reset"),
        ("images that thresholds are measured on, and steps", "128 and 64"),
        ("how random spikes are scaled", "a pixel of 1 spikes at every step"),
    )
    beyond = (("norms and biases", "none", "batch norm, folded"),)
    networks, steps = (("ResNet-34",), (2000,)) if run.dataset == "imagenet" else ((), ())
    where = "Sengupta et al. 2019 (Spike-Norm)"
    return Protocol(where, run, networks, steps, unstated=unstated, beyond=beyond, borrowed=SCHEDULE)


def _cq(run: Run) -> Protocol:
    """What the scripts do, which train the clamp alone; the quantised stage is an edit by hand there."""
    ann = "ann" in run.method
    at = replace(run, method="cq-published-ann" if ann else "cq-published")
    steps = (400, 600) if run.dataset == "cifar10" else (150, 300)
    beyond: Beyond = (
        ("augmentation", "rotations of 15 degrees, crops by 6, flips, noise of 0.01", "crops by 4 and flips"),
    )
    stages = (("stages of training", "the clamp alone in its scripts, three in the paper", "three"),)
    beyond += stages if "published" not in run.method else ()
    return Protocol("Yan et al. 2021 (CQ training)", at, ("cq-vgg",), steps, epoch="the last", beyond=beyond)


def _deng_gu(run: Run) -> Protocol:
    """`maximum-shift` is their conversion, of an ANN that is not clipped as theirs is."""
    converted = run.method != "deng-gu-ann"
    unstated = (("where the ANN's ReLU is clipped", "at 1, as its author says in an issue"),)
    steps = (128,) if run.dataset == "cifar10" else ()
    beyond = [
        ("norm of the ANN", "none", "batch norm"),
        (("parent's " if converted else "") + "learning rate", "0.001 by default, in steps", "0.1, cosine"),
    ]
    if converted:
        beyond += [(MEASURED_ON, "all training images", "512")]
    released = run.method == "deng-gu-released"
    if converted and not released:
        beyond += [("shift behind residual additions", "none", "as elsewhere"), ("neuron on the logits", "yes", "no")]
    method = "deng-gu" if converted and not released else run.method
    at, networks = replace(run, method=method), ("networks of its own",)
    return Protocol("Deng & Gu 2021", at, networks, steps, unstated=unstated, beyond=tuple(beyond), borrowed=(WARM_UP,))


def _stbp(run: Run) -> Protocol | None:
    known = {"cifar10": ("resnet19", (2, 4, 6)), "cifar10dvs": ("resnet19", (10,)), "imagenet": ("ResNet-34", (6,))}
    dataset = STANDS_FOR.get(run.dataset, run.dataset)
    if dataset not in known:
        return None
    network, timesteps = known[dataset]
    method = "stbp-tdbn-spikes" if run.method.endswith("spikes") else "stbp-tdbn"
    unstated = (("threshold", "0.5; only width / V matters"), ("optimiser, epochs, augmentation", "DSR's"))
    at = replace(run, dataset=dataset, method=method)
    return Protocol("Zheng et al. 2021 (STBP-tdBN)", at, (network,), timesteps, unstated=unstated, borrowed=SCHEDULE)


def _without_tdbn(run: Run) -> Protocol | None:
    """STBP as released, and NeuNorm, of which nothing is."""
    if run.dataset != "cifar10":
        return None
    if run.method == "stbp-neunorm":
        unstated = (
            ("code", "SpikingJelly's layer"),
            ("threshold", "0.25"),
            ("optimiser, epochs, augmentation", "DSR's"),
        )
        return Protocol("Wu et al. 2019 (NeuNorm)", run, ("cifarnet",), (12,), unstated=unstated, borrowed=SCHEDULE)
    released = replace(run, method="stbp-published")
    beyond: Beyond = (("threshold", "0.75, from which users see a loss that does not move", "0.25"),)
    beyond += (READOUT,) if run.method == "stbp" else ()
    return Protocol("Wu et al. 2018 (STBP)", released, ("cifarnet",), (5,), epoch=BEST_ON_TEST, beyond=beyond)


def _sew(run: Run) -> Protocol | None:
    known = {"imagenet": (("sew-resnet18-imagenet", "sew-resnet34-imagenet"), 4), "cifar10dvs": (("sew-dvs",), 16)}
    dataset = STANDS_FOR.get(run.dataset, run.dataset)
    if dataset in CIFAR:
        unstated = (("networks, T and recipe on this data set", "ours"),)
        return Protocol("Fang et al. 2021 (SEW ResNet)", run, (), (), unstated=unstated, borrowed=SCHEDULE)
    if dataset not in known:
        return None
    networks, steps = known[dataset]
    at = replace(run, dataset=dataset, method="sew-published")
    beyond: Beyond = (("arithmetic", "float16 autocast", "float32"),)
    return Protocol("Fang et al. 2021 (SEW ResNet)", at, networks, (steps,), epoch=BEST_ON_TEST, beyond=beyond)


def _plif(run: Run) -> Protocol | None:
    known = {"cifar10": ("plif-cifar10", 8), "cifar10dvs": ("plif-dvs", 20)}
    dataset = STANDS_FOR.get(run.dataset, run.dataset)
    if dataset not in known:
        return None
    network, steps = known[dataset]
    at = replace(run, dataset=dataset, method="plif-published")
    beyond: Beyond = (("frames", "128 x 128 pixels", "48 x 48"),) if dataset == "cifar10dvs" else ()
    beyond += (READOUT,) if run.method != "plif-published" else ()
    beyond += (("statistics of the norms", "of each step by itself", "over all steps"),) if run.method == "plif" else ()
    return Protocol("Fang et al. 2021 (PLIF)", at, (network,), (steps,), epoch=BEST_ON_TEST, beyond=beyond)


def _tet(run: Run) -> Protocol:
    unstated: tuple[tuple[str, str], ...] = (("norm", "tdBN, V = 1"),)
    unstated += (("recipe on CIFAR-100", "that of CIFAR-10"),) if run.dataset == "cifar100" else ()
    return Protocol("Deng et al. 2022 (TET)", run, ("resnet19",), (4,), epoch=BEST_ON_TEST, unstated=unstated)


CUTOUT = ("Cutout", "of every second image, 2 to 40 % of it", "16 x 16 pixels of every image")


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


def _counts(run: Run) -> Protocol | None:
    """Tandem learning and ASF-BP: what is released is for CIFAR-10."""
    if run.dataset != "cifar10":
        return None
    if run.method.startswith("tandem"):
        at, beyond = replace(run, method="tandem-published"), (("dropout", "in tests, too", "in training only"),)
        where, networks = "Wu et al. 2021 (Tandem learning)", ("cifarnet-tandem",)
        return Protocol(where, at, networks, (8,), epoch=BEST_ON_TEST, beyond=beyond)
    # its recipe depends on T, and that of few steps is ours
    at = replace(run, method="asf-bp-published", timesteps=400)
    beyond = (("input spikes in tests", "drawn anew each time", "follow from the image"),)
    unstated = (("constants at T = 400", "those of the released code, whose T is 100"),)
    where = "Wu et al. 2021 (ASF-BP)"
    return Protocol(where, at, ("vgg7",), (400,), epoch=BEST_ON_TEST, unstated=unstated, beyond=beyond)


def _diet(run: Run) -> Protocol:
    """The README has one command, for CIFAR-10. The number of DSR's table is of CIFAR-100, and has none."""
    where = "Rathi & Roy 2020 (DIET-SNN)"
    at = run if run.method.endswith("-ann") else replace(run, method="diet-snn-published")
    found = Protocol(where, at, ("VGG-9",), (5,), epoch=BEST_ON_TEST, beyond=_of_handover(run))
    if run.dataset == "cifar10":
        return found
    unstated = (("recipe on CIFAR-100", "that of README's command for CIFAR-10"),)
    return replace(found, networks=("diet-vgg16",), unstated=unstated)


def _hybrid_training(run: Run) -> Protocol | None:
    """One released command is known here, for CIFAR-100; of others, that there are numbers."""
    at = run if run.method.endswith("-ann") else replace(run, method="hybrid-training-published")
    beyond: Beyond = (
        ("normalisation of images", "the ANN's by the data's deviation, the SNN's by 0.5", "one for both"),
        ("network of the ANN", "in its released code another VGG-11", "the SNN's"),
    )
    found = Protocol("Rathi et al. 2020 (hybrid training)", at, (), (), epoch=BEST_ON_TEST, beyond=_of_handover(run))
    match run.dataset:
        case "cifar100":
            found = replace(found, networks=("hybrid-vgg11",), timesteps=(50, 125), beyond=(*beyond, *found.beyond))
        case "cifar10":
            found = replace(found, unstated=(("networks, T and recipe on this data set", "those of CIFAR-100"),))
        case "imagenet":
            unstated = (("recipe on this data set", "that of CIFAR-100, DSR's schedule"),)
            found = replace(found, networks=("ResNet-34",), timesteps=(250,), unstated=unstated)
        case _:
            return None
    return replace(found, timesteps=()) if timeless(at.method) else found


def _of_handover(run: Run) -> Beyond:
    """What Rathi et al. do otherwise than all recipes of ours that start from an ANN, and than matched ones."""
    norm = ("norm", "none", "batch norm")
    seen = ("augmentation of images thresholds are measured on", "that of training", "none")
    return (*(() if "published" in run.method else (norm,)), *(() if run.method.endswith("-ann") else (seen,)))


def _tssl(run: Run) -> Protocol | None:
    if run.dataset != "cifar10":
        return None
    unstated = (("biases, start and dropout of the paper's network, which has no file", "those of its smaller one"),)
    beyond: Beyond = (("weights are clipped", "after an update", "before the next pass"),)
    if run.method == "tssl-bp":
        beyond += (("norm", "none", "batch norm"), ("how often the target spikes are filtered", "twice", "once"))
    at = replace(run, method="tssl-bp-published")
    where, networks = "Zhang & Li 2020 (TSSL-BP)", ("cifarnet-tssl",)
    return Protocol(where, at, networks, (5,), epoch=BEST_ON_TEST, unstated=unstated, beyond=beyond)


def _ide(run: Run) -> Protocol:
    beyond: Beyond = (("solver of the gradient's equation", "Broyden, 30 steps", "GMRES, up to 30 products"),)
    if run.method == "ide":
        beyond += (("where the Jacobian is taken", "at f of the simulated rate", "at the simulated rate"),)
        beyond += (("running statistics of the first norm", "move twice a batch", "move once"),)
    at = replace(run, method="ide-published")
    return Protocol("Xiao et al. 2021 (IDE)", at, ("cifarnet-f",), (30, 100), epoch=BEST_ON_TEST, beyond=beyond)


def parent_of(found: Protocol) -> Run | None:
    """The published parent of a published row."""
    about = facts(found.run.method)
    return replace(found.run, method=about.parent, timesteps=1) if about and about.parent else None
