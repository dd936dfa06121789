"""Claims about DSR's accuracy against itself and the ANN: near the ANN, with fewer steps, with more layers."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.catalogue.networks import LAYERS
from reports.claims.evidence import Evidence, steps_of
from reports.claims.families import DSR, TWINS
from reports.claims.statement import Claim, Kind, Outcome, above, absent, not_run, worst
from reports.tables.paper import NAMES

NEAR = 1.0
"""Points that the paper calls little ("less than 1 % accuracy drop")."""
LOW = 5
"""Low latency: the paper's fewest steps."""
DEPTHS = tuple(LAYERS.values())


def claims() -> Iterator[Claim]:
    """Each for both neurons and both gradients."""
    for method, neuron in (DSR | TWINS).items():
        for dataset in ("cifar10", "cifar100"):
            yield _as_the_ann(method, neuron, dataset, "control" if method in TWINS else "accuracy")
    for method, neuron in (DSR | TWINS).items():
        kind: Kind = "control" if method in TWINS else "accuracy"
        yield _from_20_to_5(method, neuron, kind)
        yield _extremely_low(method, neuron, kind)
        yield _depth(method, neuron, kind)


def _as_the_ann(method: str, neuron: str, dataset: str, kind: Kind) -> Claim:
    def judge(evidence: Evidence, scale: str) -> Outcome:
        sides = {
            f"{method} at T = 20": evidence.runs_of(scale, dataset, method, 20),
            "ann": evidence.runs_of(scale, dataset, "ann"),
        }
        return above(evidence.difference(*sides.values()), -NEAR, absent(sides), limit=True)

    statement = f"DSR, {neuron}, T = 20: at most {NEAR:g} point below the ANN of the same body on {NAMES[dataset]}"
    return Claim(f"{dataset}-{method}-ann", "Sec. 5, Tab. 2", statement, judge, kind)


def _from_20_to_5(method: str, neuron: str, kind: Kind) -> Claim:
    def judge(evidence: Evidence, scale: str) -> Outcome:
        sides = {f"{method} at T = {steps}": evidence.runs_of(scale, "cifar10", method, steps) for steps in (LOW, 20)}
        return above(evidence.difference(*sides.values()), -NEAR, absent(sides), limit=True)

    statement = f"DSR, {neuron}: less than 1 point lost from T = 20 to 5"
    return Claim(f"latency-{method}", "Fig. 3a", statement, judge, kind)


def _extremely_low(method: str, neuron: str, kind: Kind) -> Claim:
    def judge(evidence: Evidence, scale: str) -> Outcome:
        parts = []
        for low in (2, 3):
            sides = {
                f"{method} at T = {steps}": evidence.runs_of(scale, "cifar10", method, steps) for steps in (LOW, low)
            }
            parts.append(above(evidence.difference(*sides.values()), 0, absent(sides)).named(f"T = {low}"))
        return worst(parts)

    statement = f"DSR, {neuron}: accuracy drops from T = {LOW} to 2 and 3"
    return Claim(f"extremely-low-{method}", "Sec. 6", statement, judge, kind)


def _depth(method: str, neuron: str, kind: Kind) -> Claim:
    def judge(evidence: Evidence, scale: str) -> Outcome:
        steps = steps_of("depth", scale, 20)
        by_depth = {d: evidence.runs_of(scale, "cifar10", method, steps, network) for network, d in LAYERS.items()}
        there = [depth for depth, rows in by_depth.items() if len(rows)]
        if len(there) < 2:
            return not_run(f"{method} at two depths, T = {steps}")
        low, high = there[0], there[-1]
        found = evidence.difference(by_depth[high], by_depth[low])
        outcome = above(found, 0, "").named(f"{high} minus {low} layers, T = {steps}")
        if high < DEPTHS[-1] and outcome.verdict == "reproduced":
            return Outcome("inconclusive", f"{outcome.statistic}; {DEPTHS[-1]} layers have not been run", outcome.p)
        return outcome

    statement = f"DSR, {neuron}: better with depth, up to {DEPTHS[-1]} layers (two seeds of each depth or more)"
    return Claim(f"depth-{method}", "Fig. 3b", statement, judge, kind)
