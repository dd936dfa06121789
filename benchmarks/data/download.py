"""Fetch a data set through torchvision (which checks the official md5) and pack it; whole or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from http.client import HTTPException
from pathlib import Path

import numpy as np

from benchmarks.data.splits import digest
from benchmarks.spec import BadInput

OFFICIAL = {"cifar10": "CIFAR10", "cifar100": "CIFAR100"}


def fetch(name: str, folder: Path) -> None:
    """Download `name` and write it as packed arrays into `folder`. Raises BadInput with one line when that fails."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder.parent))
    except OSError as error:
        raise BadInput(f"{name} is not in {folder.parent}, and that folder cannot be written ({error})") from error
    try:
        _pack(name, work)
        shutil.rmtree(work / "download", ignore_errors=True)
        work.rename(folder)
    except (OSError, RuntimeError, HTTPException) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadInput(
            f"{name} is not in {folder.parent} and could not be downloaded ({reason}); "
            f"set DSR_DATA to a data root that holds {name}/train-images.npy (see README, Data)"
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _pack(name: str, work: Path) -> None:
    from benchmarks.data.torchvision_import import torchvision

    official = getattr(torchvision.datasets, OFFICIAL[name])
    sha256 = {}
    for split in ("train", "test"):
        data = official(work / "download", train=split == "train", download=True)
        labels = np.asarray(data.targets, dtype=np.int64)
        np.save(work / f"{split}-images.npy", data.data)
        np.save(work / f"{split}-labels.npy", labels)
        sha256[split] = digest(data.data, labels)
    manifest = {"name": name, "source": "official files, by torchvision", "sha256": sha256}
    (work / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
