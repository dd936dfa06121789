"""Claims about accuracy: against the paper's numbers, the ANN, fewer steps, more layers, and the other families."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from statistics import fmean, stdev
from typing import Any

import pandas as pd
from scipy.special import ndtri, stdtrit  # type: ignore[import-untyped]

from reports.claims.evidence import Evidence, difference
from reports.claims.statement import Claim, Outcome, above, not_run, within, worst
from reports.paper_tables import NAMES

EQUAL = 0.5
"""Points within which an accuracy counts as the paper's: three times the spread of its runs on CIFAR."""
NEAR = 1.0
"""Points that the paper calls little ("less than 1 % accuracy drop")."""
NEURONS = {"dsr-if": "IF", "dsr-lif": "LIF"}
TWINS = {"dsr-if-rep": "IF, representation space", "dsr-lif-rep": "LIF, representation space"}
"""Not the released gradient: asked the same, in lines of their own."""
SURROGATE = ("stbp-tdbn", "stbp-tdbn-tuned")
CONVERSIONS = ("threshold-balancing", "threshold-balancing-half", "deng-gu", "calibration", "qcfs", "qcfs-l8")
"""As published; variants of ours are left out."""
LOW = 5
"""Low latency: the paper's fewest steps."""


def claims(published: pd.DataFrame) -> Iterator[Claim]:
    """The claims, those against the paper's numbers from the published table."""
    of_dsr = published["method"].isin([*NEURONS, "dsr-if-hybrid"])
    for line in published[of_dsr & (published["table"] == "Tab. 2")].to_dict("records"):
        yield _as_published(line)
    for method, neuron in NEURONS.items():
        for dataset in ("cifar10", "cifar100"):
            yield _as_the_ann(method, neuron, dataset)
    for method, neuron in (NEURONS | TWINS).items():
        yield _from_20_to_5(method, neuron)
        yield _extremely_low(method, neuron)
        yield _depth(method, neuron)
    yield Claim(
        "low-latency",
        "Tab. 1",
        f"With few steps (T = {LOW}) DSR is more accurate than surrogate gradients, and those than conversion",
        _low_latency,
    )
    yield Claim(
        "conversion-steps",
        "Sec. 2",
        f"Conversion needs many steps: at T <= {LOW} it is more than 5 points below its ANN",
        _conversion,
    )


def _as_published(line: Mapping[Any, Any]) -> Claim:
    dataset, steps, paper = line["dataset"], int(line["steps"]), float(line["accuracy"])

    def judge(evidence: Evidence, scale: str) -> Outcome:
        rows = evidence.of(scale, dataset, line["method"], steps)
        if rows.empty:
            return not_run(f"{line['method']} at T = {steps}")
        values = rows["top1"].tolist()
        if scale != "paper":
            return Outcome("not comparable", f"{fmean(values):.2f} %, of a shorter training than the paper's")
        mean, half = fmean(values) - paper, _half_90(values, rows["test_images"].min())
        text = f"{mean:+.2f} ± {half:.2f} points (90 %, n = {len(values)}), margin ±{EQUAL:g}"
        return within(mean, half, EQUAL, text)

    statement = f"DSR, {line['neuron']}, T = {steps}: {paper:.2f} % on {NAMES[dataset]}"
    return Claim(f"{dataset}-{line['method']}", "Tab. 2", statement, judge)


def _half_90(values: list[float], images: float) -> float:
    """Half the 90 % interval of a mean: Student t over seeds; of one seed, that of its test images."""
    n, p = len(values), fmean(values) / 100
    if n == 1:
        return float(100 * ndtri(0.95) * math.sqrt(p * (1 - p) / images))
    return float(stdtrit(n - 1, 0.95)) * stdev(values) / math.sqrt(n)


def _as_the_ann(method: str, neuron: str, dataset: str) -> Claim:
    def judge(evidence: Evidence, scale: str) -> Outcome:
        found = difference(evidence.of(scale, dataset, method, 20), evidence.of(scale, dataset, "ann"))
        return above(found, -NEAR, f"{method} at T = 20, or of ann")

    statement = f"DSR, {neuron}, T = 20: at most {NEAR:g} point below the ANN of the same body on {NAMES[dataset]}"
    return Claim(f"{dataset}-{method}-ann", "Sec. 5, Tab. 2", statement, judge)


