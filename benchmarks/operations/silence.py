"""Layers of neurons that emit nothing for any test image: what lies behind them sees constants alone.

A run says so in its log and, as the reason of a finished row, in its record; a child says it of its parent, too.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.runs import store
from benchmarks.runs.job import Job
from benchmarks.runs.record import read_csv


def mention(job: Job) -> str | None:
    """One line on the silent layers of a run whose ledger is written, and of its parent; None where all speak."""
    whose = [("it", silent_layers(job.place))]
    if job.parent:
        whose.insert(0, (f"parent {job.parent.run.method}", silent_layers(job.parent.place)))
    parts = [f"{subject} emits nothing on any test image in {', '.join(layers)}" for subject, layers in whose if layers]
    if not parts:
        return None
    print(f"warning: {job}: {'; '.join(parts)}", flush=True)
    return "; ".join(parts)


def silent_layers(place: Path) -> list[str]:
    """The layers of neurons in a run's ledger that emit nothing; none where the ledger is missing or older."""
    path = place / store.LEDGER
    ledger = read_csv(path) if path.exists() else []
    return [line["neuron"] for line in ledger if line.get("neuron") and line.get("output_nonzero") == "0"]
