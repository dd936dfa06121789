"""A run in NeuroBench's terms (Yik et al. 2025; names and definitions of its release 2.3): `neurobench.json`.

All numbers are per image, averaged over the whole test split. The file lists under "definitions" where ours differ.
The main difference: whether a layer accumulates is read from the network, because amplitudes and norms fold into
weights. NeuroBench looks at values, and DSR's spikes of height V (or V / dt) are not 0 or 1.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.measurement import weights
from benchmarks.operations import ledger_rows
from benchmarks.runs import agreement, store
from benchmarks.runs.record import Result, write_whole
from benchmarks.spec import BadInput

DEFINITIONS = {
    "Footprint": "bytes of parameters and buffers as trained: norms are not folded",
    "ConnectionSparsity": "zeros among the weights of convolutions and fully connected layers; not rounded",
    "ActivationSparsity": "zeros among all that layers of neurons emit, over all steps, ReLU and readouts included",
    "SynapticOperations": (
        "convolutions and fully connected layers only. A layer accumulates if it is fed by a spiking neuron directly, "
        "amplitudes and norms folded into weights; NeuroBench asks whether all values of a batch are 0, 1 or -1. "
        "Behind a pool or a sum of spikes the values that enter a layer and are not 0 are multiplied, as NeuroBench "
        "sees them. "
        "A layer fed by images runs once per image, by event frames once per step. "
        "Products inside neurons that weigh their steps (PSN) are left out. "
        "Weights that are 0 count; NeuroBench leaves them out of its effective operations"
    ),
    "MembraneUpdates": (
        "neurons times steps: each is updated at every step, and so is a synaptic current that it has besides; "
        "NeuroBench counts membranes that change when they fire"
    ),
}

WEIGHTS = ("weight", "weight.original")
"""How the names of weights end, those that a parametrization changes included."""


def write(place: Path, result: Result, static: Mapping[str, Any] | None) -> None:
    """Write the file next to a run's ledger, unless `static` is None or the ledger is of an older format."""
    rows = ledger_rows.read(place / store.LEDGER)
    if static and "operation" in rows[0] and rows[0]["operation"]:
        write_whole(place / store.NEUROBENCH, json.dumps(summary(rows, result, static), indent=2) + "\n")


def rewrite(place: Path) -> str:
    """Write the file again for a finished run's directory and return its text. Raises BadInput if files are missing."""
    try:
        _, result = store.finished(place)
        if wrong := agreement.layers_differ(
            ledger_rows.per_image(ledger_rows.read(place / store.LEDGER)), vars(result)
        ):
            raise BadInput(f"{place / store.LEDGER}: {wrong} ({store.RESULT})")
        write(place, result, static_of(place, result.weights_sha256))
        return (place / store.NEUROBENCH).read_text(encoding="utf-8")
    except BadInput:
        raise
    except (OSError, ValueError, KeyError, IndexError) as error:
        required = f"{store.RESULT}, {store.NETWORK} and a {store.LEDGER} of this version"
        raise BadInput(f"{place} is not the directory of a finished run; required are {required}") from error


def summary(rows: Iterable[Mapping[str, str]], result: Result, static: Mapping[str, Any]) -> dict[str, Any]:
    """Compute NeuroBench's results from a ledger's lines, whose values are text."""
    rows = list(rows)
    images = int(rows[0]["images"])
    linear = [row for row in rows if row["operation"] in ("conv", "transposed", "linear")]
    macs = [row for row in linear if row["kind"] == "mac" or row["operations_graded_pool"]]
    emitted, values = _emitted(rows)
    return {
        "Footprint": static["Footprint"],
        "ConnectionSparsity": static["ConnectionSparsity"],
        "ClassificationAccuracy": None if result.top1 is None else result.top1 / 100.0,
        "ActivationSparsity": 1.0 - emitted / values if values else None,
        "MembraneUpdates": sum(int(row["neuron_updates"] or 0) for row in rows) / images,
        "SynapticOperations": {
            "Effective_MACs": sum(_effective(row) for row in macs) / images,
            "Effective_ACs": sum(_effective(row) for row in linear if row not in macs) / images,
            "Dense": sum(_dense(row) for row in linear),
        },
        "definitions": DEFINITIONS,
        "run": {name: getattr(result, name) for name in ("key", "dataset", "network", "method", "timesteps", "scale")},
    }


def _emitted(rows: Iterable[Mapping[str, str]]) -> tuple[int, int]:
    """Return the number of nonzero values that all neurons emit, and the number of all values."""
    booked = [row for row in rows if row["neuron"]]
    values = (int(row["output_neurons"]) * int(row["timesteps"]) * int(row["images"]) for row in booked)
    return sum(int(row["output_nonzero"]) for row in booked), sum(values)


def _effective(row: Mapping[str, str]) -> int:
    """Return the operations on nonzero inputs, or all operations if the nonzero ones were not counted."""
    return int(row["operations_graded_pool"] or row["operations_nonzero"] or row["operations"])


def _dense(row: Mapping[str, str]) -> int:
    return int(row["dense_macs_per_step"]) * int(row["analog_repeats"] or row["timesteps"])


def static(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Compute the metrics that depend on the weights alone."""
    kernels = [value for name, value in state.items() if name.endswith(WEIGHTS) and value.dim() > 1]
    zeros = sum(int((kernel == 0).sum()) for kernel in kernels)
    return {
        "Footprint": sum(value.nbytes for value in state.values()),
        "ConnectionSparsity": zeros / sum(kernel.numel() for kernel in kernels),
    }


def static_of(place: Path, sha256: str | None) -> dict[str, Any] | None:
    """Compute the same from a run's stored weights, of that digest; None if these have been deleted."""
    path = place / store.NETWORK
    return static(weights.read(path, torch.device("cpu"), sha256)) if path.exists() else None
