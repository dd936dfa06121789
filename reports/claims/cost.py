"""Claims about the cost of training: DSR does not go back through time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reports.claims.evidence import Evidence
from reports.claims.statement import Claim, Outcome, not_run

RIVAL = "stbp-tdbn"
QUANTITIES = {"train_ms": ("time", "ms", 1.0), "peak_step_bytes": ("memory", "MiB", 2**-20)}


def claims() -> Iterator[Claim]:
    """From records of `dsr-bench perf`, where all steps are timed in turn on one machine."""
    for key, (what, _, _) in QUANTITIES.items():
        for method, name in (("dsr-if", "the released gradient"), ("dsr-if-rep", "representation space")):
            statement = f"DSR, IF, {name}: {what} of a step grows less with T than with BPTT (STBP-tdBN)"
            yield Claim(f"cost-{what}-{method}", "Sec. 1, 3", statement, _judge(method, key), False)


def _judge(method: str, key: str) -> Any:
    def judge(evidence: Evidence, scale: str) -> Outcome:
        parts = []
        for record in evidence.records:
            mine, theirs = slope(record, method, key), slope(record, RIVAL, key)
            if mine is not None and theirs is not None:
                parts.append((mine / theirs, mine, theirs, record["machine"]))
        if not parts:
            return not_run("`dsr-bench perf` with both")
        _, unit, factor = QUANTITIES[key]
        text = "; ".join(
            f"{factor * mine:.3g} against {factor * theirs:.3g} {unit} per step of T ({machine})"
            for _, mine, theirs, machine in parts
        )
        ratios = [ratio for ratio, *_ in parts]
        if max(ratios) < 0.9:
            return Outcome("reproduced", text)
        return Outcome("not reproduced" if min(ratios) > 1.1 else "close", text)

    return judge


def slope(record: Mapping[str, Any], method: str, key: str) -> float | None:
    """What one more step of T adds, between the fewest and the most steps on record; None without two."""
    points = sorted((row["T"], row[key]) for row in record["rows"] if row["subject"] == method and row.get(key))
    if len(points) < 2:
        return None
    (fewest, low), (most, high) = points[0], points[-1]
    return float(high - low) / (most - fewest)
