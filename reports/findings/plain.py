"""What the rows of CIFAR-10 say, in plain words: a sentence per question, by the template that its answer chooses.

A difference is stated as one only where its 95 % interval lies wholly on one side of 0; else the question is open.
Which methods stand for DSR, surrogate gradients and conversion is fixed here, not by how accurate they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from benchmarks.catalogue.datasets import ENTRIES
from benchmarks.catalogue.networks import LAYERS
from benchmarks.recipes import resolve
from benchmarks.spec import Parameter, Run, spelled
from reports.claims import families
from reports.claims.evidence import network_of
from reports.claims.rule import EQUAL, EQUIVALENCE
from reports.claims.statement import above, described
from reports.cost.costs import EQUALLY_FAST
from reports.energy.models import FP32_45NM, ONCE
from reports.inputs import published
from reports.inputs.predictions import Kept
from reports.questions import ladder, length, precision, records, width
from reports.questions.cells import at, between
from reports.questions.trials import are_trials
from reports.rendering.markdown import code
from reports.statistics.difference import Estimate
from reports.tables.paper import EVIDENCE

DATASET = "cifar10"
ANN, CONVERTED = "ann", "qcfs"
DSR, LEAKY = families.TWINS
EXACT, SURROGATE = next(iter(families.DSR)), families.SURROGATE[0]
"""DSR stands here with its IF neuron in representation space, which is cheap enough for every T."""
FEWEST, LOW, PUBLISHED = 2, 5, 20
ENERGY = "energy_events_microjoules"
RIVALS = {
    SURROGATE: ("surrogate gradients", (DSR, LEAKY)),
    CONVERTED: ("conversion of a network trained for it", (DSR,)),
}
"""Whom DSR is compared with at few steps: the method, what it is, and DSR's side."""
NAMES = {
    ANN: "the ANN",
    DSR: f"DSR (`{DSR}`)",
    LEAKY: f"DSR with LIF neurons (`{LEAKY}`)",
}
Templates = Mapping[str, str]
"""A sentence for each verdict, and one for a difference without a spread."""
UNKNOWN = "one run"
ORDER: Templates = {
    "reproduced": "{one} is more accurate than {other} at T = {steps}: {said}.",
    "not reproduced": "{one} is less accurate than {other} at T = {steps}: {said}.",
    "inconclusive": "Whether {one} or {other} is more accurate at T = {steps} is open: {said}.",
    UNKNOWN: "One run on a side cannot say whether {one} or {other} is more accurate at T = {steps}: {said}.",
}
FEWER: Templates = {
    "reproduced": "With T = {few} instead of {many}, {one} is more accurate: {said}.",
    "not reproduced": "With T = {few} instead of {many}, {one} is less accurate: {said}.",
    "inconclusive": "Whether {one} loses accuracy from T = {many} to {few} is open: {said}.",
    UNKNOWN: "One run on a side cannot say by how much the accuracy of {one} changes from T = {many} to {few}: {said}.",
}
DEEPER: Templates = {
    "reproduced": "With {high} layers instead of {low}, {one} is more accurate: {said}.",
    "not reproduced": "With {high} layers instead of {low}, {one} is less accurate: {said}.",
    "inconclusive": "Whether {one} is more accurate with {high} layers than with {low} is open: {said}.",
    UNKNOWN: "One run on a side cannot say whether {one} is more accurate with {high} layers than with {low}: {said}.",
}
HELPS: Templates = {
    "reproduced": "{what} makes DSR more accurate at T = {steps}: {said}.",
    "not reproduced": "{what} makes DSR less accurate at T = {steps}: {said}.",
    "inconclusive": "Whether {what} helps DSR at T = {steps} is open: {said}.",
    UNKNOWN: "One run on a side cannot say whether {what} helps DSR at T = {steps}: {said}.",
}
LONGER: Templates = {
    "reproduced": "{one} still gains with {epochs} epochs instead of {own}: {said}.",
    "not reproduced": "{one} loses with {epochs} epochs instead of {own}: {said}.",
    "inconclusive": "Whether {one} gains with {epochs} epochs instead of {own} is open: {said}.",
    UNKNOWN: "One run on a side cannot say whether {one} gains with {epochs} epochs instead of {own}: {said}.",
}
TECHNIQUES: Mapping[str, Mapping[str, Parameter]] = {
    "a firing level at half the threshold": {"alpha": 1},
    "a trained threshold": {"train_threshold": False},
}
START: Mapping[str, Parameter] = {"threshold": 6}


@dataclass(frozen=True)
class Place:
    """The rows of CIFAR-10 at its best-founded scale, and the network of its sweep there."""

    scale: str
    network: str
    rows: pd.DataFrame
    kept: Kept

    def runs(self, method: str, steps: int, network: str = "") -> pd.DataFrame:
        """Finished runs of a method at T, in the sweep's network unless another is named."""
        return at(self.rows[self.rows["network"] == (network or self.network)], method, steps)

    def minus(self, one: pd.DataFrame, other: pd.DataFrame) -> Estimate | None:
        """Accuracy of `one` minus that of `other`."""
        return between(one, other, self.kept)


