"""Checks that the overhead of the harness is at most 2 % of a laptop-scale run (`benchmarks.perf.harness`).

The limit is this budget, not the baseline; the baseline in this machine's record in `results/perf` shows the change. If
the overhead exceeds the budget, it is measured a second time, and the smaller value of each kind counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.measurement.provenance import provenance
from benchmarks.perf import harness
from benchmarks.perf import record as records
from benchmarks.perf.record import benchmarked
from benchmarks.regression.finding import Finding, Verdict, verdict
from benchmarks.regression.steps import BATCH, NETWORK

PART = "harness"
KINDS = {"overhead": "overhead", "overhead_with_mlflow": "overhead with MLflow"}


def measured() -> Mapping[str, Any]:
    """Run the benchmarks of the harness and return its overhead. Raises Failed."""
    entries = {
        entry["name"].removeprefix("test_"): entry for entry in benchmarked("bench_harness.py", ["-k", "not start_up"])
    }
    epoch, step = entries["epoch"], entries["step"]
    single = [seconds / step["extra_info"]["threads"] for seconds in step["stats"]["data"]]
    mirroring = entries["mirroring"]["stats"]["data"] if "mirroring" in entries else []
    return harness.overhead(epoch["stats"]["data"], epoch["extra_info"]["plain_seconds"], single, mirroring)


def check(results: Path, save: bool = False, measure: Callable[[], Mapping[str, Any]] = measured) -> list[Finding]:
    """Measure and compare with the budget; this machine's first measurement within it is stored as the baseline."""
    here = vars(provenance())
    path = records.path_of(results, {**here, "network": NETWORK, "batch": BATCH})
    known = records.read(path)
    before = (known or {}).get("harness") if not save else None
    fresh = measure()
    if _is_over(fresh):
        again = measure()
        fresh = {**fresh, **{kind: _smaller(fresh[kind], again[kind]) for kind in KINDS}}
    if known is not None and before is None and not _is_over(fresh):
        origin = {name: here[name] for name in records.ORIGIN}
        records.write(path, {**known, "harness": {**fresh, **origin}})
    return [_judged(name, fresh[kind], before, kind) for kind, name in KINDS.items() if fresh[kind] is not None]


def _is_over(overheads: Mapping[str, Any]) -> bool:
    return any((overheads[kind] or 0) > harness.BUDGET for kind in KINDS)


def _smaller(one: float | None, other: float | None) -> float | None:
    return min((value for value in (one, other) if value is not None), default=None)


def _judged(name: str, value: float, before: Mapping[str, Any] | None, kind: str) -> Finding:
    was = before[kind] if before and before[kind] is not None else None
    limit = 100 * harness.BUDGET
    judged: Verdict = verdict(100 * value, 0.0 if was is None else 100 * was, limit)
    note = "" if was is not None else f"no baseline yet; at most {100 * harness.BUDGET:g} % is allowed"
    return Finding(
        part=PART,
        group="training loop",
        quantity=name,
        verdict=judged if was is not None or judged == "worse" else "new",
        value=100 * value,
        baseline=None if was is None else 100 * was,
        limit=limit,
        unit="%",
        since=before["commit"] if before else "",
        note=note,
    )
