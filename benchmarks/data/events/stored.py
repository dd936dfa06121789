"""Packed frames on the disk: read, and compared with what was packed.

Frames are mapped into memory, and a run reads only some of them at a time. They are read whole, to compare digests,
when their files have been written to since that was done last, which size and times of the files tell.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.data.splits import Split, digest
from benchmarks.files import json_files
from benchmarks.runs.record import write_whole
from benchmarks.spec import BadInput

MANIFEST = "manifest.json"
SPLITS = ("train", "test")
COMPARED = "compared"
"""Name in the manifest: sizes and times of the files that were compared with their digests."""


class Expected(NamedTuple):
    """Of a split's frames: `(T, 2, H, W)`, and the label of every recording."""

    frame: tuple[int, ...]
    labels: Sequence[int]


def manifest(place: Path) -> dict[str, Any]:
    """Read the manifest. Raises BadInput for a damaged one."""
    try:
        found: dict[str, Any] = json_files.read(place / MANIFEST)
        texts = [found["sha256"][split] for split in SPLITS] + [found.get(name, "") for name in ("stamp", "contents")]
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("a digest is no text")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{place}: {MANIFEST} is damaged; delete the folder to have it packed again") from error
    return found


def add(place: Path, **values: str) -> None:
    """Add entries to the manifest, unless the folder is read-only."""
    with contextlib.suppress(BadInput):
        write_whole(place / MANIFEST, json.dumps(manifest(place) | values, indent=2) + "\n")


def digests(place: Path) -> dict[str, str]:
    """Return the splits' digests at the time of packing."""
    sha256 = manifest(place)["sha256"]
    return {split: sha256[split] for split in SPLITS}


def stamp(place: Path) -> str:
    """Hash sizes and times of the files of frames and labels."""
    stats = [(place / f"{split}-{what}.npy").stat() for split in SPLITS for what in ("images", "labels")]
    return hashlib.sha256(repr([(s.st_size, s.st_mtime_ns, s.st_ctime_ns) for s in stats]).encode()).hexdigest()


def read(place: Path, expected: dict[str, Expected]) -> dict[str, Split]:
    """Map both splits into memory. Raises BadInput for frames that are not those that were packed, or of others."""
    splits = {}
    for name, (frame, labels) in expected.items():
        split = splits[name] = mapped(place, name)
        if tuple(split.images.shape) != (len(labels), *frame) or split.labels.tolist() != list(labels):
            raise damaged(place, name)
    if manifest(place).get(COMPARED) != stamp(place):
        compare(place, splits)
        add(place, **{COMPARED: stamp(place)})
    return splits


def compare(place: Path, splits: dict[str, Split]) -> None:
    """Read the frames and raise BadInput if they have other digests than when they were packed."""
    expected = digests(place)
    for name, split in splits.items():
        if digest(split.images.numpy(), split.labels.numpy()) != expected[name]:
            raise damaged(place, name)


def mapped(place: Path, split: str) -> Split:
    """Map a split's frames into memory. Raises BadInput for files that are no frames."""
    try:
        images = np.load(place / f"{split}-images.npy", mmap_mode="c", allow_pickle=False)  # torch needs write access
        labels = np.load(place / f"{split}-labels.npy", allow_pickle=False)
        if images.dtype not in (np.uint8, np.int16) or labels.dtype != np.int64:
            raise ValueError("of another type")
        return Split(torch.from_numpy(images), torch.from_numpy(labels))
    except Exception as error:  # numpy and tokenize raise half a dozen types for a damaged header
        raise damaged(place, split) from error


def damaged(place: Path, split: str) -> BadInput:
    """The error for damaged frames."""
    return BadInput(f"{place}: the {split} frames are damaged; delete the folder to have it packed again")
