"""Do the methods still learn? Brief trainings with fixed seeds, against reference points of more seeds.

A reference of m seeds has mean r and standard deviation s; n fresh seeds have mean f. Worse, one-sided, if

    r - f > tolerance + t(1 - p, m - 1) s sqrt(1 / m + 1 / n)          (of a loss: f - r)

with p = 0.05 shared among all quantities compared at once, so that twenty checks of unchanged code on other machines
raise one false alarm at most. On the machine that made them, unchanged code repeats the points to the last digit.
s is the reference's alone: a break that scatters the fresh seeds must not widen its own band. What is as far on the
good side is said to be better, and wants a reason too: a clamp that forgets its mask learns these digits faster.
The idea of reference convergence points is MLPerf's (training rules, RCP), who ask the opposite: not too fast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import fmean, stdev

import torch
from scipy.special import stdtrit  # type: ignore[import-untyped]
from torch import nn

from benchmarks import catalogue
from benchmarks.data import Dataset, evaluation_batches, load, packed
from benchmarks.data.download import OFFICIAL
from benchmarks.measurement.evaluation import evaluate
from benchmarks.measurement.metering import Memory
from benchmarks.measurement.provenance import provenance
from benchmarks.methods import named
from benchmarks.networks import build
from benchmarks.recipes import resolve, timeless
from benchmarks.regression.finding import Finding, verdict
from benchmarks.regression.points import Point, Setting
from benchmarks.runs.identity import key, parent
from benchmarks.spec import BadInput, Recipe, Run, Scale, one_line
from benchmarks.training.loop import Trainer, Training
from benchmarks.training.thresholds import set_start

PART = "convergence"
SIGNIFICANCE = 0.05
TOLERANCE_POINTS, TOLERANCE_LOSS = 0.5, 0.02
"""Percentage points of accuracy; share of the reference's loss."""

TIMESTEPS, NETWORK = 4, "preact-resnet-tiny"
SCALE: Scale = "smoke"
METHODS = tuple(name for name, facts in catalogue.BUILT_IN.items() if facts.watched)
"""All that trains, but for what differs in a recipe that these data do not use; and conversions of both parents."""
EPOCHS: Mapping[str, int] = {"digits": 3, "cifar10": 2}
REFERENCE_SEEDS, FRESH_SEEDS = range(8), range(3)


@dataclass(frozen=True)
class Reference:
    """Points of one setting: they share key for key the recipe of today."""

    points: Sequence[Point]

    def limit(self, quantity: str, fresh: int, p: float) -> tuple[float, float]:
        """Mean, and the last mean of `fresh` seeds that is no worse."""
        values = [getattr(point, quantity) for point in self.points]
        mean, spread = fmean(values), math.sqrt(1 / len(values) + 1 / fresh) * stdev(values)
        band = float(stdtrit(len(values) - 1, 1 - p)) * spread
        if quantity == "top1":
            return mean, mean - TOLERANCE_POINTS - band
        return mean, mean * (1 + TOLERANCE_LOSS) + band


def runs(dataset: str, methods: Iterable[str], seeds: Iterable[int]) -> list[Run]:
    """The brief runs of a data set, method by method."""
    steps = {method: 1 if timeless(method) else TIMESTEPS for method in methods}
    return [Run(dataset, NETWORK, m, t, seed, SCALE) for m, t in steps.items() for seed in seeds]


@cache
def data_of(dataset: str) -> Dataset:
    """What all brief runs of a data set see. Raises BadInput where it is not at hand; nothing is downloaded."""
    if dataset in OFFICIAL and not (packed.root() / dataset).is_dir():
        raise BadInput(f"no {packed.root() / dataset}: set DSR_DATA, or `dsr-bench data get {dataset}`")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return load(dataset, resolve(Run(dataset, NETWORK, "ann", 1, 0, SCALE)), device)


def measure(run: Run, epochs: int) -> Point:
    """Train for `epochs` epochs, with a learning rate that falls over just these; or train a parent so, and convert.

    Raises BadInput for data that are not there, and whatever training raises.
    """
    data = data_of(run.dataset)
    origin = provenance(data)
    network, loss = _trained(run, epochs, data)
    found = evaluate(network, data.test, data, run.timesteps)
    wanted = ("commit", "started", "machine", "device", "threads", "torch", "data_sha256")
    identity = vars(run) | {"epochs": epochs, "key": key(run)}
    loss = found.loss if loss is None else loss
    return Point(**identity, loss=loss, top1=found.top1, **{name: getattr(origin, name) for name in wanted})


