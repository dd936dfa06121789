"""Checks that steps have not become slower or larger: measures again and compares with this machine's record.

Times are ratios to the reference kernel, timed alternately (`benchmarks.perf.reference`). A step is slower if

    the median ratio is more than 15 % (training) or 20 % (inference) above the baseline's,
    a one-sided rank test over the rounds is significant with p < 0.01,
    and both hold again in a second measurement.

A step is larger if its peak memory rises by more than 10 % and by more than 4 MiB. Rows that the record in
`results/perf` lacks are added to it and reported as new.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measurement.provenance import provenance
from benchmarks.perf import record as records
from benchmarks.perf.machine import Rates
from benchmarks.regression.finding import Finding, Verdict, verdict

PART = "steps"
METHODS = ("ann", "dsr-if", "dsr-lif", "dsr-if-rep", "dsr-lif-rep", "stbp-tdbn", "stbp-tdbn-tuned", "qcfs-ann")
NETWORK, BATCH, TIMESTEPS = "preact-resnet18-narrow", 64, 5
ROUNDS = 7
ALLOWED = {"train": 0.15, "inference": 0.20}
ALLOWED_MEMORY, ALLOWED_BYTES = 0.10, 4 * 2**20
SIGNIFICANCE = 0.01
Row = Mapping[str, Any]
Measure = Callable[[Sequence[str], Rates | None], dict[str, Any]]
"""Measures methods, given the machine's rates if they are known, and returns a record."""


def measured(methods: Sequence[str], rates: Rates | None) -> dict[str, Any]:
    return records.measured(NETWORK, BATCH, (TIMESTEPS,), methods, ROUNDS, rates)


def check(results: Path, methods: Sequence[str], save: bool = False, measure: Measure = measured) -> list[Finding]:
    """Measure, compare, and add missing rows to the record; `save` replaces the rows of these methods."""
    path = records.path_of(results, {**vars(provenance()), "network": NETWORK, "batch": BATCH})
    stored = records.read(path)
    fresh = measure(methods, Rates(**stored["rates"]) if stored else None)
    known = stored or {**fresh, "rows": []}
    before = {} if save else {_name(row): row for row in known["rows"]}
    findings = _compared(fresh["rows"], before, known)
    if suspects := sorted({each.group.split()[0] for each in findings if _is_slow(each)}):
        second = {_name(row): row for row in measure(suspects, Rates(**known["rates"]))["rows"]}
        findings = _compared([_faster(row, second.get(_name(row))) for row in fresh["rows"]], before, known)
    records.write(path, _extended(known, fresh, save))
    return findings


def _compared(rows: Sequence[Row], before: Mapping[str, Row], known: Row) -> list[Finding]:
    findings: list[Finding] = []
    for row in rows:
        old = before.get(_name(row))
        if any(kind not in row.get("ratios", {}) for kind in ALLOWED):
            findings.append(_out_of_memory(row, old))
            continue
        findings += [_time(row, old, kind) for kind in ALLOWED]
        findings.append(_memory(row, old, known))
    return findings


def _out_of_memory(row: Row, old: Row | None) -> Finding:
    """Return the finding of a setting without a timing: failed if the baseline has one."""
    fitted = bool((old or {}).get("ratios"))
    return Finding(part=PART, group=_name(row), verdict="failed" if fitted else "not compared", note="out of memory")


def _time(row: Row, old: Row | None, kind: str) -> Finding:
    was = (old or {}).get("ratios")
    label: dict[str, Any] = {"part": PART, "group": _name(row), "quantity": f"{kind} step", "unit": "kernels"}
    value = median(row["ratios"][kind])
    if was is None:
        return Finding(**label, verdict="new", value=value, note="saved as the baseline")
    if why := _unlike(row["ratios"], was):
        return Finding(**label, verdict="not compared", value=value, since=was["commit"], note=why)
    baseline = median(was[kind])
    limit = baseline * (1 + ALLOWED[kind])
    judged, note = verdict(value, baseline, limit), ""
    if judged != "same" and not _differ(row["ratios"][kind], was[kind]):
        judged, note = "same", "the difference is not significant, because the rounds scatter too much"
    return Finding(**label, verdict=judged, value=value, baseline=baseline, limit=limit, since=was["commit"], note=note)


def _memory(row: Row, old: Row | None, known: Row) -> Finding:
    label: dict[str, Any] = {"part": PART, "group": _name(row), "quantity": "peak memory", "unit": "MiB"}
    value = row["peak_step_bytes"] / 2**20
    if old is None or old["peak_step_bytes"] is None:
        return Finding(**label, verdict="new", value=value, note="saved as the baseline")
    origin = {**known, **{name: old[name] for name in records.ORIGIN if name in old}}
    if why := _unlike(row["ratios"], origin):
        return Finding(**label, verdict="not compared", value=value, since=origin["commit"], note=why)
    was = old["peak_step_bytes"]
    limit = max(was * (1 + ALLOWED_MEMORY), was + ALLOWED_BYTES) / 2**20
    judged: Verdict = verdict(value, was / 2**20, limit)
    return Finding(**label, verdict=judged, value=value, baseline=was / 2**20, limit=limit, since=origin["commit"])


def _unlike(now: Row, was: Row) -> str:
    """Say why two origins cannot be compared; empty if they can."""
    if now["threads"] != was["threads"]:
        return f"measured with {now['threads']} threads, the baseline with {was['threads']}"
    return ""


def _differ(now: Sequence[float], was: Sequence[float]) -> bool:
    from scipy.stats import mannwhitneyu  # type: ignore[import-untyped]

    way = "greater" if median(now) > median(was) else "less"
    return bool(mannwhitneyu(now, was, alternative=way).pvalue < SIGNIFICANCE)


def _is_slow(finding: Finding) -> bool:
    return finding.verdict == "worse" and finding.quantity.endswith("step")


def _faster(row: Row, again: Row | None) -> Row:
    """Take the faster of two measurements of each kind, because disturbances only make a step longer."""
    if again is None or not all(kind in each.get("ratios", {}) for each in (row, again) for kind in ALLOWED):
        return row
    both = {kind: min(row["ratios"][kind], again["ratios"][kind], key=median) for kind in ALLOWED}
    return {**row, "ratios": {**row["ratios"], **both}}


def _extended(known: Row, fresh: Row, save: bool) -> dict[str, Any]:
    """Add the rows and ratios that the record lacks, each with its origin; `save` replaces rows."""
    rows = {_name(row): dict(row) for row in known["rows"]}
    for row in fresh["rows"]:
        old, new = rows.get(_name(row)), {**row, **{name: fresh[name] for name in records.ORIGIN}}
        if old is None or save:
            rows[_name(row)] = new
        else:
            fits_now = old["peak_step_bytes"] is None and row["peak_step_bytes"] is not None
            rows[_name(row)] = new if fits_now else old
            old |= {"ratios": row["ratios"]} if "ratios" in row and "ratios" not in old else {}
    return {**known, "rows": [*rows.values()]}


def _name(row: Row) -> str:
    return f"{row['subject']} T={row['T']}"
