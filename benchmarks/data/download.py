"""Fetch a data set from where torchvision and tonic know it to be, and put it in place; whole or not at all.

Archives wait in ROOT/.downloads until they are unpacked, so that a download that was cut off goes on.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.catalogue.datasets import ENTRIES
from benchmarks.data.splits import digest
from benchmarks.data.transfer import OnBytes, download
from benchmarks.files import partials
from benchmarks.files.addresses import masked
from benchmarks.spec import BadInput, one_line

Unpack = Callable[[Path, Path, OnBytes], None]
UNPACKED = ".unpacked"
"""What is only needed meanwhile, in the folder that is being made."""


def fetch(name: str, folder: Path, on_bytes: OnBytes = lambda done, of: None) -> None:
    """Download `name` and put it into `folder`, which must not exist. Raises BadInput with one line when that fails."""
    work = partials.beside(folder)
    try:
        work.mkdir(parents=True)
    except OSError as error:
        raise BadInput(f"{name} is not in {folder.parent}, and that folder cannot be written ({error})") from error
    archives = folder.parent / ".downloads" / name
    try:
        OFFICIAL[name](archives, work, on_bytes)
        partials.remove(work / UNPACKED)
        work.rename(folder)
        partials.remove(archives)
    except (OSError, RuntimeError, HTTPException, zipfile.BadZipFile, BadInput) as error:
        failed = partials.failure(error)
        why = str(partials.refusal(folder, failed)) if failed and not isinstance(error, BadInput) else one_line(error)
        raise BadInput(
            f"{name} is not in {folder.parent} and could not be fetched ({masked(why)}); {by_hand(name)}"
        ) from error
    finally:
        partials.remove(work)


def by_hand(name: str) -> str:
    """How to do without a download."""
    place = ENTRIES[name].layout or f"{name}/train-images.npy"
    return f"set DSR_DATA to a data root that holds {place} (see docs/data.md)"


def _cifar(official: str, archives: Path, work: Path, on_bytes: OnBytes) -> None:
    """Packed arrays of a CIFAR set."""
    from benchmarks.data.torchvision_import import torchvision

    known = getattr(torchvision.datasets, official)
    download(known.url, archives / known.filename, known.tgz_md5, on_bytes)
    torchvision.datasets.utils.extract_archive(str(archives / known.filename), str(work / UNPACKED))
    sha256 = {}
    for split in ("train", "test"):
        data = known(work / UNPACKED, train=split == "train")
        labels = np.asarray(data.targets, dtype=np.int64)
        np.save(work / f"{split}-images.npy", data.data)
        np.save(work / f"{split}-labels.npy", labels)
        sha256[split] = digest(data.data, labels)
    manifest = {"name": work.name, "source": "official files, by torchvision", "sha256": sha256}
    (work / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _nmnist(archives: Path, work: Path, on_bytes: OnBytes) -> None:
    known = _tonic().NMNIST
    for url, name, md5 in (
        (known.train_url, known.train_filename, known.train_md5),
        (known.test_url, known.test_filename, known.test_md5),
    ):
        download(url, archives / name, md5, on_bytes)
        _unzip(archives / name, work / "NMNIST")


def _cifar10dvs(archives: Path, work: Path, on_bytes: OnBytes) -> None:
    known = _tonic().CIFAR10DVS
    download(known.url, archives / known.filename, known.file_md5, on_bytes)
    _unzip(archives / known.filename, work / UNPACKED)
    for name in known.data_filename:
        _unzip(work / UNPACKED / name, work / "CIFAR10DVS")


def _unzip(archive: Path, to: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        partials.demand_room(to, sum(each.file_size for each in opened.infolist()))
        opened.extractall(to)


def _tonic() -> Any:
    try:
        from tonic import datasets
    except ImportError:
        raise BadInput("event data need tonic: pip install dsr-bench[events]") from None
    return datasets


OFFICIAL: dict[str, Unpack] = {
    "cifar10": partial(_cifar, "CIFAR10"),
    "cifar100": partial(_cifar, "CIFAR100"),
    "nmnist": _nmnist,
    "cifar10dvs": _cifar10dvs,
}
