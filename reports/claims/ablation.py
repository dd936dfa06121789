"""Claims about the two techniques against representation error (Tab. 3)."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from reports.claims.evidence import Evidence, difference
from reports.claims.statement import Claim, Outcome, above, not_run, worst

FULL = "dsr-if@threshold=6"


def claims(published: pd.DataFrame) -> Iterator[Claim]:
    """Each of Tab. 3's settings against the whole method, and their order."""
    lines = published[published["table"] == "Tab. 3"].sort_values("accuracy", ascending=False)
    without = {line["method"]: line["label"] for line in lines.to_dict("records") if line["method"] != FULL}

    def helps(evidence: Evidence, scale: str) -> Outcome:
        full = evidence.of(scale, "cifar10", FULL, 20)
        parts = []
        for method, label in without.items():
            outcome = above(difference(full, evidence.of(scale, "cifar10", method, 20)), 0, f"{method} at T = 20")
            parts.append(Outcome(outcome.verdict, f"{label}: {outcome.statistic}"))
        return worst(parts) if parts else not_run("the ablation")

    def order(evidence: Evidence, scale: str) -> Outcome:
        found = [evidence.of(scale, "cifar10", method, 20) for method in lines["method"]]
        if any(rows.empty for rows in found):
            return not_run("all five settings at T = 20")
        means = [rows["top1"].mean() for rows in found]
        text = ", ".join(f"{label} {mean:.2f} %" for label, mean in zip(lines["label"], means, strict=True))
        if means == sorted(means, reverse=True):
            return Outcome("reproduced", text)
        return Outcome("close" if means[0] == max(means) else "not reproduced", text)

    yield Claim("ablation", "Tab. 3", "Firing level at half the threshold and trained thresholds both help", helps)
    yield Claim("ablation-order", "Tab. 3", "The order of the five settings", order)
