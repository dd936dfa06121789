"""Archives as they are fetched: whatever is in one, nothing is written elsewhere and nothing of it runs."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import archives
import numpy as np
from cases import NoAnswer, Target, Victim
from rich.console import Console
from specimens import contents
from targets_of_data import ROOT, pixels_of

from benchmarks.cli import datasets
from benchmarks.data.torchvision_import import torchvision


def cifar_archive() -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        for number, name in enumerate([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch", "batches.meta"], 1):
            held = {"data": np.full((3, 3072), number, np.uint8), "labels": [0, 1, 9], "label_names": ["x"] * 10}
            entry = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            entry.size = len(content := pickle.dumps(held, 2))
            archive.addfile(entry, io.BytesIO(content))
    return written.getvalue()


def zip_of_digits(split: str) -> bytes:
    with zipfile.ZipFile(out := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        for digit in range(10):
            archive.writestr(f"{split}/{digit}/00001.bin", bytes([digit, digit, 0, 0, digit]))
    return out.getvalue()


QUIET = Console(file=io.StringIO())


def fetched_cifar(folder: Path) -> Any:
    """A download that is here already and has the right checksum, whatever it is."""
    known = torchvision.datasets.CIFAR10
    archive = folder / ".downloads" / "cifar10" / known.filename
    before, known.tgz_md5 = known.tgz_md5, hashlib.md5(archive.read_bytes()).hexdigest()
    try:
        return pixels_of(folder)
    finally:
        known.tgz_md5 = before
        nothing_outside(folder)


class _Arrays(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        known = ("_reconstruct", "ndarray", "dtype", "encode")
        if module.partition(".")[0] not in ("numpy", "_codecs") or name not in known:
            raise NoAnswer(f"it wants {module}.{name}")
        return super().find_class(module, name)


def cifar_by_hand(folder: Path, raw: bytes) -> Any:
    """What the members of an archive say, read one by one."""
    found: dict[str, Any] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
            for member in archive:
                parts = PurePosixPath(member.name).parts
                outside = ".." in parts or member.name.startswith("/") or "\\" in member.name
                if outside or not (member.isreg() or member.isdir()):
                    raise NoAnswer(f"{member.name!r} is no file inside")
                if member.isreg() and len(parts) == 2 and "batch" in parts[1] and parts[1] != "batches.meta":
                    content = archive.extractfile(member).read()  # type: ignore[union-attr]
                    found[parts[1]] = _Arrays(io.BytesIO(content), encoding="latin1").load()
    except NoAnswer:
        raise
    except Exception as error:
        raise NoAnswer(f"it is no archive: {error}") from None
    splits = [[f"data_batch_{k}" for k in range(1, 6)], ["test_batch"]]
    seen = []
    for names in splits:
        parts_of = [_images_and_labels(found.get(name)) for name in names]
        images = np.concatenate([images for images, _ in parts_of])
        digest = hashlib.sha256(images.tobytes()).hexdigest()
        seen.append(([label for _, labels in parts_of for label in labels], digest))
    return (3, 32, 15, 0, 3), *seen, "official files, by torchvision"


def _images_and_labels(held: Any) -> tuple[np.ndarray, list[int]]:
    data, labels = (held.get("data"), held.get("labels")) if isinstance(held, dict) else (None, None)
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape != (3, 3072):
        raise NoAnswer("it has other images")
    if not isinstance(labels, list) or len(labels) != 3:
        raise NoAnswer("it has another number of labels")
    if any(type(one) is not int or not 0 <= one < 10 for one in labels):
        raise NoAnswer("it has other labels")
    return data.reshape(3, 3, 32, 32), labels


def nothing_outside(folder: Path) -> None:
    """No member of an archive was written beside the folder, or where absolute paths lead."""
    written = [path for path in (*folder.parent.iterdir(), *Path("/tmp").glob("fuzz-OUTSIDE*")) if path != folder]
    assert not written, f"written outside: {written}"


def fetched_nmnist(folder: Path) -> Any:
    """What a download of N-MNIST, whose test archive has the right checksum, puts into the data root."""
    from tonic.datasets import NMNIST as known  # noqa: N811 - heavy, and wanted here alone

    place = folder / ".downloads" / "nmnist"
    before = known.train_md5, known.test_md5
    (place / known.train_filename).write_bytes(zip_of_digits("Train"))
    names = (known.train_filename, known.test_filename)
    known.train_md5, known.test_md5 = (hashlib.md5((place / name).read_bytes()).hexdigest() for name in names)
    try:
        datasets.get("nmnist", QUIET)
    finally:
        known.train_md5, known.test_md5 = before
        nothing_outside(folder)
    found = {name: raw for name, raw in contents(folder).items() if not name.startswith(".downloads")}
    return {name.removeprefix("nmnist/NMNIST/"): raw for name, raw in found.items()}


def digits_by_hand(folder: Path, raw: bytes) -> Any:
    """What both archives hold, if no entry wants to be elsewhere or to be anything but a file."""
    found: dict[str, bytes] = {}
    for packed in (zip_of_digits("Train"), raw):
        try:
            with zipfile.ZipFile(io.BytesIO(packed)) as archive:
                for entry in archive.infolist():
                    path, kind = PurePosixPath(entry.filename), entry.external_attr >> 28
                    if path.is_absolute() or ".." in path.parts or "\\" in entry.filename or kind not in (0, 4, 8):
                        raise NoAnswer(f"{entry.filename!r} is no file inside")
                    if not entry.is_dir():
                        found[str(path)] = archive.read(entry)
        except NoAnswer:
            raise
        except Exception as error:
            raise NoAnswer(f"it is no archive: {error}") from None
    return found


def targets(scratch: Path) -> list[Target]:
    cifar, nmnist = ".downloads/cifar10/cifar-10-python.tar.gz", ".downloads/nmnist/test.zip"
    tar = [Victim(cifar, archives.CIFAR, expected=cifar_by_hand, names=("cifar10",))]
    zipped = [Victim(nmnist, archives.ZIP, expected=digits_by_hand, names=("nmnist",))]
    return [
        Target("archive of CIFAR", {cifar: cifar_archive()}, tar, fetched_cifar, scratch / "cifar" / "root", ROOT),
        Target(
            "archive of N-MNIST",
            {nmnist: zip_of_digits("Test")},
            zipped,
            fetched_nmnist,
            scratch / "nmnist" / "root",
            ROOT,
        ),
    ]
