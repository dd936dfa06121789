"""Downloads of data sets from the addresses that torchvision and tonic know, complete or not at all.

Archives are stored in ROOT/.downloads until they are unpacked. An interrupted download resumes there, and a file is
used only if its checksum is right.
"""

from __future__ import annotations

import hashlib
import io
import json
import urllib.request
from collections.abc import Callable
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.catalogue.datasets import ENTRIES
from benchmarks.data.archives import pickles, unzip
from benchmarks.data.splits import digest
from benchmarks.files import partials
from benchmarks.files.addresses import masked
from benchmarks.spec import BadInput, one_line

CHUNK_BYTES = 1 << 20
TIMEOUT_SECONDS = 30.0
UNPACKED = ".unpacked"
"""Temporary files, inside the folder that is being made."""

OnBytes = Callable[[int, int | None], None]
Unpack = Callable[[Path, Path, OnBytes], None]


def fetch(name: str, folder: Path, on_bytes: OnBytes = lambda done, of: None) -> None:
    """Download `name` into `folder`, which must not exist. Raises BadInput if that fails."""
    work = partials.beside(folder)
    try:
        work.mkdir(parents=True)
    except OSError as error:
        raise BadInput(f"{name} not found in {folder.parent}, and that folder is not writable ({error})") from error
    archives = folder.parent / ".downloads" / name
    try:
        OFFICIAL[name](archives, work, on_bytes)
        partials.remove(work / UNPACKED)
        work.rename(folder)
        partials.remove(archives)
    except (OSError, HTTPException, BadInput) as error:
        failed = partials.failure(error)
        why = str(partials.refusal(folder, failed)) if failed and not isinstance(error, BadInput) else one_line(error)
        raise BadInput(
            f"{name} not found in {folder.parent}, and the download failed ({masked(why)}); {by_hand(name)}"
        ) from error
    finally:
        partials.remove(work)


def by_hand(name: str) -> str:
    """Say how to provide a data set without a download."""
    place = ENTRIES[name].layout or f"{name}/train-images.npy"
    return f"set DSR_DATA to a data root that contains {place} (see docs/data.md)"


def download(url: str, to: Path, md5: str, on_bytes: OnBytes = lambda done, of: None) -> None:
    """Download `url` to the file `to`. After an interruption the rest is appended to `to`.partial.

    `on_bytes` is called with the bytes received and their total, None if unknown. Raises BadInput if the server cannot
    be reached, if the checksum is wrong, and if the disk is full; in the last two cases the partial file is deleted.
    """
    if to.is_file() and _md5(to) == md5:
        return
    partial = to.with_name(to.name + ".partial")
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        _receive(url, partial, on_bytes)
    except (OSError, HTTPException) as error:
        if failed := partials.failure(error, partial):
            partials.remove(partial)
            raise partials.refusal(to, failed) from error
        raise BadInput(
            f"{url} could not be downloaded ({masked(one_line(error))}); run the same command again to resume"
        ) from error
    received = _md5(partial)
    if received != md5:
        partial.unlink()
        raise BadInput(f"{url}: MD5 of the download is {received}, expected {md5}; the file was deleted")
    partial.replace(to)


def _receive(url: str, partial: Path, on_bytes: OnBytes) -> None:
    received = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={received}-"} if received else {})
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.request.HTTPError as error:
        if error.code == 416:  # the file is complete
            return
        raise
    with answer, partial.open("ab") as file:
        if answer.status != 206:  # the server sends the whole file
            file.truncate(0)
            received = 0
        left = answer.headers.get("Content-Length")
        total = received + int(left) if left else None
        partials.demand_room(partial, int(left or 0))
        while chunk := answer.read(CHUNK_BYTES):
            file.write(chunk)
            received += len(chunk)
            on_bytes(received, total)
    if total is not None and received < total:
        raise OSError(f"the connection ended after {received:,} of {total:,} bytes")


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _cifar(official: str, archives: Path, work: Path, on_bytes: OnBytes) -> None:
    """Download a CIFAR set and write it as packed arrays."""
    from benchmarks.data.torchvision_import import torchvision

    known = getattr(torchvision.datasets, official)
    archive = archives / known.filename
    download(known.url, archive, known.tgz_md5, on_bytes)
    batches = {split: [name for name, _ in files] for split, files in
               (("train", known.train_list), ("test", known.test_list))}  # fmt: skip
    found = pickles(archive, [f"{known.base_folder}/{name}" for names in batches.values() for name in names])
    sha256 = {}
    for split, names in batches.items():
        parts = [_batch(found.get(f"{known.base_folder}/{name}"), f"{archive}: {name}") for name in names]
        images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        _save(images, work / f"{split}-images.npy")
        _save(labels, work / f"{split}-labels.npy")
        sha256[split] = digest(images, labels)
    manifest = {"name": work.name, "source": "official files, by torchvision", "sha256": sha256}
    (work / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _save(array: np.ndarray, path: Path) -> None:
    """Write an array; numpy itself does not say what went wrong with a full disk."""
    np.save(written := io.BytesIO(), array)
    path.write_bytes(written.getbuffer())


def _batch(held: Any, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Images `(N, 32, 32, 3)` and labels `(N,)` of one of CIFAR's files. Raises BadInput for anything else."""
    stated = held if isinstance(held, dict) else {}
    data, labels = stated.get("data"), stated.get("labels", stated.get("fine_labels"))
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3 * 32 * 32:
        raise BadInput(f"{where} not found in it, or without images of 3 x 32 x 32 bytes")
    if not isinstance(labels, list) or len(labels) != len(data) or not all(_is_label(label) for label in labels):
        raise BadInput(f"{where} does not have a label for each of its {len(data)} images")
    return data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).copy(), np.asarray(labels, dtype=np.int64)


def _is_label(label: Any) -> bool:
    return isinstance(label, int) and not isinstance(label, bool) and 0 <= label < 100


def _nmnist(archives: Path, work: Path, on_bytes: OnBytes) -> None:
    known = _tonic().NMNIST
    for url, name, md5 in (
        (known.train_url, known.train_filename, known.train_md5),
        (known.test_url, known.test_filename, known.test_md5),
    ):
        download(url, archives / name, md5, on_bytes)
        unzip(archives / name, work / "NMNIST")


def _cifar10dvs(archives: Path, work: Path, on_bytes: OnBytes) -> None:
    known = _tonic().CIFAR10DVS
    download(known.url, archives / known.filename, known.file_md5, on_bytes)
    unzip(archives / known.filename, work / UNPACKED)
    for name in known.data_filename:
        unzip(work / UNPACKED / name, work / "CIFAR10DVS")


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