def place_of(frame: pd.DataFrame, kept: Kept) -> Place | None:
    """The first of the places; None where CIFAR-10 has no row that is evidence."""
    return next(places_of(frame, kept), None)


def places_of(frame: pd.DataFrame, kept: Kept) -> Iterator[Place]:
    """CIFAR-10 at every scale that it was run at, the best-founded first; trials alone are no such runs."""
    done = frame[(frame["status"] == "done") & (frame["dataset"] == DATASET)]
    for scale in scales_of(done[~are_trials(done["method"])]):
        rows = done[done["scale"] == scale]
        network = network_of(DATASET, scale)
        found = network if (rows["network"] == network).any() else str(rows["network"].value_counts().index[0])
        yield Place(scale, found, rows, kept)


def scales_of(rows: pd.DataFrame) -> list[str]:
    """The scales that have rows, the best-founded first. Those without DSR come last: nothing is compared there."""
    with_dsr = {*rows.loc[rows["method"].str.startswith("dsr-"), "scale"]}
    return sorted((scale for scale in EVIDENCE if (rows["scale"] == scale).any()), key=lambda at: at not in with_dsr)


def findings(frame: pd.DataFrame, kept: Kept) -> Iterator[str]:
    """One or two sentences per question, most telling first; a question without runs has none.

    `frame`: rows with their costs.
    """
    here = place_of(frame, kept)
    if here is None:
        return
    for question in QUESTIONS:
        if found := list(question(here)):
            yield " ".join(found)


def _level(here: Place) -> Iterator[str]:
    found = [
        f"{NAMES[method]} {rows['top1'].mean():.1f} %{at_t} (n = {len(rows)})"
        for method, steps, at_t in (
            (ANN, 1, ""),
            *((DSR, steps, f" at T = {steps}") for steps in (PUBLISHED, LOW, FEWEST)),
        )
        if len(rows := here.runs(method, steps))
    ]
    if found:
        images = f"{ENTRIES[DATASET].name}'s test images"
        yield f"Of {images}, {code(here.network)} at scale `{here.scale}` classifies correctly: {', '.join(found)}."
        if here.rows["method"].isin(families.TWINS).any() and not here.rows["method"].isin(families.DSR).any():
            yield (
                f"`{DSR}` and `{LEAKY}` are our variants of DSR: their backward pass runs once, on rates. The paper's "
                "own gradient has no run at this scale yet."
            )


def _printed(here: Place) -> Iterator[str]:
    """The paper's numbers for the same methods, and what differs."""
    if here.scale == "paper":
        return
    lines = published.read()
    lines = lines[(lines["table"] == "Tab. 2") & (lines["dataset"] == DATASET) & lines["label"].isin(("ANN", "DSR"))]
    told = ", ".join(_line(line) for line in lines.to_dict("records"))
    network = str(lines["our_network"].iloc[0])
    epochs = resolve(Run(DATASET, network, ANN, 1, 0, "paper")).epochs
    yield f"The paper has, in the full {code(network)} after {epochs} epochs: {told}."


def _line(line: Mapping[Any, Any]) -> str:
    """A printed line in words: the ANN has no neuron and no T."""
    of = f" ({line['neuron']}, T = {line['timesteps']})" if line["neuron"] else ""
    return f"{line['label']}{of} {line['accuracy']:.2f} %"


def _told(templates: Templates, estimate: Estimate | None, **words: object) -> Iterator[str]:
    """One sentence; none where a side was not run."""
    if estimate is None:
        return
    answer = above(estimate, 0, "").verdict if estimate.known else UNKNOWN
    text = templates[answer].format(said=described(estimate), **words)
    yield text[0].upper() + text[1:]


def _against_the_ann(here: Place) -> Iterator[str]:
    """At the paper's T, else at the largest that was run."""
    rows = here.rows[(here.rows["network"] == here.network) & (here.rows["method"] == DSR)]
    if len(rows):
        steps = PUBLISHED if (rows["timesteps"] == PUBLISHED).any() else int(rows["timesteps"].max())
        difference = here.minus(here.runs(DSR, steps), here.runs(ANN, 1))
        yield from _told(ORDER, difference, one=NAMES[DSR], other=NAMES[ANN], steps=steps)


def _against_surrogates(here: Place) -> Iterator[str]:
    yield from _against(here, SURROGATE)


def _against_conversion(here: Place) -> Iterator[str]:
    yield from _against(here, CONVERTED)


def _against(here: Place, rival: str) -> Iterator[str]:
    kind, ours = RIVALS[rival]
    for method in ours:
        difference = here.minus(here.runs(method, LOW), here.runs(rival, LOW))
        yield from _told(ORDER, difference, one=NAMES[method], other=f"{kind} (`{rival}`)", steps=LOW)


