"""Records of `dsr-bench perf`: one per machine and setting, condensed from pytest-benchmark's.

`results/perf/<machine>-<network>-b<batch>[-bfloat16].json` is the baseline; `results/perf/latest/` holds the
latest record.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.files import timings
from benchmarks.measurement.provenance import provenance
from benchmarks.perf.machine import Rates, floor_ms, measure
from benchmarks.perf.reference import ratios
from benchmarks.perf.subjects import YARDSTICK, grid
from benchmarks.runs.record import write_whole
from benchmarks.spec import Precision

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
    precision: Precision = "float32",
) -> dict[str, Any]:
    """Run the benchmarks, and measure the machine's rates unless given. Raises Failed."""
    options = ["-s", f"--perf-network={network}", f"--perf-batch={batch}", f"--perf-rounds={rounds}"]
    options += [f"--perf-timesteps={','.join(map(str, timesteps))}", f"--perf-subjects={','.join(chosen)}"]
    options += [f"--perf-precision={precision}"]
    entries = benchmarked("bench_steps.py", options)
    settings = grid(tuple(chosen), tuple(timesteps))
    return boiled_down(entries, network, batch, rates or measure(network, batch), settings, precision)


def boiled_down(
    entries: Sequence[Mapping[str, Any]],
    network: str,
    batch: int,
    rates: Rates,
    settings: Sequence[tuple[str, int]],
    precision: Precision = "float32",
) -> dict[str, Any]:
    """Condense pytest-benchmark's entries to one row per subject and T, with None if memory ran out.

    A row's `ratios` are durations in units of the reference kernel, round by round. They have their own origin, because
    `benchmarks.regression` may renew them while the milliseconds stay. A row that ran out of memory has none.
    """
    origin = asdict(provenance())
    rows: dict[tuple[str, int], dict[str, Any]] = {
        (subject, steps): {"subject": subject, "T": steps} | dict.fromkeys(MEASURED) for subject, steps in settings
    }
    for one in entries:
        info = one["extra_info"]
        row = rows[info["subject"], info["timesteps"]]
        kind = "train" if one["group"].startswith("train") else "inference"
        stats = one["stats"]  # the fastest, because disturbances only make a step longer
        row |= {f"{kind}_ms": stats["min"] * 1e3, f"{kind}_ms_median": stats["median"] * 1e3}
        by_kind = row.setdefault("ratios", {name: origin[name] for name in ORIGIN})
        by_kind[kind] = ratios(stats["data"], info["reference_seconds"])
        if kind == "train":
            row |= {"peak_step_bytes": info["peak_step_bytes"], "firing_rate": info["rate"]}
            trained_in = "float32" if info["subject"] == YARDSTICK else precision
            row["floor_ms"] = floor_ms(info["subject"], info["timesteps"], batch, rates, trained_in)
    return {
        **{k: origin[k] for k in (*ORIGIN, "machine", "device", "python")},
        "network": network,
        "batch": batch,
        "precision": precision,
        "other_load_cores": _other_load(entries),
        "rates": asdict(rates),
        "rows": [*rows.values()],
    }


def _other_load(entries: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the mean number of cores that other processes kept busy during all timed steps; None if any is unknown."""
    watched = [(one["extra_info"]["other_load_cores"], one["extra_info"]["watched_seconds"]) for one in entries]
    if not watched or any(cores is None for cores, _ in watched):
        return None
    return float(sum(cores * seconds for cores, seconds in watched) / sum(seconds for _, seconds in watched))


def path_of(results: Path, record: Mapping[str, Any]) -> Path:
    """Return the path of the baseline of a record's machine and setting. Older records are of float32."""
    where = slug(record["machine"] if record["device"] == "cpu" else record["device"])
    precision = record.get("precision", "float32")
    narrow = "" if precision == "float32" else f"-{precision}"
    return results / "perf" / f"{where}-{record['network']}-b{record['batch']}{narrow}.json"


def read(path: Path) -> dict[str, Any] | None:
    """Read a record; None if the file does not exist. Raises BadInput for a file that is not a record."""
    try:
        return timings.read(path)
    except FileNotFoundError:
        return None


def slug(text: str) -> str:
    """Turn a machine's description into a file name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def write(path: Path, record: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(record, indent=1) + "\n")


class Failed(RuntimeError):
    """pytest failed; its output has been printed. `code` is its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the benchmarks failed with exit code {code}")
        self.code = code


def benchmarked(file: str, options: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Run a file of benchmarks in this folder with pytest, in a process of its own. Raises Failed.

    Returns pytest-benchmark's entries with all durations. Our tests' settings (warnings are errors, time limits) are
    switched off, because they do not suit peers' code.
    """
    path = Path(__file__).with_name(file)
    with tempfile.TemporaryDirectory() as scratch:
        raw = Path(scratch) / "benchmark.json"
        quiet = ["-q", "-p", "no:cacheprovider", "-W", "ignore", "-o", "filterwarnings=", "-o", "timeout=0"]
        words = [*quiet, "--benchmark-quiet", f"--benchmark-json={raw}", *options]
        # a worker of pytest-xdist, as this process may be, would benchmark nothing
        alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
        code = subprocess.run([sys.executable, "-m", "pytest", str(path), *words], env=alone, check=False).returncode
        if code:
            raise Failed(code)
        entries: list[dict[str, Any]] = json.loads(raw.read_text(encoding="utf-8"))["benchmarks"]
        return entries
