"""`dsr-bench perf`: run the benchmarks, keep a record, and print it next to this machine's baseline.

The first record of a machine and setting becomes the baseline; `--save` replaces it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from benchmarks.catalogue import require_runs_on, runs_on
from benchmarks.measurement.provenance import provenance
from benchmarks.perf.record import Failed, measured, path_of, read, write
from benchmarks.perf.subjects import grid, subjects
from benchmarks.spec import BadInput, Precision, require
from reports.rendering.terminal import show_table
from reports.studies.perf import table_of


def perf(
    console: Console,
    results: Path,
    network: str,
    batch: int,
    timesteps: tuple[int, ...],
    chosen: tuple[str, ...],
    save: bool,
    precision: Precision = "float32",
) -> int:
    """Measure, compare with this machine's baseline, print. Returns pytest's exit code."""
    from benchmarks.networks import NETWORKS

    require(network, NETWORKS, "network")
    if batch < 1:
        raise BadInput(f"batch must be at least 1, not {batch}")
    for subject in chosen:
        require(subject, subjects(), "method")
        require_runs_on(subject, network)
    chosen = chosen or tuple(subject for subject in subjects() if runs_on(subject, network))
    if save:
        _loses_nothing(results, network, batch, precision, grid(chosen, timesteps))
    cells = len(grid(chosen, timesteps))
    console.print(f"[bold]perf[/] · {network} · batch {batch} · {precision} · {cells} settings", highlight=False)
    try:
        record = measured(network, batch, timesteps, chosen, precision=precision)
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


def _loses_nothing(
    results: Path, network: str, batch: int, precision: Precision, settings: Sequence[tuple[str, int]]
) -> None:
    """Raise BadInput where a baseline of these settings would lack rows of the one that it replaces."""
    here = asdict(provenance())
    path = path_of(results, {**here, "network": network, "batch": batch, "precision": precision})
    rows = (read(path) or {"rows": []})["rows"]
    if lost := [f"{row['subject']} T={row['T']}" for row in rows if (row["subject"], row["T"]) not in settings]:
        what = f"--save would lose {len(lost)} rows of {path} ({', '.join(lost[:3])}{', ...' if lost[3:] else ''})"
        raise BadInput(f"{what}: measure those too, or remove the file")


def show(console: Console, record: Mapping[str, Any], before: Mapping[str, Any] | None) -> None:
    """The table, T by T, with ratios to the yardstick and the ANN of the same run."""
    show_table(table_of(record, before), console)
