"""A claim of the paper as something that can turn out false, and the verdicts that there are.

reproduced       the 95 % interval lies wholly on the claim's side
close            the interval reaches over the boundary: the runs neither confirm nor exclude it
undecided        there are too few runs to say: each side has one seed, or a part of the claim has not been run
not reproduced   the interval lies wholly on the other side
not comparable   the claim is about something else than what was run; the reason stands beside it
not run          runs are missing; which ones stands beside it
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from reports.claims.evidence import IMAGES_ONLY, Difference, Evidence

Verdict = Literal["reproduced", "close", "undecided", "not reproduced", "not comparable", "not run"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
JUDGED = VERDICTS[: VERDICTS.index("not comparable")]


@dataclass(frozen=True)
class Outcome:
    """A verdict with the statistic behind it, in words and numbers."""

    verdict: Verdict
    statistic: str


@dataclass(frozen=True)
class Claim:
    """`name` is its anchor, `where` its place in the paper; `judge` takes the evidence and a scale.

    Claims about single neurons and about the cost of a step have no scale: `scaled` is False, and the scale is "".
    """

    name: str
    where: str
    statement: str
    judge: Callable[[Evidence, str], Outcome]
    scaled: bool = True


def not_run(what: str) -> Outcome:
    return Outcome("not run", f"no run of {what}")


def above(found: Difference | None, margin: float, missing: str) -> Outcome:
    """Is a difference larger than `margin` points?"""
    if found is None:
        return not_run(missing)
    text = f"{found}, claimed above {margin:+g}" if margin else f"{found}, claimed above 0"
    if found.kind == IMAGES_ONLY:
        return Outcome("undecided", text)  # it knows nothing of how trainings vary
    if found.low > margin:
        return Outcome("reproduced", text)
    return Outcome("not reproduced" if found.high < margin else "close", text)


def within(mean: float, half_90: float, margin: float, text: str) -> Outcome:
    """Two one-sided 5 % tests (Schuirmann 1987): does the 90 % interval lie within +-`margin` of 0?"""
    if -margin < mean - half_90 and mean + half_90 < margin:
        return Outcome("reproduced", text)
    outside = mean + half_90 < -margin or mean - half_90 > margin
    return Outcome("not reproduced" if outside else "close", text)


def worst(outcomes: list[Outcome]) -> Outcome:
    """Of a claim with parts: it holds as far as its weakest part, and not wholly while a part has not been run."""
    judged = [outcome.verdict for outcome in outcomes if outcome.verdict in JUDGED]
    verdict = max(judged or [outcome.verdict for outcome in outcomes], key=VERDICTS.index)
    if verdict in ("reproduced", "close") and 0 < len(judged) < len(outcomes):
        verdict = "undecided"
    return Outcome(verdict, "; ".join(outcome.statistic for outcome in outcomes))
