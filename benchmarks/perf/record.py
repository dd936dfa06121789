"""`dsr-bench perf`: run the benchmarks, keep one record per machine and setting, and say what it means.

`results/perf/<machine>-<network>-b<batch>.json` is the baseline: made when there is none, replaced on request.
The record of the latest run stands in `results/perf/latest/`. Records are pytest-benchmark's, boiled down.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.metering import OtherLoad
from benchmarks.perf.machine import Rates, floor_ms, measure
from benchmarks.perf.subjects import grid, subjects
from benchmarks.provenance import provenance
from benchmarks.record import write_whole
from benchmarks.spec import BadInput, require

MEASURED = (
    *("train_ms", "train_ms_median", "inference_ms", "inference_ms_median"),
    *("peak_step_bytes", "firing_rate", "floor_ms"),
)
BENCHMARKS = Path(__file__).with_name("bench_steps.py")


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
    cells = len(grid(chosen, timesteps))
    console.print(f"[bold]perf[/] · {network} · batch {batch} · {cells} settings", highlight=False)
    with tempfile.TemporaryDirectory() as scratch:
        raw = Path(scratch) / "benchmark.json"
        load = OtherLoad()
        code = _pytest(raw, network, batch, timesteps, chosen)
        if code:
            return code
        settings, busy = grid(chosen, timesteps), load.cores()
        record = boiled_down(json.loads(raw.read_text()), network, batch, measure(network, batch), settings, busy)
    name = f"{slug(record['machine'] if record['device'] == 'cpu' else record['device'])}-{network}-b{batch}.json"
    baseline = results / "perf" / name
    before = json.loads(baseline.read_text()) if baseline.exists() else None
    _write(results / "perf" / "latest" / name, record)
    if before is None or save:
        _write(baseline, record)
    show(console, record, before)
    if before is None:
        console.print(f" no baseline for this machine and setting yet: saved as {baseline}", highlight=False)
    elif save:
        console.print(f" baseline replaced: {baseline}", highlight=False)
    return 0


def _pytest(raw: Path, network: str, batch: int, timesteps: Sequence[int], chosen: Sequence[str]) -> int:
    """In a process of its own. Our tests' settings (warnings are errors, time limits) are not for peers' code."""
    options = ["-q", "-s", "-p", "no:cacheprovider", "-W", "ignore", "--benchmark-quiet", f"--benchmark-json={raw}"]
    options += [f"--perf-network={network}", f"--perf-batch={batch}", "-o", "filterwarnings=", "-o", "timeout=0"]
    options += [f"--perf-timesteps={','.join(map(str, timesteps))}", f"--perf-subjects={','.join(chosen)}"]
    return subprocess.run([sys.executable, "-m", "pytest", str(BENCHMARKS), *options], check=False).returncode


def boiled_down(
    raw: Mapping[str, Any],
    network: str,
    batch: int,
    rates: Rates,
    settings: Sequence[tuple[str, int]],
    other_load_cores: float | None,
) -> dict[str, Any]:
    """pytest-benchmark's file without what nobody reads: one row per subject and T, None where memory ran out."""
    origin = asdict(provenance())
    rows: dict[tuple[str, int], dict[str, Any]] = {
        (subject, steps): {"subject": subject, "T": steps} | dict.fromkeys(MEASURED) for subject, steps in settings
    }
    for one in raw["benchmarks"]:
        info = one["extra_info"]
        row = rows[info["subject"], info["timesteps"]]
        kind = "train" if one["group"].startswith("train") else "inference"
        stats = one["stats"]  # the fastest: what disturbs a step only ever makes it longer
        row |= {f"{kind}_ms": stats["min"] * 1e3, f"{kind}_ms_median": stats["median"] * 1e3}
        if kind == "train":
            row |= {"peak_step_bytes": info["peak_step_bytes"], "firing_rate": info["rate"]}
            row["floor_ms"] = floor_ms(info["subject"], info["timesteps"], batch, rates)
    wanted = ("commit", "dirty", "started", "machine", "device", "threads", "python", "torch")
    return {
        **{k: origin[k] for k in wanted},
        "network": network,
        "batch": batch,
        "other_load_cores": other_load_cores,
        "rates": asdict(rates),
        "rows": [*rows.values()],
    }


def slug(text: str) -> str:
    """A file name of a machine's description."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _write(path: Path, record: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(record, indent=1) + "\n")


def show(console: Console, record: Mapping[str, Any], before: Mapping[str, Any] | None) -> None:
    """The table, T by T, with ratios to the yardstick and the ANN of the same run."""
    from reports.perf import table_of
    from reports.terminal import show_table

    show_table(table_of(record, before), console)
