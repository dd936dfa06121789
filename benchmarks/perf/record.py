"""Records of `dsr-bench perf`: pytest-benchmark's, boiled down; one per machine and setting.

`results/perf/<machine>-<network>-b<batch>.json` is the baseline, `results/perf/latest/` holds the latest record.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.measurement.provenance import provenance
from benchmarks.perf.machine import Rates, floor_ms, measure
from benchmarks.perf.reference import ratios
from benchmarks.perf.session import benchmarked
from benchmarks.perf.subjects import grid
from benchmarks.runs.record import write_whole
from benchmarks.spec import BadInput

MEASURED = (
    *("train_ms", "train_ms_median", "inference_ms", "inference_ms_median"),
    *("peak_step_bytes", "firing_rate", "floor_ms"),
)
ROUNDS = 5
ORIGIN = ("commit", "dirty", "started", "threads", "torch")


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