def _fewer_steps(here: Place) -> Iterator[str]:
    for many, few in ((PUBLISHED, LOW), (LOW, FEWEST)):
        difference = here.minus(here.runs(DSR, few), here.runs(DSR, many))
        yield from _told(FEWER, difference, one=NAMES[DSR], many=many, few=few)


def _gradients(here: Place) -> Iterator[str]:
    """Is the twin in representation space as accurate as the released gradient? Within EQUAL points, or surely not."""
    estimate = here.minus(here.runs(DSR, LOW), here.runs(EXACT, LOW))
    if estimate is None or not estimate.known:
        return
    low, high = estimate.interval(EQUIVALENCE)
    pair = f"`{DSR}` and `{EXACT}`, the two gradients of DSR,"
    if low > -EQUAL and high < EQUAL:
        yield f"At T = {LOW}, {pair} are equal within {EQUAL:g} points: {described(estimate, EQUIVALENCE)}."
    elif above(estimate, 0, "").verdict == "inconclusive":
        yield f"Whether {pair} are equal within {EQUAL:g} points at T = {LOW} is open: {described(estimate)}."
    else:
        yield f"At T = {LOW}, {pair} differ: {described(estimate)}."


def _ladder(here: Place) -> Iterator[str]:
    for one in ladder.ladders(here.rows):
        yield from ladder.sentences(one)


def _width(here: Place) -> Iterator[str]:
    for group in width.groups(here.rows):
        yield from width.sentences(group)


def _deeper(here: Place) -> Iterator[str]:
    for method in (DSR, ANN):
        there = [(layers, rows) for name, layers in LAYERS.items() if len(rows := here.runs(method, LOW, name))]
        if len(there) > 1:
            (low, few), (high, many) = there[0], there[-1]
            yield from _told(DEEPER, here.minus(many, few), one=NAMES[method], low=low, high=high)


def _techniques(here: Place) -> Iterator[str]:
    whole = here.runs(spelled(DSR, START), PUBLISHED)
    for what, without in TECHNIQUES.items():
        rows = here.runs(spelled(DSR, {**START, **without}), PUBLISHED)
        yield from _told(HELPS, here.minus(whole, rows), what=what, steps=PUBLISHED)


def _longer(here: Place) -> Iterator[str]:
    """How far the ANN is from the end of its training."""
    lengths = [one for one in length.compared(here.rows[here.rows["network"] == here.network]) if one.method == ANN]
    own: Sequence[length.Length] = [one for one in lengths if one.own]
    if own and lengths[-1].epochs > own[0].epochs:
        difference = here.minus(lengths[-1].rows, own[0].rows)
        words = {"one": NAMES[ANN], "epochs": lengths[-1].epochs, "own": own[0].epochs}
        yield from _told(LONGER, difference, **words)


def _precision(here: Place) -> Iterator[str]:
    if pairs := list(precision.pairs_of(here.rows[here.rows["network"] == here.network])):
        yield from filter(None, [precision.sentence(pairs)])


def _energy(here: Place) -> Iterator[str]:
    """Estimated energy of an inference beside the ANN's: means of the rows, without a test."""
    ann = here.runs(ANN, 1)[ENERGY].mean()
    cells = [(method, steps) for steps in (PUBLISHED, LOW) for method in (DSR, LEAKY, SURROGATE)]
    means = {cell: here.runs(*cell)[ENERGY].mean() for cell in cells}
    told = [f"{energy:.1f} (`{method}`, T = {steps})" for (method, steps), energy in means.items() if energy > 0]
    if ann > 0 and told:
        yield f"An inference takes an estimated {ann:.1f} µJ (the ANN), {', '.join(told)}: {ONCE}, {FP32_45NM}."


def _cost(here: Place) -> Iterator[str]:
    """Core-seconds of whole trainings as multiples of the ANN's, on cores equally fast: numbers, without a test."""
    ann = here.runs(ANN, 1)
    speed, least = ann["core_gflops"].mean(), ann[ann["core_gflops"].notna()]["true_train_cpu_seconds"].mean()
    measured, known = int(ann["core_gflops"].notna().sum()), []
    for method in (DSR, EXACT, SURROGATE):
        rows = here.runs(method, LOW)
        alike = rows[rows["core_gflops"].between(speed / EQUALLY_FAST, speed * EQUALLY_FAST)]
        if len(alike):
            known.append(f"{alike['true_train_cpu_seconds'].mean() / least:.1f} times (`{method}`, n = {len(alike)})")
    if known:
        told = ", ".join(known)
        theirs = f"the ANN's {least:,.0f} (n = {measured})"
        yield f"Training at T = {LOW} took, in core-seconds on equally fast cores, {told} {theirs}."
    yield from records.sentences(here.rows)


QUESTIONS: tuple[Callable[[Place], Iterator[str]], ...] = (
    _level,
    _printed,
    _against_the_ann,
    _against_surrogates,
    _against_conversion,
    _fewer_steps,
    _ladder,
    _width,
    _gradients,
    _deeper,
    _techniques,
    _longer,
    _precision,
    _energy,
    _cost,
)
