"""Recordings of event cameras: where they lie under the data root, how they are split, and how one is read.

    ROOT/nmnist/NMNIST/{Train,Test}/<digit>/<number>.bin          the official folders, 34 x 34
    ROOT/cifar10dvs/CIFAR10DVS/<class>/cifar10_<class>_<number>.aedat4   tonic's archive, 128 x 128

CIFAR10-DVS has no official split: of each class the recordings 0 to 899 train and 900 to 999 test, as in the released
DSR code. Files are put in order by class and number, never as a folder happens to list them. tonic knows the formats.

CIFAR10-DVS is published as .aedat files, which the released DSR code reads, mirroring x to 127 - x and polarity p to
1 - p. tonic offers the same recordings converted to .aedat4, whose x and p are taken here as they are. Equal are split,
frames of equal event count, raw counts per polarity, and size. Not equal, or not known to be, are the side of the
image and the order of the two channels: the same for all recordings of both splits, so that a network learns its
mirror image. The two archives have not been compared event by event.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.data.whole import counted, part_of
from benchmarks.files import partials
from benchmarks.spec import BadInput, one_line

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PER_CLASS, TRAIN_PER_CLASS = 1000, 900
READERS = 16


class Events(NamedTuple):
    """Of one recording, in order of time: columns, rows and polarities (0 or 1), each `(events,)`."""

    x: np.ndarray
    y: np.ndarray
    p: np.ndarray


@dataclass(frozen=True)
class Recordings:
    """Both splits as (label, name), and how to read a name. `made_of`: what else shapes them; `size`: height, width.

    `stamp` costs no reading and differs as soon as somebody has written to a recording; `contents`, SHA-256, reads all
    of them and differs when a byte does.
    """

    folder: Path
    size: tuple[int, int]
    train: list[tuple[int, str]]
    test: list[tuple[int, str]]
    read: Callable[[str], Events]
    title: str
    made_of: str
    stamp: str
    contents: Callable[[], str]


def nmnist(root: Path) -> Recordings:
    """N-MNIST, whatever part of it is there. Raises BadInput if a split or a digit is missing."""
    folder = root / "nmnist" / "NMNIST"
    train, test = (
        [(digit, path) for digit in range(10) for path in _numbered(folder / split / str(digit), "*.bin")]
        for split in ("Train", "Test")
    )
    part = part_of("nmnist", len(train), len(test))
    title = f"N-MNIST, {counted(len(train), len(test))} of its recordings" if part else "N-MNIST"
    return _of_files(folder, (34, 34), train, test, _read_bin, title)


def cifar10dvs(root: Path) -> Recordings:
    """CIFAR10-DVS in tonic's .aedat4, whatever part of it is at hand.

    Raises BadInput if a class has nothing to train or to test on.
    """
    folder = root / "cifar10dvs" / "CIFAR10DVS"
    train, test = [], []
    for label, name in enumerate(CIFAR10_CLASSES):
        files = [(_number(path), path) for path in _numbered(folder / name, "*.aedat4")]
        _check_numbers([number for number, _ in files], folder / name)
        train += [(label, path) for number, path in files if number < TRAIN_PER_CLASS]
        test += [(label, path) for number, path in files if number >= TRAIN_PER_CLASS]
    title = f"CIFAR10-DVS, {TRAIN_PER_CLASS} of each class train, {PER_CLASS - TRAIN_PER_CLASS} test"
    if part_of("cifar10dvs", len(train), len(test)):
        title = f"a part of CIFAR10-DVS, {counted(len(train), len(test))} of its recordings"
    return _of_files(folder, (128, 128), train, test, _read_aedat4, title)


def _check_numbers(numbers: list[int], folder: Path) -> None:
    """Raise BadInput for a class of CIFAR10-DVS with a number that there is none of, or twice, or an empty split."""
    first, last = numbers[0], numbers[-1]
    if last >= PER_CLASS or len(set(numbers)) < len(numbers):
        raise BadInput(f"{folder}: recordings are numbered 0 to {PER_CLASS - 1}, once each; these go {first} to {last}")
    for split, low, high in (("train", 0, TRAIN_PER_CLASS - 1), ("test", TRAIN_PER_CLASS, PER_CLASS - 1)):
        if not any(low <= number <= high for number in numbers):
            raise BadInput(f"{folder}: none of {len(numbers)} recordings is to {split} on; those are {low} to {high}")


def _of_files(
    folder: Path,
    size: tuple[int, int],
    train: list[tuple[int, Path]],
    test: list[tuple[int, Path]],
    read: Callable[[Path], Events],
    title: str,
) -> Recordings:
    """Recordings that are files: named by their paths, and others when a size changes."""
    named, tested = ([(label, str(path.relative_to(folder))) for label, path in split] for split in (train, test))
    paths = [path for _, path in (*train, *test)]
    there = [path.stat() for path in paths]
    made_of = hashlib.sha256(repr([of.st_size for of in there]).encode()).hexdigest()
    # a copy may keep the time of its writing, and no file system lets anybody keep the time of the last change
    times = [(of.st_size, of.st_mtime_ns, of.st_ctime_ns) for of in there]
    stamp = hashlib.sha256(repr(times).encode()).hexdigest()
    return Recordings(
        folder.parent,
        size,
        named,
        tested,
        lambda name: read(folder / name),
        title,
        made_of,
        stamp,
        lambda: _contents(paths),
    )


def _contents(paths: list[Path]) -> str:
    """SHA-256 of the files' own, in this order. Several are read at a time: a network answers slowly."""
    with ThreadPoolExecutor(READERS) as readers:
        return hashlib.sha256(b"".join(readers.map(_sha256, paths))).hexdigest()


