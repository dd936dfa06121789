"""`dsr-bench why`: every difference between a run's protocol and the published one, and whether it may move accuracy.

The published recipe is the same method's at scale `paper`; a direction is given only where the suite's results, the
paper or its code say one.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.recipes import resolve
from benchmarks.spec import Recipe, Run, flat, variant
from reports.queries.differences import written
from reports.queries.directions import direction
from reports.queries.lookup import Known
from reports.queries.protocol import SCHEDULE, Protocol
from reports.queries.protocols import LONG, MEASURED_ON, parent_of, protocol_of
from reports.rendering.table import DASH, Cell, Column, Table, laid_out, warning_of

LAST = "last; the best stands beside it"
ONLY = "last; no other was tested"
LEGEND = "Accuracy: which way a difference may move it, where the suite's results, the paper or its code say so."
WHOLE = ("official files", "ImageNet, whole", "CIFAR10-DVS, ")
NO_DIFFERENCE = ("parent", "revision", "test_every_epoch")
"""`test_every_epoch` shows in the reported epoch."""
OF_TRAINING = (*SCHEDULE, "validation_images")
SEEN = "conversion.test_images"
LABELS = {
    "batch_size": "batch",
    "warmup_iterations": "warm-up iterations",
    "warmup_share": "warm-up, share of the iterations",
    "half_period": "epochs in which the cosine falls, before it rises",
    "drops": "drops of the learning rate, shares of the epochs",
    "drop": "factor of a drop",
    "linear_rate": "factor on the rate of fully connected layers",
    "decayed": "what weight decay acts on",
    "loss_share": "share of a squared distance in the loss of every step",
    "trained_steps": "steps that training goes backward behind",
    "pixels": "pixels",
    "train_images": "training images",
    "validation_images": "held-out training images",
    "optimizer": "optimiser",
    "neuron.threshold": "V at the start",
    "neuron.threshold_floor": "V, lower bound",
    "neuron.threshold_gain": "gain of V's gradient",
    "neuron.levels": "L",
    "neuron.start": "membrane at the start, in V",
    "neuron.shift": "shift, in V / T",
    "neuron.clip": "clip of the ReLU",
    "norm.folded_eps": "eps where spikes are normalised",
    "conversion.images": MEASURED_ON,
    "conversion.factor": "factor on thresholds at the start",
    "conversion.steps": "steps in which thresholds are measured",
    SEEN: "thresholds see test images",
}


MIRRORED = "mirrored after reading .aedat"
ABSENT = {"neuron.clip": "none", "neuron.alpha": "none"}
"""What it means that a parameter of a neuron is not stated, where that is no default of it."""


@dataclass(frozen=True)
class Difference:
    """What differs, as text on both sides; `stated`: whether the publication states its side."""

    what: str
    published: str
    here: str
    effect: str = DASH
    said_by: str = ""
    stated: bool = True


def explain(one: Known) -> tuple[Table | None, str]:
    """The table of differences, if there is anything published to differ from, and the conclusion in one sentence."""
    protocol = protocol_of(one.run)
    if protocol is None:
        what = f"{variant(one.run.method)[0]} on {one.run.dataset}"
        return None, f"The paper has no such row, and no other published protocol of {what} is known here."
    differences = [*_run_differences(one, protocol), *_recipe_differences(one, protocol), *_open(protocol)]
    return _table(one, protocol, differences), conclusion(one.run, protocol, differences)


def conclusion(run: Run, protocol: Protocol, differences: list[Difference]) -> str:
    """Whether the row is comparable."""
    count = sum(one.stated for one in differences)
    counted = f"{count} thing{' differs' if count == 1 else 's differ'} from {protocol.where}"
    alike = f"omparable with {protocol.where}, as one seed, but for what is not stated there."
    if not protocol.has_row:
        return (
            f"Not comparable: the paper has no such row, and {counted}."
            if count
            else f"The paper has no such row; c{alike}"
        )
    return f"Not comparable with the paper's row: {counted}." if count else f"C{alike}"


def _run_differences(one: Known, protocol: Protocol) -> Iterator[Difference]:
    run, base = one.run, variant(one.run.method)[0]
    if run.dataset != protocol.run.dataset:
        yield _judged(run, "data set", protocol.run.dataset, run.dataset)
    if protocol.networks and run.network not in protocol.networks:
        yield _judged(run, "network", " or ".join(protocol.networks), run.network)
    if protocol.timesteps and run.timesteps not in protocol.timesteps:
        yield _judged(run, "T", _steps(protocol.timesteps), str(run.timesteps))
    if base.endswith("-rep"):
        yield _judged(run, "gradient", "the released code's", "in representation space")
    if base == "ann" and "DSR" in protocol.where:
        yield _judged(run, "readout", "ReLU of normalised logits", "logits")
    if (source := one.row.get("data_source")) and not source.startswith(WHOLE):
        yield _judged(run, "data", "as its authors ship it", textwrap.shorten(source, 56, placeholder=" ..."))
    if run.dataset == "cifar10dvs" and "DSR" in protocol.where:
        yield Difference("side and polarity of events", MIRRORED, "as tonic's .aedat4 has them", stated=False)
    if one.row.get("status") != "done":
        yield _judged(run, "status", "done", one.row.get("status") or "has not ended")
    seeds = f"mean of {protocol.seeds}" if protocol.seeds else DASH
    yield Difference("seeds", seeds, f"one, seed {run.seed}", stated=False)
    if resolve(protocol.run).epochs:
        tested_once = one.recipe is not None and not one.recipe.test_every_epoch
        yield _judged(run, "reported epoch", protocol.epoch, ONLY if tested_once else LAST, stated=False)
    for what, published, here in protocol.beyond:
        yield _judged(run, what, published, here)


def _recipe_differences(one: Known, protocol: Protocol) -> Iterator[Difference]:
    published, before = resolve(protocol.run), parent_of(protocol)
    if one.recipe is None:
        yield _judged(one.run, "recipe", published.sources, "not known: it has changed since")
    else:
        yield from _between(one.run, protocol, published, one.recipe)
        if bool(published.parent) != bool(one.recipe.parent):
            here = f"a trained {one.recipe.parent}" if one.recipe.parent else "random weights"
            yield _judged(one.run, "starts from", f"a trained {published.parent}", here)
    if before and one.parent_recipe:
        yield from _between(one.run, protocol, resolve(before), one.parent_recipe, "parent's ")
    elif before and one.recipe and one.recipe.parent:
        yield _judged(one.run, "parent's recipe", resolve(before).sources, "not known: no row of it is left")


def _steps(timesteps: tuple[int, ...]) -> str:
    shown = [str(steps) for steps in timesteps if steps not in LONG]
    return ", ".join([*shown, *([f"{LONG[0]} and more"] if LONG[0] in timesteps else [])])


def _between(run: Run, protocol: Protocol, published: Recipe, here: Recipe, whose: str = "") -> Iterator[Difference]:
    theirs, ours = {**flat(published), **protocol.known}, flat(here)
    ignored = {*NO_DIFFERENCE, *(OF_TRAINING if not published.epochs and not here.epochs else ())}
    for name in {**theirs, **ours}:
        if theirs.get(name) != ours.get(name) and name not in ignored:
            what = whose + LABELS.get(name, name.rpartition(".")[2].replace("_", " "))
            borrowed = "not known; DSR's " if name in protocol.borrowed and name not in protocol.known else ""
            yield _judged(run, what, borrowed + _setting(name, theirs), _setting(name, ours))


def _setting(name: str, values: Mapping[str, Any]) -> str:
    if name == SEEN:
        return "yes" if values.get(name) else "no"
    if name in values:
        return written(name, values[name])
    return ABSENT.get(name, "default") if name.startswith("neuron.") else DASH


def _open(protocol: Protocol) -> Iterator[Difference]:
    for what, here in protocol.unstated:
        yield Difference(what, "not known", here, "unknown", stated=False)


def _judged(run: Run, what: str, published: str, here: str, stated: bool = True) -> Difference:
    return Difference(what, published, here, *direction(run, what, published, here), stated)


def _table(one: Known, protocol: Protocol, differences: list[Difference]) -> Table:
    columns = [
        (Column("", numeric=False), [Cell(d.what) for d in differences]),
        (Column("published", numeric=False), [Cell(d.published) for d in differences]),
        (Column("", "this run", numeric=False), [Cell(d.here) for d in differences]),
        (Column("accuracy", numeric=False), [Cell(d.effect) for d in differences]),
        (Column("says", numeric=False), [Cell(d.said_by) for d in differences]),
    ]
    headings, cells = laid_out(columns)
    heading = f"{one.run} beside {protocol.where}"
    notes = (f"Published recipe: {resolve(protocol.run).sources}.", LEGEND)
    return Table(heading, "", heading, headings, cells, notes, warning_of(one.run.scale))
