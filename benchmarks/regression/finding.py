"""The result of a check: one quantity of one group, compared with its baseline, as a sentence.

    worse    value beyond limit                         better   value beyond 2 baseline - limit, the limit mirrored

The limit's side of the baseline defines the bad direction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["worse", "changed", "missing", "failed", "better", "same", "new", "not compared"]
BAD: tuple[Verdict, ...] = ("worse", "changed", "missing", "failed")
"""Verdicts that make the exit code 1. `changed`: a quantity that has to be equal is not."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`value`, `baseline` and `limit` (the last value allowed) are in `unit`; None if unknown.

    `since`: the baseline's commit. `note` says why nothing was compared, or adds what the numbers do not show.
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
    """Compare with the limit and with its mirror image; NaN is worse."""
    towards_bad = 1 if limit >= baseline else -1
    moved, allowed = towards_bad * (value - baseline), abs(limit - baseline)
    if not moved <= allowed:
        return "worse"
    return "better" if moved < -allowed else "same"


def is_bad(findings: Iterable[Finding]) -> bool:
    return any(finding.verdict in BAD for finding in findings)


def _change(value: float, baseline: float, unit: str) -> str:
    """Format a change: percentages in points, everything else as a share."""
    if unit == "%":
        return f"{value - baseline:+.2f} points"
    return f"{100 * (value / baseline - 1):+.1f} %" if baseline else f"{value - baseline:+.3g}"


def _rounded(value: float, unit: str) -> str:
    if unit == "%":
        return f"{value:.2f}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
