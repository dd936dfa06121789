"""Predictions that are committed: `results/predictions/<key>.npz`, copies of what the runs' directories hold.

A copy is small, belongs to a row that is committed, and has the digest that the row names.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from benchmarks.runs import store
from benchmarks.runs.contents import Row
from benchmarks.runs.record import replacing
from benchmarks.spec import BadInput

FOLDER = "predictions"
LARGEST_BYTES = 20 * 1024
"""A file has to be smaller: ImageNet's 50,000 test images are not, CIFAR's 10,000 are."""


def look(results: Path) -> None:
    """Raises BadInput where their folder cannot be one, before anything is trained."""
    folder = results / FOLDER
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder} is not a folder, and predictions are to go there: move it away")


def update(places: Mapping[str, Path], rows: Mapping[str, Row], results: Path) -> None:
    """Copy from the directories of these runs (by key), and remove what belongs to no row of `rows`."""
    folder = results / FOLDER
    for key, place in places.items():
        source = place / store.PREDICTIONS
        if source.exists() and source.stat().st_size < LARGEST_BYTES:
            packed = source.read_bytes()
            if key in rows and rows[key].get("predictions_sha256") == hashlib.sha256(packed).hexdigest():
                folder.mkdir(exist_ok=True)
                with replacing(folder / f"{key}.npz", "wb") as file:
                    file.write(packed)
    for copy in folder.glob("*.npz"):
        if copy.is_file() and re.fullmatch("[0-9a-f]{16}", copy.stem) and not _belongs(copy, rows):
            copy.unlink()


def _belongs(copy: Path, rows: Mapping[str, Row]) -> bool:
    wanted = rows[copy.stem].get("predictions_sha256") if copy.stem in rows else None
    return bool(wanted) and wanted == hashlib.sha256(copy.read_bytes()).hexdigest()
