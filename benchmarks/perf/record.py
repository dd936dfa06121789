"""`dsr-bench perf`: run the benchmarks, keep one record per machine and setting, and say what it means.

`results/perf/<machine>-<network>-b<batch>.json` is the baseline: made when there is none, replaced on request.
The record of the latest run stands in `results/perf/latest/`. Records are pytest-benchmark's, boiled down.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from benchmarks.measurement.provenance import provenance
from benchmarks.perf.machine import Rates, floor_ms, measure
from benchmarks.perf.reference import ratios
from benchmarks.perf.session import Failed, benchmarked
from benchmarks.perf.subjects import grid, subjects
from benchmarks.runs.record import write_whole
from benchmarks.spec import BadInput, require

MEASURED = (
    *("train_ms", "train_ms_median", "inference_ms", "inference_ms_median"),
    *("peak_step_bytes", "firing_rate", "floor_ms"),
)
ROUNDS = 5
ORIGIN = ("commit", "dirty", "started", "threads", "torch")


def perf(
    console: Console,
    results: Path,
    network: str,
    batch: int,
    timesteps: tuple[int, ...],
    chosen: tuple[str, ...],
    save: bool,
) -> int:
    """Measure, compare with this machine's baseline, print. Returns pytest's exit code."""
    from benchmarks.networks import NETWORKS

    require(network, NETWORKS, "network")
    if batch < 1:
        raise BadInput(f"batch must be at least 1, not {batch}")
    for subject in chosen:
        require(subject, subjects(), "method")
    chosen = chosen or subjects()
    if save:
        _loses_nothing(results, network, batch, grid(chosen, timesteps))
    cells = len(grid(chosen, timesteps))
    console.print(f"[bold]perf[/] · {network} · batch {batch} · {cells} settings", highlight=False)
    try:
        record = measured(network, batch, timesteps, chosen)
    except Failed as failed:
        return failed.code
    baseline = path_of(results, record)
    before = read(baseline)
    write(results / "perf" / "latest" / baseline.name, record)
    if before is None or save:
        write(baseline, record)
    show(console, record, before)
    if before is None:
        console.print(
            f" no baseline for this machine and setting yet: saved as {escape(str(baseline))}", highlight=False
        )
    elif save:
        console.print(f" baseline replaced: {escape(str(baseline))}", highlight=False)
    return 0


def _loses_nothing(results: Path, network: str, batch: int, settings: Sequence[tuple[str, int]]) -> None:
    """Raise BadInput where a baseline of these settings would lack rows of the one that it replaces."""
    here = asdict(provenance())
    path = path_of(results, {**here, "network": network, "batch": batch})
    rows = (read(path) or {"rows": []})["rows"]
    if lost := [f"{row['subject']} T={row['T']}" for row in rows if (row["subject"], row["T"]) not in settings]:
        what = f"--save would lose {len(lost)} rows of {path} ({', '.join(lost[:3])}{', ...' if lost[3:] else ''})"
        raise BadInput(f"{what}: measure those too, or remove the file")


def measured(
    network: str,
    batch: int,
    timesteps: Sequence[int],
    chosen: Sequence[str],
    rounds: int = ROUNDS,
    rates: Rates | None = None,
) -> dict[str, Any]:
    """Run the benchmarks, and measure the machine's rates where they are not given. Raises Failed."""
    options = ["-s", f"--perf-network={network}", f"--perf-batch={batch}", f"--perf-rounds={rounds}"]
    options += [f"--perf-timesteps={','.join(map(str, timesteps))}", f"--perf-subjects={','.join(chosen)}"]
    entries = benchmarked("bench_steps.py", options)
    settings = grid(tuple(chosen), tuple(timesteps))
    return boiled_down(entries, network, batch, rates or measure(network, batch), settings)


def boiled_down(
    entries: Sequence[Mapping[str, Any]],
    network: str,
    batch: int,
    rates: Rates,
    settings: Sequence[tuple[str, int]],
) -> dict[str, Any]:
    """pytest-benchmark's entries without what nobody reads: one row per subject and T, None where memory ran out.

    A row's `ratios` are durations in reference kernels, round by round, with an origin of their own: a row may get new
    ones (`benchmarks.regression`) while its milliseconds stay. A row where memory ran out has none.
    """
    origin = asdict(provenance())
    rows: dict[tuple[str, int], dict[str, Any]] = {
        (subject, steps): {"subject": subject, "T": steps} | dict.fromkeys(MEASURED) for subject, steps in settings
    }
    for one in entries:
        info = one["extra_info"]
        row = rows[info["subject"], info["timesteps"]]
        kind = "train" if one["group"].startswith("train") else "inference"
        stats = one["stats"]  # the fastest: what disturbs a step only ever makes it longer
        row |= {f"{kind}_ms": stats["min"] * 1e3, f"{kind}_ms_median": stats["median"] * 1e3}
        found = row.setdefault("ratios", {name: origin[name] for name in ORIGIN})
        found[kind] = ratios(stats["data"], info["reference_seconds"])
        if kind == "train":
            row |= {"peak_step_bytes": info["peak_step_bytes"], "firing_rate": info["rate"]}
            row["floor_ms"] = floor_ms(info["subject"], info["timesteps"], batch, rates)
    wanted = (*ORIGIN, "machine", "device", "python")
    return {
        **{k: origin[k] for k in wanted},
        "network": network,
        "batch": batch,
        "other_load_cores": _other_load(entries),
        "rates": asdict(rates),
        "rows": [*rows.values()],
    }


def _other_load(entries: Sequence[Mapping[str, Any]]) -> float | None:
    """The mean over all timed steps of the cores that other processes kept busy; None where one was not watched."""
    watched = [(one["extra_info"]["other_load_cores"], one["extra_info"]["watched_seconds"]) for one in entries]
    if not watched or any(cores is None for cores, _ in watched):
        return None
    return float(sum(cores * seconds for cores, seconds in watched) / sum(seconds for _, seconds in watched))


def path_of(results: Path, record: Mapping[str, Any]) -> Path:
    """Where the baseline of a record's machine and setting stands."""
    where = slug(record["machine"] if record["device"] == "cpu" else record["device"])
    return results / "perf" / f"{where}-{record['network']}-b{record['batch']}.json"


def read(path: Path) -> dict[str, Any] | None:
    """A record; None where there is none. Raises BadInput for a file that is none."""
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        assert record["rows"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AssertionError):
        raise BadInput(f"{path} is no record of `dsr-bench perf`") from None
    return record


def slug(text: str) -> str:
    """A file name of a machine's description."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def write(path: Path, record: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(record, indent=1) + "\n")


def show(console: Console, record: Mapping[str, Any], before: Mapping[str, Any] | None) -> None:
    """The table, T by T, with ratios to the yardstick and the ANN of the same run."""
    from reports.rendering.terminal import show_table
    from reports.studies.perf import table_of

    show_table(table_of(record, before), console)
