"""Checks that the methods still learn: brief trainings with fixed seeds, compared with reference points of more seeds.

A reference of m seeds has mean r and standard deviation s; n fresh seeds have mean f. The verdict is "worse" if

    r - f > tolerance + t(1 - p, m - 1) s sqrt(1 / m + 1 / n)          (for a loss: f - r; one-sided)

p = 0.05 is divided among all quantities compared at once, so that at most one in twenty checks of unchanged code on
another machine raises a false alarm. On the machine that made the points unchanged code repeats them to the last digit.
s is the reference's alone, because a fault that scatters the fresh seeds must not widen its own tolerance. The same
distance on the good side is "better" and needs an explanation too: a clamp that forgets its mask learns these digits
faster. Reference convergence points come from MLPerf (training rules, RCP), where they guard against convergence that
is too fast.
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
from benchmarks.methods import backward, named
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
"""Tolerance in percentage points of accuracy, and as a share of the reference's loss."""

TIMESTEPS, NETWORK = 4, "preact-resnet-tiny"
SCALE: Scale = "smoke"
METHODS = tuple(name for name, facts in catalogue.BUILT_IN.items() if facts.watched)
"""All methods that train and whose recipes differ on these data; and one conversion of each parent."""
EPOCHS: Mapping[str, int] = {"digits": 3, "cifar10": 2}
REFERENCE_SEEDS, FRESH_SEEDS = range(8), range(3)


@dataclass(frozen=True)
class Reference:
    """The points of one setting, all made with today's recipe."""

    points: Sequence[Point]

    def limit(self, quantity: str, fresh: int, p: float) -> tuple[float, float]:
        """Return the mean, and the limit beyond which the mean of `fresh` seeds is worse."""
        values = [getattr(point, quantity) for point in self.points]
        mean, spread = fmean(values), math.sqrt(1 / len(values) + 1 / fresh) * stdev(values)
        band = float(stdtrit(len(values) - 1, 1 - p)) * spread
        if quantity == "top1":
            return mean, mean - TOLERANCE_POINTS - band
        return mean, mean * (1 + TOLERANCE_LOSS) + band


def runs(dataset: str, methods: Iterable[str], seeds: Iterable[int]) -> list[Run]:
    """List the brief runs of a data set, method by method."""
    steps = {method: 1 if timeless(method) else TIMESTEPS for method in methods}
    return [Run(dataset, NETWORK, m, t, seed, SCALE) for m, t in steps.items() for seed in seeds]


@cache
def data_of(dataset: str) -> Dataset:
    """Load the data of all brief runs on a data set. Raises BadInput if they are missing; nothing is downloaded."""
    if dataset in OFFICIAL and not (packed.root() / dataset).is_dir():
        raise BadInput(f"{packed.root() / dataset} not found; set DSR_DATA, or call `dsr-bench data get {dataset}`")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return load(dataset, resolve(Run(dataset, NETWORK, "ann", 1, 0, SCALE)), device)


def measure(run: Run, epochs: int) -> Point:
    """Train for `epochs` epochs with a learning rate that decays over these; a conversion's parent is trained instead.

    Raises BadInput if the data are missing, and any error of the training.
    """
    data = data_of(run.dataset)
    origin = provenance(data)
    network, loss = _trained(run, epochs, data)
    test = evaluate(network, data.test, data, run.timesteps)
    names = ("commit", "started", "machine", "device", "threads", "torch", "data_sha256")
    identity = vars(run) | {"epochs": epochs, "key": key(run)}
    loss = test.loss if loss is None else loss
    return Point(**identity, loss=loss, top1=test.top1, **{name: getattr(origin, name) for name in names})


def _trained(run: Run, epochs: int, data: Dataset) -> tuple[nn.Module, float | None]:
    """Return the trained network and the training loss of its last epoch (None for a conversion)."""
    recipe = resolve(run)
    torch.manual_seed(run.seed)
    network = build(run.network, run.method, run.timesteps, data.classes, data.channels, recipe).to(data.train.device)
    if ancestor := parent(run):
        _hand_over(run, recipe, network, _trained(ancestor, epochs, data)[0], data)
    set_start(run, recipe, network, data)
    if recipe.epochs == 0:
        return network.eval(), None
    training = Training(Memory(idle=0))
    shortened = replace(recipe, epochs=epochs)
    trainer = Trainer(network, data, shortened, run.seed, run.timesteps, backward=backward(run.method, shortened))
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
    """Execute the runs and compare them with the points; a run that raises an error is a finding."""
    grouped: dict[Setting, list[Run]] = {}
    for run in wanted:
        grouped.setdefault(_setting(run), []).append(run)
    references = {setting: _reference(setting, list(points)) for setting in grouped}
    comparable = sum(isinstance(reference, Reference) for reference in references.values())
    p = SIGNIFICANCE / max(1, 2 * comparable)
    findings: list[Finding] = []
    for setting, seeds in grouped.items():
        reference = references[setting]
        if isinstance(reference, Finding):
            findings.append(reference)
            continue
        try:
            fresh = [_measured(run, on_run, by) for run in seeds]
        except BadInput:
            raise
        except Exception as error:  # a broken method may raise anything
            note = f"{type(error).__name__}: {one_line(error)}"
            findings.append(Finding(part=PART, group=_group(setting), verdict="failed", note=note))
            continue
        if (data := reference.points[0].data_sha256) != fresh[0].data_sha256:
            note = f"the points are of other data (SHA-256 {data[:12]}..., here {fresh[0].data_sha256[:12]}...)"
            findings.append(Finding(part=PART, group=_group(setting), verdict="not compared", note=note))
            continue
        findings += _judged(setting, fresh, reference, p)
    return findings


def _measured(run: Run, on_run: Callable[[Run], None], by: Callable[[Run, int], Point]) -> Point:
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
    """Return the points of a setting, or a finding that says why it cannot be compared."""
    same = [point for point in points if point.setting == setting]
    if len(same) < 2:
        note = "no reference points; make them with `dsr-bench regression --only convergence --save`"
        return Finding(part=PART, group=_group(setting), verdict="new", note=note)
    dataset, network, method, timesteps, scale, _ = setting
    if any(point.key != key(Run(dataset, network, method, timesteps, point.seed, scale)) for point in same):  # type: ignore[arg-type]
        note = f"the recipe has changed since {same[0].commit[:12]}; make new points with `--only convergence --save`"
        return Finding(part=PART, group=_group(setting), verdict="not compared", note=note)
    return Reference(same)


def _setting(run: Run) -> Setting:
    return run.dataset, run.network, run.method, run.timesteps, run.scale, EPOCHS[run.dataset]


def _group(setting: Setting) -> str:
    dataset, _, method, timesteps, *_ = setting
    return f"{dataset}, {method} T={timesteps}"
