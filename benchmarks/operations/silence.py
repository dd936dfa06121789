"""Layers of neurons that emit nothing for any test image: what lies behind them sees constants alone.

A run says so in its log and, as the reason of a finished row, in its record; a child says it of its parent, too.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.runs import store
from benchmarks.runs.identity import parent
from benchmarks.runs.record import read_csv
from benchmarks.spec import Run


def mention(run: Run, place: Path, results: Path) -> str | None:
    """One line on the silent layers of a run whose ledger is written, and of its parent; None where all speak."""
    origin = parent(run)
    inherited = silent_layers(store.directory(results, origin)) if origin else []
    said = [
        f"{whose} emits nothing on any test image in {', '.join(layers)}"
        for whose, layers in ((f"parent {origin.method if origin else ''}", inherited), ("it", silent_layers(place)))
        if layers
    ]
    if not said:
        return None
    print(f"warning: {run}: {'; '.join(said)}", flush=True)
    return "; ".join(said)


def silent_layers(place: Path) -> list[str]:
    """The layers of neurons in a run's ledger that emit nothing; none where the ledger is missing or older."""
    path = place / store.LEDGER
    ledger = read_csv(path) if path.exists() else []
    return [line["neuron"] for line in ledger if line.get("neuron") and line.get("output_nonzero") == "0"]
