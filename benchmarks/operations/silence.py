"""Silent layers: neurons that emit nothing for any test image, so that the layers behind them receive only constants.

A run reports them in its log and in its record, as the `reason` of a finished row. A child also reports its parent's.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.operations import ledger_rows
from benchmarks.runs import store
from benchmarks.runs.job import Job


def mention(job: Job) -> str | None:
    """Describe the silent layers of a run with a ledger, and of its parent, in one line; None if no layer is silent."""
    whose = [("it", silent_layers(job.place))]
    if job.parent:
        whose.insert(0, (f"parent {job.parent.run.method}", silent_layers(job.parent.place)))
    parts = [f"{subject} emits nothing on any test image in {', '.join(layers)}" for subject, layers in whose if layers]
    if not parts:
        return None
    print(f"warning: {job}: {'; '.join(parts)}", flush=True)
    return "; ".join(parts)


def silent_layers(place: Path) -> list[str]:
    """List the silent layers in a run's ledger; none if the ledger is missing or of an older version."""
    path = place / store.LEDGER
    ledger = ledger_rows.read(path) if path.exists() else []
    return [line["neuron"] for line in ledger if line.get("neuron") and line.get("output_nonzero") == "0"]
