"""ImageNet as folders of image files, `ROOT/imagenet/{train,val}/WNID/*.JPEG`, or a part of it in the same form.

Classes are the sorted WNIDs found in `train`. Evaluation goes through `val` in the order of names; training images
stand in one fixed shuffle, so that whoever takes the first few sees every class. The digest of the data is of names and
sizes of the files: reading all of ImageNet takes as long as an epoch.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import torch

from benchmarks.catalogue.datasets import ENTRIES
from benchmarks.data.splits import Arrays
from benchmarks.data.streamed import Streamed
from benchmarks.spec import BadInput

TEN = (
    *("n01440764", "n02102040", "n02979186", "n03000684", "n03028079"),
    *("n03394916", "n03417042", "n03425413", "n03445777", "n03888257"),
)
"""The classes of a run of ten: Imagenette's, which are easy to tell apart."""

ENDINGS = (".jpeg", ".jpg", ".png")

Found = list[tuple[str, int, int]]
"""Path from the set's folder, size in bytes, label."""


def read(folder: Path, classes: int | None, size: int) -> Arrays[Streamed]:
    """Both splits, seen as squares of `size` pixels.

    `classes`: how many a run is of, 1000 or the `TEN`; None: what is there.
    Raises BadInput with one line for anything missing, empty or different from what is wanted.
    """
    there = _wnids(folder / "train")
    if different := sorted(set(there) ^ set(_wnids(folder / "val"))):
        raise BadInput(f"{folder}: train and val hold different classes; only one of them has {different[0]}")
    wanted = _chosen(folder, there, classes)
    train, val = (_files(folder, split, wanted) for split in ("train", "val"))
    shuffled = [train[i] for i in np.random.default_rng(2012).permutation(len(train))]
    source = _source(len(wanted), len(train), len(val))
    streams = (_streamed(folder, shuffled, size), _streamed(folder, val, size))
    return Arrays(len(wanted), *streams, _digest(train + val), source)


def _wnids(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise BadInput(
            f"{folder} is missing; ImageNet is laid out as imagenet/{{train,val}}/WNID/*.JPEG (docs/data.md)"
        )
    names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise BadInput(f"{folder} holds no folder of a class")
    return names


def _chosen(folder: Path, there: list[str], classes: int | None) -> list[str]:
    if classes == len(TEN) and set(TEN) <= set(there):
        return list(TEN)
    if classes == len(TEN):
        raise BadInput(f"{folder}: a run of ten classes needs {', '.join(TEN)}; not all of them are there")
    if classes not in (None, len(there)):
        raise BadInput(f"{folder} holds {len(there)} classes, the recipe is for {classes} (laptop and smoke need ten)")
    return there


def _files(folder: Path, split: str, wnids: list[str]) -> Found:
    found: Found = []
    for label, wnid in enumerate(wnids):
        entries = sorted(os.scandir(folder / split / wnid), key=lambda entry: entry.name)
        seen = (entry for entry in entries if not entry.name.startswith("."))  # `._1.JPEG`, which macOS writes
        images = [entry for entry in seen if entry.name.lower().endswith(ENDINGS)]
        if not images:
            raise BadInput(f"{folder / split / wnid} holds no image ({', '.join(ENDINGS)})")
        for entry in images:
            if not (length := entry.stat().st_size):
                raise BadInput(f"{entry.path} is empty")
            found.append((f"{split}/{wnid}/{entry.name}", length, label))
    return found


def _streamed(folder: Path, found: Found, size: int) -> Streamed:
    files, labels = tuple(f"{folder}/{name}" for name, _, _ in found), torch.tensor([label for *_, label in found])
    return Streamed(files, labels, size)


def _digest(found: Found) -> str:
    return hashlib.sha256("\n".join(f"{name} {length}" for name, length, _ in found).encode()).hexdigest()


def _source(classes: int, train: int, val: int) -> str:
    """A part never reads like the whole."""
    official = ENTRIES["imagenet"]
    whole = (classes, train, val) == (official.classes, official.train, official.test)
    title = (
        "ImageNet, whole"
        if whole
        else f"a part of ImageNet, no result on ImageNet: {classes:,} of {official.classes:,} classes"
    )
    return f"{title}, {train:,} training and {val:,} validation images, digest of names and sizes"
