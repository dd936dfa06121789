"""Predictions that are committed: `results/predictions/<key>.npz`, copies of what the runs' directories hold.

A copy is small, belongs to a row that is committed, and has the digest that the row names.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from benchmarks.runs import store
from benchmarks.runs.contents import Row
from benchmarks.runs.record import replacing
from benchmarks.spec import BadInput

FOLDER = "predictions"
LARGEST_BYTES = 20 * 1024
"""A file has to be smaller: ImageNet's 50,000 test images are not, CIFAR's 10,000 are."""


def look(results: Path) -> None:
    """Check, before anything is trained, that predictions can be kept. Raises BadInput if their folder is a file."""
    folder = results / FOLDER
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder} is not a folder, and predictions are to go there: move it away")


def update(places: Mapping[str, Path], rows: Mapping[str, Row], replaced: Collection[str], results: Path) -> list[str]:
    """Copy from the directories of these runs (by key), and remove files whose row has left or is one of `replaced`.

    `rows`: all committed rows of finished runs by key, stale ones too. Returns a line for every other file that does
    not have the digest that its row names: it stays, and somebody has to decide which of the two is right.
    """
    folder = results / FOLDER
    for key, place in places.items():
        source = place / store.PREDICTIONS
        if source.exists() and source.stat().st_size < LARGEST_BYTES:
            packed = source.read_bytes()
            if key in rows and rows[key].get("predictions_sha256") == hashlib.sha256(packed).hexdigest():
                folder.mkdir(exist_ok=True)
                with replacing(folder / f"{key}.npz", "wb") as file:
                    file.write(packed)
    wrong = []
    for copy in sorted(folder.glob("*.npz")):
        if not copy.is_file() or not re.fullmatch("[0-9a-f]{16}", copy.stem):
            continue
        digest = hashlib.sha256(copy.read_bytes()).hexdigest()
        wanted = rows.get(copy.stem, {}).get("predictions_sha256")
        if copy.stem not in rows or (wanted != digest and copy.stem in replaced):
            copy.unlink()
        elif wanted != digest:
            named = f"names {wanted[:16]}..." if wanted else "names no predictions"
            wrong.append(f"{copy} has SHA-256 {digest[:16]}..., its row {named}: restore it from git, or remove it")
    return wrong
