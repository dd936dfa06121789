"""Silent layers: neurons that emit nothing for any test image, so that the layers behind them receive only constants.

A run reports them in its log and in its record, as the `reason` of a finished row. A child also reports its parent's.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.runs import store
from benchmarks.runs.identity import parent
from benchmarks.runs.record import read_csv
from benchmarks.spec import Run


def mention(run: Run, place: Path, results: Path) -> str | None:
    """Describe the silent layers of a run with a ledger, and of its parent, in one line; None if no layer is silent."""
    origin = parent(run)
    inherited = silent_layers(store.directory(results, origin)) if origin else []
    clauses = [
        f"{whose} emits nothing on any test image in {', '.join(layers)}"
        for whose, layers in ((f"parent {origin.method if origin else ''}", inherited), ("it", silent_layers(place)))
        if layers
    ]
    if not clauses:
        return None
    print(f"warning: {run}: {'; '.join(clauses)}", flush=True)
    return "; ".join(clauses)


def silent_layers(place: Path) -> list[str]:
    """List the silent layers in a run's ledger; none if the ledger is missing or of an older version."""
    path = place / store.LEDGER
    ledger = read_csv(path) if path.exists() else []
    return [line["neuron"] for line in ledger if line.get("neuron") and line.get("output_nonzero") == "0"]
