"""One quantity of one group, beside what it was: the sentence that a check ends in.

    worse    value beyond limit                         better   value beyond 2 baseline - limit, the limit mirrored

Which direction is the bad one follows from the side of the baseline on which the limit lies.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["worse", "changed", "missing", "failed", "better", "same", "new", "not compared"]
BAD: tuple[Verdict, ...] = ("worse", "changed", "missing", "failed")
"""These make the exit code 1. `changed`: what has to be equal is not."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`value`, `baseline` and `limit`, the last value allowed, are in `unit`; None where there is none.

    `since`: the commit that the baseline is of. `note` says why there is no comparison, or what the numbers cannot.
    """

    part: str
    group: str
    verdict: Verdict
    quantity: str = ""
    value: float | None = None
    baseline: float | None = None
    limit: float | None = None
    unit: str = ""
    since: str = ""
    note: str = ""

    def __str__(self) -> str:
        what = ", ".join(filter(None, [self.group, self.quantity]))
        since = f"since {self.since[:12]}" if self.since else ""
        return "; ".join(filter(None, [f"{what}: {self._numbers()}" if self._numbers() else what, since, self.note]))

    def _numbers(self) -> str:
        if self.value is None:
            return ""
        now = f"{_rounded(self.value, self.unit)} {self.unit}".rstrip()
        if self.baseline is None:
            return now
        moved = _change(self.value, self.baseline, self.unit)
        allowed = "" if self.limit is None else f", allowed {_change(self.limit, self.baseline, self.unit)}"
        return f"{now}, was {_rounded(self.baseline, self.unit)} ({moved}{allowed})"


def verdict(value: float, baseline: float, limit: float) -> Verdict:
    """Compare with the limit and with its mirror image; a value that is no number is worse."""
    towards_bad = 1 if limit >= baseline else -1
    moved, allowed = towards_bad * (value - baseline), abs(limit - baseline)
    if not moved <= allowed:
        return "worse"
    return "better" if moved < -allowed else "same"


def is_bad(findings: Iterable[Finding]) -> bool:
    return any(found.verdict in BAD for found in findings)


def _change(value: float, baseline: float, unit: str) -> str:
    """Percentages move by points, all else by a share."""
    if unit == "%":
        return f"{value - baseline:+.2f} points"
    return f"{100 * (value / baseline - 1):+.1f} %" if baseline else f"{value - baseline:+.3g}"


def _rounded(value: float, unit: str) -> str:
    if unit == "%":
        return f"{value:.2f}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