def _sha256(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({one_line(error)})") from error


def _numbered(folder: Path, pattern: str) -> list[Path]:
    """A folder's recordings in the order of their numbers. Raises BadInput if there is none.

    What begins with a dot (`._12.bin`, which macOS writes) is no recording.
    """
    files = sorted(partials.seen(folder, pattern), key=lambda path: (_number(path), path.name))
    if not files:
        raise BadInput(f"{folder} holds no {pattern}; docs/data.md says where recordings belong")
    return files


def _number(path: Path) -> int:
    """The last number of a file's name."""
    numbers = re.findall(r"\d+", path.stem)
    if not numbers:
        raise BadInput(f"{path}: a recording is named by its number")
    return int(numbers[-1])


def _read_bin(path: Path) -> Events:
    dtype = np.dtype([("x", int), ("y", int), ("t", int), ("p", int)])
    size = path.stat().st_size
    if size == 0 or size % 5:
        raise BadInput(f"{path}: {size} bytes, no whole number of 5-byte events; it is damaged or cut short")
    return _columns(_tonic().read_mnist_file(str(path), dtype=dtype), path)


def _read_aedat4(path: Path) -> Events:
    try:
        import aedat  # noqa: F401 - tonic needs it and does not declare it
    except ImportError:
        raise BadInput("reading .aedat4 needs the package aedat: pip install dsr-bench[events]") from None
    try:
        events = _tonic().read_aedat4(str(path))
    except Exception as error:  # whatever the decoder raises for a file that is none
        raise BadInput(f"{path} cannot be read, it is damaged or cut short ({one_line(error)})") from error
    events.dtype.names = ("t", "x", "y", "p")
    return _columns(events, path)


def _columns(events: np.ndarray, path: Path) -> Events:
    """Raises BadInput where there is no event: an empty frame would be trained on."""
    if not len(events):
        raise BadInput(f"{path} holds no event; it is damaged or cut short")
    order = np.argsort(events["t"], kind="stable")
    return Events(*(events[name][order].astype(np.int64) for name in ("x", "y", "p")))


def _tonic() -> Any:
    try:
        from tonic import io
    except ImportError:
        raise BadInput("recordings of event cameras need tonic: pip install dsr-bench[events]") from None
    return io
