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
from reports.claims.statement import Claim, Outcome, above, absent, not_run, worst
from reports.statistics.difference import MOST

FULL = "dsr-if@threshold=6"
WITHOUT_T = "dsr-if@threshold=6@train_threshold=false"
WITHOUT_BOTH = "dsr-if@alpha=1@threshold=6@train_threshold=false"
STEPS = 20


def claims(published: pd.DataFrame) -> Iterator[Claim]:
    """Each of Tab. 3's settings against the whole method, their order, and what its text says of two of them."""
    lines = published[published["table"] == "Tab. 3"].sort_values("accuracy", ascending=False)
    methods = lines["method"].tolist()
    printed = list(zip(methods, lines["accuracy"], strict=True))
    apart = [(one, two) for (one, a), (two, b) in pairwise(printed) if a - b > EQUAL]

    def helps(evidence: Evidence, scale: str) -> Outcome:
        parts = [_above(evidence, scale, FULL, method) for method in methods if method != FULL]
        return worst(parts) if parts else not_run("the ablation")

    def order(evidence: Evidence, scale: str) -> Outcome:
        parts = [_above(evidence, scale, better, worse) for better, worse in apart]
        return worst(parts) if parts else not_run("the ablation")

    def without_both(evidence: Evidence, scale: str) -> Outcome:
        return _above(evidence, scale, WITHOUT_BOTH, WITHOUT_T)

    yield Claim("ablation", "Tab. 3", "Firing level at half the threshold and trained thresholds both help", helps)
    yield Claim(
        "ablation-order",
        "Tab. 3",
        f"The settings whose printed accuracies differ by more than {EQUAL:g} points come in the same order",
        order,
    )
    statement = "Without both techniques (F and T) accuracy is higher than without trained thresholds (T) alone"
    yield Claim("ablation-both", "Sec. 5.2, Tab. 3", statement, without_both)
    statement = "Trained thresholds steady the result: the standard deviation over seeds falls (paper: 1.84 to 0.17)"
    yield Claim("ablation-spread", "Sec. 5.2, Tab. 3", statement, _steadier)


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


def _steadier(evidence: Evidence, scale: str) -> Outcome:
    sides = [evidence.runs_of(scale, "cifar10", method, STEPS)["top1"].tolist() for method in (WITHOUT_T, FULL)]
    if not all(sides):
        return not_run(f"{WITHOUT_T} and {FULL} at T = {STEPS}")
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
