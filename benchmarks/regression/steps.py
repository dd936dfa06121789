"""Have steps become slower or larger? This machine's record in `results/perf`, measured again.

Times are compared as ratios to the reference kernel timed in turn (`benchmarks.perf.reference`). Slower:

    the median ratio is more than 15 % (training) or 20 % (inference) above the baseline's,
    a one-sided rank test over the rounds says so with p < 0.01,
    and both hold once more when the suspects are measured a second time.

Larger: the peak of a step rises by more than 10 % and 4 MiB. What the record lacks is added to it, and said.
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
"""From methods, and the machine's rates if they are known, to a record."""


def measured(methods: Sequence[str], rates: Rates | None) -> dict[str, Any]:
    return records.measured(NETWORK, BATCH, (TIMESTEPS,), methods, ROUNDS, rates)


def check(results: Path, methods: Sequence[str], save: bool = False, measure: Measure = measured) -> list[Finding]:
    """Measure, compare, and add to the record what it lacks; `save` replaces what it holds of these methods."""
    path = records.path_of(results, {**vars(provenance()), "network": NETWORK, "batch": BATCH})
    found = records.read(path)
    fresh = measure(methods, Rates(**found["rates"]) if found else None)
    known = found or {**fresh, "rows": []}
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
    """A setting that left no timing: worse where it once did."""
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
    found, note = verdict(value, baseline, limit), ""
    if found != "same" and not _differ(row["ratios"][kind], was[kind]):
        found, note = "same", "the rounds scatter too much to say more"
    return Finding(**label, verdict=found, value=value, baseline=baseline, limit=limit, since=was["commit"], note=note)


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
    found: Verdict = verdict(value, was / 2**20, limit)
    return Finding(**label, verdict=found, value=value, baseline=was / 2**20, limit=limit, since=origin["commit"])


def _unlike(now: Row, was: Row) -> str:
    """Why two origins cannot be compared; empty where they can."""
    if now["threads"] != was["threads"]:
        return f"measured with {now['threads']} threads, the baseline with {was['threads']}"
    return ""


def _differ(now: Sequence[float], was: Sequence[float]) -> bool:
    from scipy.stats import mannwhitneyu  # type: ignore[import-untyped]

    way = "greater" if median(now) > median(was) else "less"
    return bool(mannwhitneyu(now, was, alternative=way).pvalue < SIGNIFICANCE)


def _is_slow(found: Finding) -> bool:
    return found.verdict == "worse" and found.quantity.endswith("step")


def _faster(row: Row, again: Row | None) -> Row:
    """Of two measurements of a row the faster one, kind by kind: what disturbs a step only ever makes it longer."""
    if again is None or not all(kind in each.get("ratios", {}) for each in (row, again) for kind in ALLOWED):
        return row
    both = {kind: min(row["ratios"][kind], again["ratios"][kind], key=median) for kind in ALLOWED}
    return {**row, "ratios": {**row["ratios"], **both}}


def _extended(known: Row, fresh: Row, save: bool) -> dict[str, Any]:
    """The record with rows, and ratios of rows, that it lacks; each says where it is from."""
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