def _trained(run: Run, epochs: int, data: Dataset) -> tuple[nn.Module, float | None]:
    """The network, and the training loss of its last epoch."""
    recipe = resolve(run)
    torch.manual_seed(run.seed)
    network = build(run.network, run.method, run.timesteps, data.classes, data.channels, recipe).to(data.train.device)
    if ancestor := parent(run):
        _hand_over(run, recipe, network, _trained(ancestor, epochs, data)[0], data)
    set_start(run, recipe, network, data)
    if recipe.epochs == 0:
        return network.eval(), None
    training = Training(Memory(idle=0))
    trainer = Trainer(network, data, replace(recipe, epochs=epochs), run.seed, run.timesteps)
    trainer.run(training, lambda training: None)
    return network.eval(), training.epochs[-1].train_loss


def _hand_over(run: Run, recipe: Recipe, network: nn.Module, ancestor: nn.Module, data: Dataset) -> None:
    images, _ = next(evaluation_batches(data.train, data, int(recipe.conversion.get("images", 1))))
    named(run.method).hand_over(network, ancestor.eval(), images, recipe)


def check(
    wanted: Iterable[Run],
    points: Iterable[Point],
    on_run: Callable[[Run], None] = lambda run: None,
    by: Callable[[Run, int], Point] = measure,
) -> list[Finding]:
    """Carry the runs out and hold them against the points; a run that raises is a finding."""
    grouped: dict[Setting, list[Run]] = {}
    for run in wanted:
        grouped.setdefault(_setting(run), []).append(run)
    references = {setting: _reference(setting, list(points)) for setting in grouped}
    sound = sum(isinstance(reference, Reference) for reference in references.values())
    p = SIGNIFICANCE / max(1, 2 * sound)
    findings: list[Finding] = []
    for setting, seeds in grouped.items():
        reference = references[setting]
        if isinstance(reference, Finding):
            findings.append(reference)
            continue
        try:
            fresh = [_told(run, on_run, by) for run in seeds]
        except BadInput:
            raise
        except Exception as error:  # whatever a broken method raises
            note = f"{type(error).__name__}: {one_line(error)}"
            findings.append(Finding(part=PART, group=_group(setting), verdict="failed", note=note))
            continue
        if (seen := reference.points[0].data_sha256) != fresh[0].data_sha256:
            note = f"its points are of other data (SHA-256 {seen[:12]}... and here {fresh[0].data_sha256[:12]}...)"
            findings.append(Finding(part=PART, group=_group(setting), verdict="not compared", note=note))
            continue
        findings += _judged(setting, fresh, reference, p)
    return findings


def _told(run: Run, on_run: Callable[[Run], None], by: Callable[[Run, int], Point]) -> Point:
    on_run(run)
    return by(run, EPOCHS[run.dataset])


def _judged(setting: Setting, fresh: Sequence[Point], reference: Reference, p: float) -> list[Finding]:
    findings = []
    for quantity, name, unit in (("top1", "accuracy", "%"), ("loss", "loss", "")):
        mean, limit = reference.limit(quantity, len(fresh), p)
        value = fmean(getattr(point, quantity) for point in fresh)
        findings.append(
            Finding(
                part=PART,
                group=_group(setting),
                quantity=name,
                verdict=verdict(value, mean, limit),
                value=value,
                baseline=mean,
                limit=limit,
                unit=unit,
                since=reference.points[0].commit,
            )
        )
    return findings


def _reference(setting: Setting, points: Sequence[Point]) -> Reference | Finding:
    """The points of a setting, or why there are none to compare with."""
    same = [point for point in points if point.setting == setting]
    if len(same) < 2:
        note = "no reference points; `dsr-bench regression --only convergence --save` makes them"
        return Finding(part=PART, group=_group(setting), verdict="new", note=note)
    dataset, network, method, timesteps, scale, _ = setting
    if any(point.key != key(Run(dataset, network, method, timesteps, point.seed, scale)) for point in same):  # type: ignore[arg-type]
        note = f"its recipe has changed since {same[0].commit[:12]}; `--only convergence --save` makes new points"
        return Finding(part=PART, group=_group(setting), verdict="not compared", note=note)
    return Reference(same)


def _setting(run: Run) -> Setting:
    return run.dataset, run.network, run.method, run.timesteps, run.scale, EPOCHS[run.dataset]


def _group(setting: Setting) -> str:
    dataset, _, method, timesteps, *_ = setting
    return f"{dataset}, {method} T={timesteps}"
