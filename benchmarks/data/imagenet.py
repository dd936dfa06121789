"""ImageNet as folders of image files, `ROOT/imagenet/{train,val}/WNID/*.JPEG`, or a part of it in the same layout.

Classes are the sorted WNIDs in `train`. Evaluation reads `val` in the order of names. Training images are in one fixed
shuffled order, so that the first few contain every class. The digest covers the names and sizes of the files, because
reading all of ImageNet takes as long as an epoch.
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
"""The classes of a ten-class run: Imagenette's, which are easy to tell apart."""

ENDINGS = (".jpeg", ".jpg", ".png")

Files = list[tuple[str, int, int]]
"""Path relative to the data set's folder, size in bytes, label."""


def read(folder: Path, classes: int | None, size: int) -> Arrays[Streamed]:
    """Return both splits, as squares of `size` pixels.

    `classes` is the number of classes of the run, 1000 or 10 (the `TEN`); None takes all classes in the folder.
    Raises BadInput if something is missing, empty or inconsistent.
    """
    available = _wnids(folder / "train")
    if different := sorted(set(available) ^ set(_wnids(folder / "val"))):
        raise BadInput(f"{folder}: train and val hold different classes; only one of them has {different[0]}")
    wanted = _chosen(folder, available, classes)
    train, val = (_files(folder, split, wanted) for split in ("train", "val"))
    shuffled = [train[i] for i in np.random.default_rng(2012).permutation(len(train))]
    source = _source(len(wanted), len(train), len(val))
    streams = (_streamed(folder, shuffled, size), _streamed(folder, val, size))
    return Arrays(len(wanted), *streams, _digest(train + val), source)


def _wnids(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise BadInput(
            f"{folder} not found; the layout of ImageNet is imagenet/{{train,val}}/WNID/*.JPEG (docs/data.md)"
        )
    names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise BadInput(f"{folder} contains no class folder")
    return names


def _chosen(folder: Path, available: list[str], classes: int | None) -> list[str]:
    if classes == len(TEN) and set(TEN) <= set(available):
        return list(TEN)
    if classes == len(TEN):
        missing = ", ".join(sorted(set(TEN) - set(available)))
        raise BadInput(f"{folder}: a run of ten classes needs {', '.join(TEN)}; not found: {missing}")
    if classes not in (None, len(available)):
        raise BadInput(f"{folder} has {len(available)} classes, the recipe needs {classes} (laptop and smoke need ten)")
    return available


def _files(folder: Path, split: str, wnids: list[str]) -> Files:
    files: Files = []
    for label, wnid in enumerate(wnids):
        entries = sorted(os.scandir(folder / split / wnid), key=lambda entry: entry.name)
        seen = (entry for entry in entries if not entry.name.startswith("."))  # `._1.JPEG`, which macOS writes
        images = [entry for entry in seen if entry.name.lower().endswith(ENDINGS)]
        if not images:
            raise BadInput(f"{folder / split / wnid} contains no image ({', '.join(ENDINGS)})")
        for entry in images:
            if not (length := entry.stat().st_size):
                raise BadInput(f"{entry.path} is empty")
            files.append((f"{split}/{wnid}/{entry.name}", length, label))
    return files


def _streamed(folder: Path, files: Files, size: int) -> Streamed:
    paths, labels = tuple(f"{folder}/{name}" for name, _, _ in files), torch.tensor([label for *_, label in files])
    return Streamed(paths, labels, size)


def _digest(files: Files) -> str:
    return hashlib.sha256("\n".join(f"{name} {length}" for name, length, _ in files).encode()).hexdigest()


def _source(classes: int, train: int, val: int) -> str:
    """Describe the data; a part of ImageNet is always called a part."""
    official = ENTRIES["imagenet"]
    whole = (classes, train, val) == (official.classes, official.train, official.test)
    title = (
        "ImageNet, whole"
        if whole
        else f"a part of ImageNet, no result on ImageNet: {classes:,} of {official.classes:,} classes"
    )
    return f"{title}, {train:,} training and {val:,} validation images, digest of names and sizes"
