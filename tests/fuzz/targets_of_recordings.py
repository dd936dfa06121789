"""Recordings of event cameras, and the frames that are packed of them."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import numpy as np
from arrays import ARRAY
from bytewise import BYTEWISE
from cases import NoAnswer, Target, Victim
from recorded import write_aedat4, write_bin
from specimens import contents
from targets_of_data import ROOT, seen_of
from trees import JSON_OF_NAMES

from benchmarks.data import load
from benchmarks.data.events.recordings import CIFAR10_CLASSES
from benchmarks.spec import Recipe

EVENTS = Recipe(epochs=1, batch_size=4, learning_rate=0.1, augmentation="crop")


def recorded_digits() -> dict[str, bytes]:
    with TemporaryDirectory() as scratch:
        for split, count in (("Train", 2), ("Test", 1)):
            for digit in range(10):
                for number in range(count):
                    of = [(1000 * k, digit + 2, k % 34, k % 2) for k in range(digit + 20)]
                    write_bin(Path(scratch) / "nmnist" / "NMNIST" / split / str(digit) / f"{number + 9}.bin", of)
        return contents(Path(scratch))


def frames_of(folder: Path) -> Any:
    data = load("nmnist", EVENTS, frames=2)
    return seen_of(data.train), seen_of(data.test), list(data.train.images.shape)


def frames_by_hand(folder: Path, raw: bytes) -> Any:
    """The same from the recordings, five bytes by five bytes."""
    found = []
    for split in ("Train", "Test"):
        files = sorted(
            (folder / "nmnist" / "NMNIST" / split).glob("*/*.bin"), key=lambda p: (int(p.parent.name), int(p.stem))
        )
        images = np.zeros((len(files), 2, 2, 34, 34), np.int64)
        for at, path in enumerate(files):
            recording = path.read_bytes()
            if not recording or len(recording) % 5:
                raise NoAnswer("it is no whole number of events")
            late, events = 0, []
            for x, y, high, middle, low in zip(*(recording[k::5] for k in range(5)), strict=True):
                late += (y == 240) * 2**13
                if y != 240:
                    events.append((((high & 127) << 16 | middle << 8 | low) + late, x, y, high >> 7))
            if not events or any(x >= 34 or y >= 34 for _, x, y, _ in events):
                raise NoAnswer("it has no event, or one outside the camera")
            events.sort(key=lambda event: event[0])
            for number, (_, x, y, p) in enumerate(events):
                images[at, min(1, number // max(1, len(events) // 2)), p, y, x] += 1
        form = np.int16 if images.max() > 255 else np.uint8
        digest = hashlib.sha256(images.astype(form).tobytes()).hexdigest()
        found.append(([int(path.parent.name) for path in files], digest))
    return *found, [20, 2, 2, 34, 34]


def frames_packed() -> dict[str, bytes]:
    """Recordings with their packed frames beside them."""
    with TemporaryDirectory() as scratch, mock.patch.dict(os.environ, {"DSR_DATA": scratch, "DSR_WORKERS": "0"}):
        for path, content in recorded_digits().items():
            (place := Path(scratch) / path).parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        frames_of(Path(scratch))
        return contents(Path(scratch))


def of_frames(files: dict[str, bytes]) -> list[Victim]:
    """Frames that are damaged are refused; a manifest may have lost what it knew of the recordings."""
    arrays = [path for path in files if path.endswith(".npy")]
    manifest = next(path for path in files if path.endswith("/manifest.json"))
    folder = Path(manifest).parent.name
    return [
        *(Victim(path, ARRAY, names=(folder,)) for path in arrays),
        *2 * [Victim(manifest, JSON_OF_NAMES, names=(folder,))],
    ]


def dvs_of(folder: Path) -> Any:
    data = load("cifar10dvs", EVENTS, frames=2)
    return seen_of(data.train), seen_of(data.test)


def dvs_by_hand(folder: Path, raw: bytes) -> Any:
    """The same from events of 16 bytes each at the place where they were written.

    Where a file has become longer or shorter, its events must be what they were.
    """
    good = cat_files()
    found = []
    for number in (0, 900):
        images = np.zeros((10, 2, 2, 128, 128), np.int64)
        for at, name in enumerate(CIFAR10_CLASSES):
            path = f"cifar10dvs/CIFAR10DVS/{name}/cifar10_{name}_{number}.aedat4"
            there = (folder / path).read_bytes()
            start = len(good[path]) - 16 * len(EVENTS_WRITTEN)
            in_place = len(there) == len(good[path])
            images[at] = counted_by_hand(there[start:] if in_place else good[path][start:])
        form = np.int16 if images.max() > 255 else np.uint8
        digest = hashlib.sha256(images.astype(form).tobytes()).hexdigest()
        found.append((list(range(10)), digest))
    return tuple(found)


def counted_by_hand(packed: bytes) -> np.ndarray:
    events = np.frombuffer(packed, np.dtype([("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1"), ("", "V3")]))
    counts = np.zeros((2, 2, 128, 128), np.int64)
    for number, at in enumerate(np.argsort(events["t"].astype(np.uint64), kind="stable")):
        x, y, p = (int(events[name][at]) for name in ("x", "y", "p"))
        if x >= 128 or y >= 128:
            raise NoAnswer("an event lies outside the camera")
        counts[min(1, number // (len(events) // 2)), min(p, 1), y, x] += 1
    return counts


EVENTS_WRITTEN = [(10 * k, (7 * k) % 128, (11 * k) % 128, k % 2) for k in range(40)]


@cache
def cat_files() -> dict[str, bytes]:
    with TemporaryDirectory() as scratch:
        for name in CIFAR10_CLASSES:
            for number in (0, 900):
                folder = Path(scratch) / "cifar10dvs" / "CIFAR10DVS" / name
                write_aedat4(folder / f"cifar10_{name}_{number}.aedat4", EVENTS_WRITTEN)
        return contents(Path(scratch))


def targets(scratch: Path) -> list[Target]:
    digits, cats = recorded_digits(), cat_files()
    digit = [Victim("nmnist/NMNIST/Test/3/9.bin", BYTEWISE, expected=frames_by_hand)]
    cat = [Victim("cifar10dvs/CIFAR10DVS/cat/cifar10_cat_900.aedat4", BYTEWISE, expected=dvs_by_hand)]
    packed = frames_packed()
    return [
        Target("recordings, .bin", digits, digit, frames_of, scratch / "digits", ROOT),
        Target("packed frames", packed, of_frames(packed), frames_of, scratch / "frames", ROOT),
        Target("recordings, .aedat4", cats, cat, dvs_of, scratch / "dvs", ROOT),
    ]