def _from_20_to_5(method: str, neuron: str) -> Claim:
    def judge(evidence: Evidence, scale: str) -> Outcome:
        few, many = (evidence.of(scale, "cifar10", method, steps) for steps in (LOW, 20))
        return above(difference(few, many), -NEAR, f"{method} at T = {LOW} and 20")

    return Claim(f"latency-{method}", "Fig. 3a", f"DSR, {neuron}: less than 1 point lost from T = 20 to 5", judge)


def _extremely_low(method: str, neuron: str) -> Claim:
    def judge(evidence: Evidence, scale: str) -> Outcome:
        five = evidence.of(scale, "cifar10", method, LOW)
        parts = []
        for steps in (2, 3):
            found = difference(five, evidence.of(scale, "cifar10", method, steps))
            outcome = above(found, 0, f"{method} at T = {steps} and {LOW}")
            parts.append(Outcome(outcome.verdict, f"T = {steps}: {outcome.statistic}"))
        return worst(parts)

    return Claim(f"extremely-low-{method}", "Sec. 6", f"DSR, {neuron}: accuracy drops at T = 2 and 3", judge)


def _depth(method: str, neuron: str) -> Claim:
    def judge(evidence: Evidence, scale: str) -> Outcome:
        steps = 20 if scale in ("paper", "short") else LOW
        by_depth = {d: evidence.of(scale, "cifar10", method, steps, f"preact-resnet{d}") for d in (20, 32, 44, 56, 110)}
        there = [depth for depth, rows in by_depth.items() if len(rows)]
        if len(there) < 2:
            return not_run(f"{method} at two depths, T = {steps}")
        low, high = there[0], there[-1]
        outcome = above(difference(by_depth[high], by_depth[low]), 0, "")
        if high < 110 and outcome.verdict == "reproduced":
            outcome = Outcome("undecided", outcome.statistic)
        return Outcome(outcome.verdict, f"{high} minus {low} layers, T = {steps}: {outcome.statistic}")

    return Claim(f"depth-{method}", "Fig. 3b", f"DSR, {neuron}: better with depth, up to 110 layers", judge)


def _best(evidence: Evidence, scale: str, methods: tuple[str, ...], steps: int) -> pd.DataFrame:
    """Runs of the method with the best mean."""
    found = [evidence.of(scale, "cifar10", method, steps) for method in methods]
    return max(found, key=lambda rows: rows["top1"].mean() if len(rows) else -math.inf)


def _low_latency(evidence: Evidence, scale: str) -> Outcome:
    families = {"DSR": tuple(NEURONS), "surrogate gradient": SURROGATE, "conversion": CONVERSIONS}
    best = {name: _best(evidence, scale, methods, LOW) for name, methods in families.items()}
    parts = []
    for one, other in (("DSR", "surrogate gradient"), ("surrogate gradient", "conversion")):
        outcome = above(difference(best[one], best[other]), 0, f"{one} and {other} at T = {LOW}")
        names = [best[name]["method"].iloc[0] if len(best[name]) else name for name in (one, other)]
        parts.append(Outcome(outcome.verdict, f"{names[0]} minus {names[1]}: {outcome.statistic}"))
    return worst(parts)


def _conversion(evidence: Evidence, scale: str) -> Outcome:
    parts = []
    for steps in (5, 4, 2):
        best = _best(evidence, scale, CONVERSIONS, steps)
        if best.empty:
            continue
        method = best["method"].iloc[0]
        parents = evidence.runs[evidence.runs["key"].isin(best["parent_key"])]
        outcome = above(difference(parents, best), 5, f"the parent of {method}")
        parts.append(Outcome(outcome.verdict, f"{method}, T = {steps}: {outcome.statistic}"))
    return worst(parts) if parts else not_run(f"a conversion at T <= {LOW}")
