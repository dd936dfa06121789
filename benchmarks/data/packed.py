"""Packed arrays under the data root (`DSR_DATA`, else `./data`); a missing set is downloaded through torchvision.

    ROOT/NAME/{train,test}-images.npy    uint8, N x H x W x 3
    ROOT/NAME/{train,test}-labels.npy    int64, N
    ROOT/NAME/manifest.json              optional: {"source": ..., "sha256": {"train": ..., "test": ...}}

Every load checks shapes, types and the range of labels, and the checksums if the folder has a manifest.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.data.splits import Arrays, Split, both, digest
from benchmarks.files import json_files
from benchmarks.files.addresses import masked
from benchmarks.spec import BadInput, one_line, shown


class Head(NamedTuple):
    """Channels and edge length of the images, and the numbers of training and test images."""

    channels: int
    edge: int
    train: int
    test: int


def root() -> Path:
    """The data root. Raises BadInput if `DSR_DATA` names a folder that does not exist."""
    named = os.environ.get("DSR_DATA")
    path = Path(named or "data")
    if named and not path.is_dir():
        raise BadInput(f"data root {path} (DSR_DATA) not found or not a folder")
    return path


def read(name: str, classes: int) -> Arrays:
    """Read and check both splits of a packed data set. Raises BadInput if something is missing or damaged."""
    folder = root() / name
    if not folder.is_dir():
        from benchmarks.data.download import fetch

        fetch(name, folder)
    manifest = _manifest(folder)
    train_digest, train = _split(folder, "train", classes, manifest)
    test_digest, test = _split(folder, "test", classes, manifest)
    if train.images.shape[1:] != test.images.shape[1:]:
        shapes = " and ".join(str(tuple(split.images.shape[2:])) for split in (train, test))
        raise BadInput(f"{folder}: train-images.npy and test-images.npy differ in the size of their images ({shapes})")
    if train_digest == test_digest:
        raise BadInput(f"{folder}: the test split is identical to the training split")
    source = masked(manifest.get("source", "packed arrays without a manifest, not compared"))
    return Arrays(classes, train, test, both(train_digest, test_digest), source)


def head(name: str) -> Head:
    """Read the headers of a packed set, not its images. Raises BadInput if they are damaged."""
    folder = root() / name
    train, test = (_array(folder / f"{split}-images.npy", np.uint8, 4, mapped=True) for split in ("train", "test"))
    return Head(train.shape[3], train.shape[1], len(train), len(test))


def _split(folder: Path, split: str, classes: int, manifest: dict[str, Any]) -> tuple[str, Split]:
    images = _array(folder / f"{split}-images.npy", np.uint8, 4)
    labels = _array(folder / f"{split}-labels.npy", np.int64, 1)
    if images.shape[3] != 3 or images.shape[1] != images.shape[2]:
        raise BadInput(f"{folder}/{split}-images.npy: shape {images.shape}, expected N x H x H x 3")
    if len(images) != len(labels) or not len(labels):
        raise BadInput(f"{folder}: {len(images)} {split} images but {len(labels)} labels")
    if labels.min() < 0 or labels.max() >= classes:
        raise BadInput(
            f"{folder}/{split}-labels.npy: labels {labels.min()} to {labels.max()}, allowed are 0 to {classes - 1}"
        )
    sha256 = digest(images, labels)
    expected = manifest.get("sha256", {}).get(split, sha256)
    if sha256 != expected:
        raise BadInput(
            f"{folder}: the {split} split is damaged (SHA-256 {sha256[:12]}..., manifest.json {expected[:12]}...)"
        )
    channels_first = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    return sha256, Split(torch.from_numpy(channels_first), torch.from_numpy(labels))


def _array(path: Path, dtype: type, dimensions: int, mapped: bool = False) -> np.ndarray:
    if not path.is_file():
        raise BadInput(f"{path} not found")
    try:
        if mapped:
            array = np.lib.format.open_memmap(path, mode="r")
        else:
            with path.open("rb") as file:
                array = np.load(file, allow_pickle=False)
    except Exception as error:  # numpy and tokenize raise half a dozen types for a damaged header
        raise BadInput(f"{path} cannot be read; it is damaged or truncated ({one_line(error)})") from error
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != dimensions:
        raise BadInput(
            f"{path}: {getattr(array, 'dtype', '?')} with shape {getattr(array, 'shape', '?')}, "
            f"expected {np.dtype(dtype).name} with {dimensions} dimensions"
        )
    return array


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    if not path.is_file():
        return {}
    try:
        manifest = json_files.read(path, "utf-8-sig")
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} is not valid JSON ({one_line(error)})") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("sha256", {}), dict):
        raise BadInput(f"{path}: the file and its sha256 must be JSON objects")
    texts = {
        "source": manifest.get("source", ""),
        **{f"sha256 of {n}": v for n, v in manifest.get("sha256", {}).items()},
    }
    for name, value in texts.items():
        if not isinstance(value, str) or not value.isprintable():
            raise BadInput(f"{path}: {shown(name, quoted=False)} must be one line of text, not {shown(value)}")
    return manifest
