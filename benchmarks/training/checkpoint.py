"""Where a run has come to, on disk: what its process saves as it goes, and what the next process continues from.

A checkpoint names the data and the parent's weights that it was made with. It is used with the same ones only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from benchmarks.data import Dataset
from benchmarks.measurement.weights import cause, unpacked
from benchmarks.runs import store
from benchmarks.runs.record import replacing
from benchmarks.spec import BadInput, shown


def keep(state: dict[str, Any], place: Path, data: Dataset, parent_sha256: str | None) -> None:
    """Save the state in a run's directory, whole or not at all. `parent_sha256`: digest of the parent's weights."""
    save({**state, "data_sha256": data.sha256, "parent_sha256": parent_sha256}, place / store.CHECKPOINT)


def kept(place: Path, data: Dataset, device: torch.device, parent_sha256: str | None) -> dict[str, Any] | None:
    """The state that was last kept; None where the run begins anew. Raises BadInput for a state of other data.

    A run begins anew where nothing was kept, where the file is damaged, and where the parent has other weights by now;
    in the last two cases its log says so.
    """
    path = place / store.CHECKPOINT
    if not path.exists():
        return None
    try:
        saved = unpacked(path, device)
        if not isinstance(saved, dict):
            raise ValueError(f"{type(saved).__name__}, not a dictionary")
    except Exception as error:  # torch raises half a dozen kinds for a file that is damaged or cut short
        print(f"{path} cannot be read ({cause(error)}): the run begins anew", flush=True)
        return None
    seen = saved.pop("data_sha256", data.sha256)  # older ones do not say
    if seen != data.sha256:
        raise BadInput(f"half done on {other_data(seen, data, place)}")
    if saved.pop("parent_sha256", parent_sha256) != parent_sha256:
        print(f"{path} started from other weights than its parent has now: the run begins anew", flush=True)
        return None
    return saved


def other_data(seen: str, data: Dataset, place: Path) -> str:
    """In words: data with the digest `seen` were used before, and what to do about it."""
    both = f"SHA-256 {shown(seen, quoted=False)[:12]}... and {data.sha256[:12]}..."
    return f"other {data.name} data than those here ({both}): remove {place}, or let DSR_DATA name those data"


def unusable(place: Path, error: Exception) -> BadInput:
    """That a checkpoint can be read, and a run cannot continue from it."""
    path = place / store.CHECKPOINT
    return BadInput(f"{path} is no state that this run can continue from ({cause(error)}); without it, it begins anew")


def save(state: Any, path: Path) -> None:
    """Write tensors, whole or not at all."""
    with replacing(path, "wb") as file:
        torch.save(state, file)
