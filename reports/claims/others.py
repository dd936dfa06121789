"""DSR against the other families: with few steps (Tab. 1), on every data set (Tab. 2), and conversion against its ANN.

The methods that represent a family are fixed in `families`; controls are judged the same in lines of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.catalogue.datasets import ENTRIES
from reports.claims.accuracy import LOW
from reports.claims.evidence import Evidence, steps_of
from reports.claims.families import CONTROL_CONVERSIONS, CONTROLS, CONVERSIONS, DSR, FAMILIES, HYBRID, SURROGATE, TWINS
from reports.claims.statement import Claim, Kind, Outcome, above, absent, not_run, worst
from reports.tables.paper import NAMES

LOST = 5.0
"""Points below its ANN with which a conversion surely needs more steps."""
ON = {
    name: (
        entry.paper.timesteps,
        HYBRID if entry.paper.hybrid else tuple(DSR),
        tuple(other for family in entry.paper.above for other in FAMILIES[family]),
    )
    for name, entry in ENTRIES.items()
    if entry.paper
}
"""The paper's T, its DSR, and whom Tab. 2 has it above: on ImageNet direct training, on event data no conversion."""
PAIRS = {
    "DSR above surrogate gradients": (tuple(DSR), SURROGATE),
    "surrogate gradients above conversion": (SURROGATE, CONVERSIONS),
}


def claims() -> Iterator[Claim]:
    """First the paper's, then the controls."""
    yield Claim(
        "low-latency",
        "Tab. 1",
        f"With few steps (T = {LOW}), DSR is more accurate than surrogate gradients, and these than conversion",
        _low_latency,
    )
    for dataset in ON:
        yield _above_others(dataset)
    yield _conversion("conversion-steps", "Conversion needs", CONVERSIONS, "accuracy")
    yield _twins_above()
    for control in CONTROLS:
        yield _above_control(control)
    for control in CONTROL_CONVERSIONS:
        yield _conversion(f"conversion-steps-{control}", f"Conversion by {control} needs", (control,), "control")


def _ordered(
    evidence: Evidence, at: tuple[str, str, int], ones: Sequence[str], others: Sequence[str]
) -> Iterator[Outcome]:
    """Each of `ones` against each of `others`; `at`: scale, data set and T."""
    scale, dataset, steps = at
    for one in ones:
        for other in others:
            sides = {f"{m} at T = {steps}": evidence.runs_of(scale, dataset, m, steps) for m in (one, other)}
            found = above(evidence.difference(*sides.values()), 0, absent(sides))
            yield found.named(f"{one} minus {other}, T = {steps}")


def _low_latency(evidence: Evidence, scale: str) -> Outcome:
    at = (scale, "cifar10", LOW)
    return worst([part for ones, others in PAIRS.values() for part in _ordered(evidence, at, ones, others)])


def _above_others(dataset: str) -> Claim:
    published, ours, others = ON[dataset]

    def judge(evidence: Evidence, scale: str) -> Outcome:
        at = (scale, dataset, steps_of(dataset, scale, published))
        return worst(list(_ordered(evidence, at, ours, others)))

    named = ", ".join(others)
    statement = f"DSR is more accurate on {NAMES[dataset]} than {named}, same network, same T (paper: {published})"
    return Claim(f"above-{dataset}", "Sec. 5, Tab. 2", statement, judge)


def _twins_above() -> Claim:
    def judge(evidence: Evidence, scale: str) -> Outcome:
        return worst(list(_ordered(evidence, (scale, "cifar10", LOW), tuple(TWINS), SURROGATE)))

    statement = f"With few steps (T = {LOW}), DSR in representation space is more accurate than surrogate gradients"
    return Claim("low-latency-twins", "not in the paper", statement, judge, "control")


def _above_control(control: str) -> Claim:
    def judge(evidence: Evidence, scale: str) -> Outcome:
        return worst(list(_ordered(evidence, (scale, "cifar10", LOW), tuple(DSR), (control,))))

    statement = f"With few steps (T = {LOW}), DSR is more accurate than the control {control}"
    return Claim(f"low-latency-{control}", "not in the paper", statement, judge, "control")


def _conversion(name: str, subject: str, methods: Sequence[str], kind: Kind) -> Claim:
    def judge(evidence: Evidence, scale: str) -> Outcome:
        return worst([part for method in methods for part in _lost(evidence, scale, method)])

    statement = f"{subject} many steps: at T <= {LOW} it is more than {LOST:g} points below its ANN"
    return Claim(name, "Sec. 2" if kind == "accuracy" else "not in the paper", statement, judge, kind)


def _lost(evidence: Evidence, scale: str, method: str) -> Iterator[Outcome]:
    """One conversion at LOW steps, where it is nearest to its ANN, and at each fewer that it was run at."""
    for steps in (LOW, 4, 2):
        rows = evidence.runs_of(scale, "cifar10", method, steps)
        if len(rows):
            found = evidence.difference(evidence.parents_of(rows), rows)
            yield above(found, LOST, f"the parent of {method}").named(f"{method}, T = {steps}")
        elif steps == LOW:
            yield not_run(f"{method} at T = {steps}").named(f"{method}, T = {steps}")
