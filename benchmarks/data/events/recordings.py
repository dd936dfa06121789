"""Recordings of event cameras: their place under the data root, their splits, and their readers.

    ROOT/nmnist/NMNIST/{Train,Test}/<digit>/<number>.bin          the official folders, 34 x 34
    ROOT/cifar10dvs/CIFAR10DVS/<class>/cifar10_<class>_<number>.aedat4   tonic's archive, 128 x 128

CIFAR10-DVS has no official split. Recordings 0 to 899 of each class are for training and 900 to 999 for testing, as in
the released DSR code. Files are sorted by class and number, independent of the order of the file system. tonic reads
the formats.

CIFAR10-DVS is published as .aedat files. The released DSR code reads these and mirrors x to 127 - x and polarity p to
1 - p. tonic offers the same recordings converted to .aedat4; x and p are used here as they are in those files. Split,
frames of equal event count, raw counts per polarity, and size are the same as in the released code. The orientation of
the image and the order of the two channels may differ. They are the same for all recordings of both splits, so that a
network learns the mirror image. The two archives have not been compared event by event.
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

from benchmarks.data.events import aedat4
from benchmarks.data.whole import counted, part_of
from benchmarks.files import partials
from benchmarks.spec import BadInput, one_line

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PER_CLASS, TRAIN_PER_CLASS = 1000, 900
READERS = 16


class Events(NamedTuple):
    """The events of one recording, in order of time: columns, rows and polarities (0 or 1), each `(events,)`."""

    x: np.ndarray
    y: np.ndarray
    p: np.ndarray


@dataclass(frozen=True)
class Recordings:
    """Both splits as lists of (label, name), and `read`, which reads the recording of a name.

    `size` is (height, width). `made_of` names everything else that determines the events. `stamp` is computed without
    reading recordings and changes when one is written to. `contents()` reads all of them and returns a SHA-256, which
    changes when a byte does.
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
    """List the N-MNIST recordings found, all or a part. Raises BadInput if a split or a digit is missing."""
    folder = root / "nmnist" / "NMNIST"
    train, test = (
        [(digit, path) for digit in range(10) for path in _numbered(folder / split / str(digit), "*.bin")]
        for split in ("Train", "Test")
    )
    part = part_of("nmnist", len(train), len(test))
    title = f"N-MNIST, {counted(len(train), len(test))} of its recordings" if part else "N-MNIST"
    return _of_files(folder, (34, 34), train, test, _read_bin, title)


def cifar10dvs(root: Path) -> Recordings:
    """List the CIFAR10-DVS recordings (tonic's .aedat4) found, all or a part.

    Raises BadInput if a class has no training or no test recording.
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
    """Raise BadInput if a class of CIFAR10-DVS has a number out of range or twice, or an empty split."""
    first, last = numbers[0], numbers[-1]
    if last >= PER_CLASS or len(set(numbers)) < len(numbers):
        raise BadInput(
            f"{folder}: recordings must be numbered 0 to {PER_CLASS - 1}, each number once; these go {first} to {last}"
        )
    for split, low, high in (("train", 0, TRAIN_PER_CLASS - 1), ("test", TRAIN_PER_CLASS, PER_CLASS - 1)):
        if not any(low <= number <= high for number in numbers):
            raise BadInput(f"{folder}: none of the {len(numbers)} recordings is in the {split} split ({low} to {high})")


def _of_files(
    folder: Path,
    size: tuple[int, int],
    train: list[tuple[int, Path]],
    test: list[tuple[int, Path]],
    read: Callable[[Path], Events],
    title: str,
) -> Recordings:
    """Recordings stored as files, named by their paths; other file sizes make them other recordings."""
    train_names, test_names = (
        [(label, str(path.relative_to(folder))) for label, path in split] for split in (train, test)
    )
    paths = [path for _, path in (*train, *test)]
    stats = [path.stat() for path in paths]
    made_of = hashlib.sha256(repr([stat.st_size for stat in stats]).encode()).hexdigest()
    # a copy may preserve mtime, but nobody can set ctime
    times = [(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for stat in stats]
    stamp = hashlib.sha256(repr(times).encode()).hexdigest()
    return Recordings(
        folder.parent,
        size,
        train_names,
        test_names,
        lambda name: read(folder / name),
        title,
        made_of,
        stamp,
        lambda: _contents(paths),
    )


def _contents(paths: list[Path]) -> str:
    """Hash the files' SHA-256 digests, in order. Files are read in parallel, because network storage is slow."""
    with ThreadPoolExecutor(READERS) as readers:
        return hashlib.sha256(b"".join(readers.map(_sha256, paths))).hexdigest()


def _sha256(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({one_line(error)})") from error


def _numbered(folder: Path, pattern: str) -> list[Path]:
    """List a folder's recordings in the order of their numbers. Raises BadInput if the folder has none.

    Names that begin with a dot (`._12.bin`, which macOS writes) are ignored.
    """
    files = sorted(partials.seen(folder, pattern), key=lambda path: (_number(path), path.name))
    if not files:
        raise BadInput(f"{folder} contains no {pattern}; docs/data.md shows the layout of recordings")
    return files


def _number(path: Path) -> int:
    """Return the last number in a file's name."""
    numbers = re.findall(r"\d+", path.stem)
    if not numbers:
        raise BadInput(f"{path}: the name of a recording must contain its number")
    return int(numbers[-1])


def _read_bin(path: Path) -> Events:
    dtype = np.dtype([("x", int), ("y", int), ("t", int), ("p", int)])
    size = path.stat().st_size
    if size == 0 or size % 5:
        raise BadInput(f"{path}: {size} bytes are not a whole number of 5-byte events; it is damaged or truncated")
    return _columns(_tonic().read_mnist_file(str(path), dtype=dtype), path)


def _read_aedat4(path: Path) -> Events:
    try:
        import aedat  # noqa: F401 - tonic needs it but does not declare it
    except ImportError:
        raise BadInput("reading .aedat4 needs the package aedat: pip install dsr-bench[events]") from None
    try:
        aedat4.check(path)
        with aedat4.quiet():
            events = _tonic().read_aedat4(str(path))
    except BaseException as error:
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":  # the decoder's own, for damage
            raise BadInput(f"{path} cannot be read; it is damaged or truncated ({one_line(error)})") from error
        raise
    events.dtype.names = ("t", "x", "y", "p")
    return _columns(events, path)


def _columns(events: np.ndarray, path: Path) -> Events:
    """Sort events by time. Raises BadInput if there are none, because a network would be trained on empty frames."""
    if not len(events):
        raise BadInput(f"{path} contains no event; it is damaged or truncated")
    order = np.argsort(events["t"], kind="stable")
    return Events(*(events[name][order].astype(np.int64) for name in ("x", "y", "p")))


def _tonic() -> Any:
    try:
        from tonic import io
    except ImportError:
        raise BadInput("recordings of event cameras need tonic: pip install dsr-bench[events]") from None
    return io
