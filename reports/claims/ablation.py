"""Claims about the two techniques against representation error (Tab. 3)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from statistics import stdev

import pandas as pd
from scipy.special import fdtr, fdtri  # type: ignore[import-untyped]

from benchmarks.spec import variant
from reports.claims.evidence import Evidence
from reports.claims.rule import EQUAL, LEVEL
from reports.claims.statement import Claim, Kind, Outcome, above, absent, not_run, worst
from reports.statistics.difference import MOST

EXACT, TWIN = "dsr-if", "dsr-if-rep"
FULL = "dsr-if@threshold=6"
WITHOUT_T = "dsr-if@threshold=6@train_threshold=false"
WITHOUT_BOTH = "dsr-if@alpha=1@threshold=6@train_threshold=false"
STEPS = 20
STATEMENTS = {
    "": ("Tab. 3", "Firing level at half the threshold and trained thresholds both help"),
    "-order": (
        "Tab. 3",
        f"The settings whose printed accuracies differ by more than {EQUAL:g} points come in the same order",
    ),
    "-both": (
        "Sec. 5.2, Tab. 3",
        "Without both techniques (F and T) accuracy is higher than without trained thresholds (T) alone",
    ),
    "-spread": (
        "Sec. 5.2, Tab. 3",
        "Trained thresholds steady the result: the standard deviation over seeds falls (paper: 1.84 to 0.17)",
    ),
}
"""By the end of a claim's name: its place in the paper, and what it says."""


def claims(published: pd.DataFrame) -> Iterator[Claim]:
    """The paper's, of the released gradient, then the same of its twin in representation space, as controls."""
    yield from _of(EXACT, published, "accuracy")
    yield from _of(TWIN, published, "control")


def _of(base: str, published: pd.DataFrame, kind: Kind) -> Iterator[Claim]:
    """Each of Tab. 3's settings against the whole method, their order, and what its text says of two of them."""
    lines = published[published["table"] == "Tab. 3"].sort_values("accuracy", ascending=False)
    methods = [_with(base, method) for method in lines["method"]]
    printed = list(zip(methods, lines["accuracy"], strict=True))
    apart = [(one, two) for (one, a), (two, b) in pairwise(printed) if a - b > EQUAL]
    full = _with(base, FULL)
    suffix, subject = ("", "") if base == EXACT else (f"-{base}", f" ({base})")

    def helps(evidence: Evidence, scale: str) -> Outcome:
        parts = [_above(evidence, scale, full, method) for method in methods if method != full]
        return worst(parts) if parts else not_run("the ablation")

    def order(evidence: Evidence, scale: str) -> Outcome:
        parts = [_above(evidence, scale, better, worse) for better, worse in apart]
        return worst(parts) if parts else not_run("the ablation")

    def without_both(evidence: Evidence, scale: str) -> Outcome:
        return _above(evidence, scale, _with(base, WITHOUT_BOTH), _with(base, WITHOUT_T))

    def steadier(evidence: Evidence, scale: str) -> Outcome:
        return _steadier(evidence, scale, _with(base, WITHOUT_T), full)

    judges = {"": helps, "-order": order, "-both": without_both, "-spread": steadier}
    for part, (where, statement) in STATEMENTS.items():
        yield Claim(f"ablation{part}{suffix}", where, f"{statement}{subject}", judges[part], kind)


def _with(base: str, method: str) -> str:
    """The same variant of another method."""
    return "@".join([base, *method.split("@")[1:]])


def label_of(method: str) -> str:
    """A variant in the paper's words, from its parameters: `dsr-if@alpha=1` is "without F"."""
    _, parameters = variant(method)
    words = {"alpha": "without F", "train_threshold": "without T"}
    said = [words.get(name, f"V = {value:g}") for name, value in parameters.items()]
    return ", ".join(said) or "with both"


def _above(evidence: Evidence, scale: str, better: str, worse: str) -> Outcome:
    sides = {
        f"{method} at T = {STEPS}": evidence.runs_of(scale, "cifar10", method, STEPS) for method in (better, worse)
    }
    outcome = above(evidence.difference(*sides.values()), 0, absent(sides))
    return outcome.named(f"{label_of(better)} minus {label_of(worse)}")


def _steadier(evidence: Evidence, scale: str, free: str, steadied: str) -> Outcome:
    sides = [evidence.runs_of(scale, "cifar10", method, STEPS)["top1"].tolist() for method in (free, steadied)]
    if not all(sides):
        return not_run(f"{free} and {steadied} at T = {STEPS}")
    if min(map(len, sides)) < 2:
        return Outcome("inconclusive", "one seed decides nothing")
    return ratio_of_spreads(*sides)


def ratio_of_spreads(free: list[float], steadied: list[float]) -> Outcome:
    """Is the first standard deviation larger? F test of two variances, of normal accuracies."""
    spreads, sizes = (stdev(free), stdev(steadied)), (len(free) - 1, len(steadied) - 1)
    said = f"SD {spreads[0]:.2f} (n = {len(free)}) without T and {spreads[1]:.2f} (n = {len(steadied)}) with it"
    if not all(spreads):
        return Outcome("inconclusive", f"{said}: a spread of 0 has no test")
    ratio = spreads[0] / spreads[1]
    low, high = (ratio / math.sqrt(fdtri(*sizes, p)) for p in ((1 + LEVEL) / 2, (1 - LEVEL) / 2))
    below = float(fdtr(*sizes, ratio**2))
    text, p = f"{said}, ratio {ratio:.2f} ({low:.2f} to {high:.2f}, F test)", 2 * min(below, 1 - below)
    if low > 1:
        return Outcome("reproduced", text, p)
    return Outcome("not reproduced", text, p) if high < 1 else Outcome("inconclusive", f"{text}: {_needed(ratio)}", p)


def _needed(ratio: float) -> str:
    """How many seeds per side would tell such a ratio of spreads from 1."""
    larger = max(ratio, 1 / ratio) ** 2
    found = next((n for n in range(2, MOST + 1) if larger > fdtri(n - 1, n - 1, (1 + LEVEL) / 2)), None)
    return f"{found or f'more than {MOST:,}'} seeds per side would decide it if their spreads stayed the same"
