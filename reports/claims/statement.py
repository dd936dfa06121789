"""A claim of the paper as something that can turn out false, and the verdicts that there are.

reproduced       the interval lies wholly on the claim's side ("within X points": a small, certain deviation)
inconclusive     the interval lies on both sides of the boundary, or there are too few runs to say
not reproduced   the interval lies wholly on the other side
not comparable   the claim is about something else than what was run; the reason stands beside it
not run          runs are missing; which ones stands beside it
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

import pandas as pd

from reports.claims.evidence import Evidence
from reports.claims.rule import EQUAL, EQUIVALENCE, LEVEL
from reports.statistics.difference import MOST, Estimate

Verdict = Literal["reproduced", "inconclusive", "not reproduced", "not comparable", "not run"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
JUDGED = VERDICTS[: VERDICTS.index("not comparable")]
Kind = Literal["accuracy", "control", "neurons", "cost"]
KINDS: dict[Kind, str] = {
    "accuracy": "accuracies",
    "control": "controls and variants of ours",
    "neurons": "single neurons",
    "cost": "cost of a step",
}


@dataclass(frozen=True)
class Outcome:
    """A verdict with the statistic behind it; `p` of a test, `within` points of a small and certain deviation.

    `survives`: whether it does so after Holm's correction, None where nothing was tested. `brief`: of a statistic with
    parts the one that decides.
    """

    verdict: Verdict
    statistic: str
    p: float | None = None
    within: float | None = None
    survives: bool | None = None
    brief: str = ""

    @property
    def label(self) -> str:
        """The verdict in words, with the bound that was shown."""
        return self.verdict if self.within is None else f"{self.verdict} within {self.within:.2f} points"

    def named(self, part: str) -> Outcome:
        """The outcome with what it is of before its statistic."""
        return replace(self, statistic=f"{part}: {self.statistic}", brief=f"{part}: {self.brief}" if self.brief else "")


@dataclass(frozen=True)
class Claim:
    """`name` is its anchor, `where` its place in the paper; `judge` takes the evidence and a scale.

    Claims about single neurons and about the cost of a step have no scale: the scale is "".
    """

    name: str
    where: str
    statement: str
    judge: Callable[[Evidence, str], Outcome]
    kind: Kind = "accuracy"

    @property
    def scaled(self) -> bool:
        return self.kind in ("accuracy", "control")


def not_run(what: str) -> Outcome:
    return Outcome("not run", f"no run of {what}")


def absent(sides: Mapping[str, pd.DataFrame]) -> str:
    """The names of the sides that have no run."""
    return ", nor of ".join(name for name, rows in sides.items() if rows.empty)


def above(estimate: Estimate | None, margin: float, missing: str, limit: bool = False) -> Outcome:
    """Is a difference larger than `margin` points? `limit`: a miss that is surely smaller than EQUAL is named."""
    if estimate is None:
        return not_run(missing)
    text = f"{described(estimate)}, claimed above {margin:+g}" if margin else f"{described(estimate)}, claimed above 0"
    if not estimate.known:
        return Outcome("inconclusive", f"{text}: one seed decides nothing")
    p = min(1.0, 2 * min(estimate.p_above(margin), estimate.p_below(margin)))
    low, high = estimate.interval()
    if low > margin or (estimate.error == 0 and estimate.mean > margin):
        return Outcome("reproduced", text, p)
    if limit and margin - estimate.interval(EQUIVALENCE)[0] < EQUAL:
        return Outcome("reproduced", text, estimate.p_above(margin - EQUAL), margin - estimate.interval(EQUIVALENCE)[0])
    if high < margin:
        return Outcome("not reproduced", text, p)
    return Outcome("inconclusive", f"{text}: {would_decide(estimate, margin)}", p)


def equal(estimate: Estimate, margin: float = EQUAL) -> Outcome:
    """Two one-sided 5 % tests (Schuirmann 1987): does the 90 % interval lie within +-`margin` of 0?"""
    rest = f"n = {estimate.n[0]}, the paper's {estimate.n[1]}"
    text = f"{described(estimate, EQUIVALENCE, rest)}, margin ±{margin:g}"
    if not estimate.known:
        return Outcome("inconclusive", f"{text}: one seed decides nothing")
    low, high = estimate.interval(EQUIVALENCE)
    if -margin < low and high < margin:
        return Outcome("reproduced", text, max(estimate.p_above(-margin), estimate.p_below(margin)), max(-low, high))
    outside = min(estimate.p_above(margin), estimate.p_below(-margin))
    if outside < (1 - LEVEL) / 2:
        return Outcome("not reproduced", text, 2 * outside)
    p = max(estimate.p_above(-margin), estimate.p_below(margin))
    return Outcome("inconclusive", f"{text}: {_would_equal(estimate, margin)}", p)


def described(estimate: Estimate, level: float = LEVEL, rest: str = "") -> str:
    """The difference with its interval; with two runs on a side the values, with one no spread."""
    return f"{estimate.mean:+.2f} points ({_interval(estimate, level)}{rest or seeds(estimate)})"


def _interval(estimate: Estimate, level: float) -> str:
    if estimate.shown:
        return f"{estimate.shown}; "
    if not estimate.known:
        return ""
    low, high = estimate.interval(level)
    return f"{low:+.2f} to {high:+.2f}, {100 * level:.0f} %; "


def seeds(estimate: Estimate) -> str:
    """How many runs a difference rests on."""
    one, other = estimate.n
    if one == other == estimate.common:
        how = "paired" if estimate.paired else "same seeds" if one > 1 else "same seed"
        return f"n = {one}, {how}"
    if not estimate.known and estimate.common:
        return f"n = {one} and {other}"
    return f"n = {one} and {other}, {estimate.common or 'none'} common"


def would_decide(estimate: Estimate, boundary: float) -> str:
    """How many runs would, if mean and spread stay as they are."""
    needed = estimate.needed(boundary)
    if needed is None:
        return f"more than {MOST:,} seeds per side would be needed to decide"
    return f"with about {needed} seeds per side that vary as these do, the chance to decide it would be even"


def _would_equal(estimate: Estimate, margin: float) -> str:
    inside = abs(estimate.mean) < margin
    level = EQUIVALENCE if inside else LEVEL
    needed = estimate.needed(margin if estimate.mean > 0 else -margin, level)
    if needed is None:
        return "no number of our seeds would decide it: the paper's own runs leave more"
    return f"with about {needed} seeds that vary as these do, the chance to decide it would be even"


def worst(outcomes: list[Outcome]) -> Outcome:
    """Of a claim with parts: it holds as far as its weakest part, and not wholly while a part has not been run."""
    judged = [outcome for outcome in outcomes if outcome.verdict in JUDGED]
    text = "; ".join(outcome.statistic for outcome in outcomes)
    if not judged:
        return Outcome(max((outcome.verdict for outcome in outcomes), key=VERDICTS.index), text)
    verdict = max((outcome.verdict for outcome in judged), key=JUDGED.index)
    if verdict == "not reproduced":
        failed = [outcome for outcome in judged if outcome.verdict == verdict]
        least = min((outcome.p for outcome in failed if outcome.p is not None), default=None)
        p = None if least is None else min(1.0, len(outcomes) * least)
        return Outcome(verdict, text, p, brief=_part(failed[0], outcomes))
    if len(judged) < len(outcomes):
        missing = next(outcome for outcome in outcomes if outcome not in judged)
        share = f"{missing.statistic} ({len(outcomes) - len(judged)} of {len(outcomes)} parts missing)"
        return Outcome("inconclusive", text, brief=share if len(outcomes) > 2 else text)
    weakest = max(judged, key=lambda outcome: (JUDGED.index(outcome.verdict), 2 if outcome.p is None else outcome.p))
    within = max((outcome.within for outcome in judged if outcome.within is not None), default=None)
    tested = [outcome.p for outcome in judged if outcome.p is not None]
    p = max(tested) if len(tested) == len(judged) else None
    bound = within if verdict == "reproduced" else None
    return Outcome(verdict, text, p, bound, brief=_part(weakest, outcomes))


def _part(decides: Outcome, outcomes: list[Outcome]) -> str:
    """The statistic of the part that decides, and how many parts there are."""
    return decides.statistic if len(outcomes) == 1 else f"{decides.statistic} (the weakest of {len(outcomes)} parts)"


def holm(outcomes: list[Outcome], level: float) -> list[Outcome]:
    """The outcomes, each tested one with whether it survives Holm's correction over all tested ones."""
    tested = sorted((outcome.p, index) for index, outcome in enumerate(outcomes) if outcome.p is not None)
    corrected, holds = list(outcomes), True
    for rank, (p, index) in enumerate(tested):
        holds = holds and p <= level / (len(tested) - rank)
        decided = corrected[index].verdict in ("reproduced", "not reproduced")
        corrected[index] = replace(corrected[index], survives=holds and decided)
    return corrected
