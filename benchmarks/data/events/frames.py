"""Event recordings as frames, packed once and mapped into memory from then on.

T frames of equal event count, as in the released DSR code: of N events in order of time, frame k counts number
k floor(N / T) to (k + 1) floor(N / T) - 1, the last one also what is left over. A frame holds a count per pixel and
polarity; it is not normalised, and not mirrored (the released code mirrors CIFAR10-DVS: `recordings`).

    ROOT/NAME/frames/T20-KEY/{train,test}-{images,labels}.npy, manifest.json

KEY is of everything that shapes the frames and costs no reading: files and their sizes, T, camera size, and the
version of the rule. The manifest keeps the recordings' stamp and the digest of their contents: where the stamp has
changed since, contents are read and compared, and frames of other contents are packed anew. A folder is written beside
its place and moved there when it is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor
from torch.utils.data import Dataset

from benchmarks.data.events.recordings import Events, Recordings
from benchmarks.data.splits import Arrays, Split, both, digest
from benchmarks.data.workers import shared_out
from benchmarks.files import partials
from benchmarks.runs.record import write_whole
from benchmarks.spec import BadInput

RULE = 1
"""To be raised when frames of the same recordings change."""

MANIFEST, NAME = "manifest.json", re.compile(r"T\d+-\w+")

OnRecording = Callable[[int, int], None]


def frames(events: Events, timesteps: int, size: tuple[int, int]) -> np.ndarray:
    """Counts `(T, 2, H, W)`, int64. Raises ValueError for an event outside the camera."""
    height, width = size
    x, y, p = events
    outside = (x < 0) | (x >= width) | (y < 0) | (y >= height) | (p < 0) | (p > 1)
    if outside.any():
        raise ValueError(f"{int(outside.sum())} events lie outside a camera of {width} x {height} pixels")
    each = max(1, len(x) // timesteps)
    frame = np.minimum(np.arange(len(x)) // each, timesteps - 1)
    place = ((frame * 2 + p) * height + y) * width + x
    return np.bincount(place, minlength=timesteps * 2 * height * width).reshape(timesteps, 2, height, width)


def packed(
    recordings: Recordings, timesteps: int, classes: int, on_recording: OnRecording = lambda done, of: None
) -> Arrays:
    """Both splits, images `(N, T, 2, H, W)`, packed if they have not been. Raises BadInput with one line."""
    place = place_of(recordings, timesteps)
    if not (is_packed(recordings, timesteps) or _is_of(place, recordings)):
        _pack(recordings, timesteps, place, on_recording)
    sha256 = _sha256(place)
    train, test = (_mapped(place, split) for split in ("train", "test"))
    how = f"{timesteps} frames of equal event count" if timesteps > 1 else "all events in one frame"
    source = f"{recordings.title}; {how}"
    return Arrays(classes, train, test, both(sha256["train"], sha256["test"]), source)


def is_packed(recordings: Recordings, timesteps: int) -> bool:
    """Whether all these frames have been packed, and nobody has written to a recording since."""
    place = place_of(recordings, timesteps)
    return (place / MANIFEST).is_file() and _manifest(place).get("stamp") == recordings.stamp


def bytes_to_pack(recordings: Recordings, timesteps: int) -> int:
    """What these frames will take on the disk, a byte per count; 0 if they are there."""
    count = len(recordings.train) + len(recordings.test)
    return 0 if is_packed(recordings, timesteps) else count * timesteps * 2 * math.prod(recordings.size)


def place_of(recordings: Recordings, timesteps: int) -> Path:
    """The folder of these frames."""
    splits = (recordings.train, recordings.test)
    made_of = json.dumps([RULE, timesteps, recordings.size, splits, recordings.made_of])
    key = hashlib.sha256(made_of.encode()).hexdigest()[:16]
    return recordings.folder / "frames" / f"T{timesteps}-{key}"


def places(folder: Path) -> list[Path]:
    """All frames packed in a data set's folder, by T."""
    found = [path.parent for path in folder.glob(f"frames/T*/{MANIFEST}")]
    return sorted((place for place in found if NAME.fullmatch(place.name)), key=_steps)


def of_steps(place: Path) -> str:
    """`T20`, for the folder of 20 frames."""
    return place.name.partition("-")[0]


def _steps(place: Path) -> int:
    return int(of_steps(place)[1:])


def is_used(place: Path, recordings: Recordings) -> bool:
    """Whether the folder is where frames of these recordings are looked for."""
    return place.name == place_of(recordings, _steps(place)).name


def verify(place: Path, contents: str) -> None:
    """Hold packed frames to their checksums and to the recordings' contents. Raises BadInput for damaged ones."""
    wanted = _sha256(place)
    for name in ("train", "test"):
        split = _mapped(place, name)
        if digest(split.images.numpy(), split.labels.numpy()) != wanted[name]:
            raise _damaged(place, name)
    if _manifest(place).get("contents") != contents:
        raise BadInput(f"{place} was packed from recordings that have changed since; delete it, and it is made again")


def _is_of(place: Path, recordings: Recordings) -> bool:
    """Whether the frames found are of these recordings, byte by byte; then the next look need not read them."""
    manifest = _manifest(place) if (place / MANIFEST).is_file() else {}
    if "contents" not in manifest or manifest["contents"] != recordings.contents():
        return False
    with contextlib.suppress(BadInput):  # of a folder that cannot be written
        write_whole(place / MANIFEST, json.dumps(manifest | {"stamp": recordings.stamp}, indent=2) + "\n")
    return True


def _pack(recordings: Recordings, timesteps: int, place: Path, on_recording: OnRecording) -> None:
    work, needed = partials.beside(place), bytes_to_pack(recordings, timesteps)
    try:
        work.mkdir(parents=True)
        partials.demand_room(work, needed)
        manifest = {"source": recordings.title, "timesteps": timesteps, "rule": RULE, "stamp": recordings.stamp}
        manifest["contents"] = recordings.contents()  # before frames are made: what changes meanwhile is noticed later
        manifest["sha256"] = _splits(recordings, timesteps, work, on_recording)
        (work / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        _put(work, place, recordings)
    except OSError as error:
        raise BadInput(f"frames of {recordings.title}: {partials.refusal(place.parent, error, needed)}") from error
    finally:
        partials.remove(work)


def _splits(recordings: Recordings, timesteps: int, work: Path, on_recording: OnRecording) -> dict[str, str]:
    """Write the frames and labels of both splits; their digests."""
    splits = {"train": recordings.train, "test": recordings.test}
    total, done, sha256 = sum(map(len, splits.values())), 0, {}
    for split, files in splits.items():
        images = _count(recordings, files, timesteps, work / f"{split}-images.npy", on_recording, (done, total))
        labels = np.array([label for label, _ in files], dtype=np.int64)
        np.save(work / f"{split}-labels.npy", labels)
        sha256[split] = digest(images, labels)
        done += len(files)
    return sha256


def _put(work: Path, place: Path, recordings: Recordings) -> None:
    """Move finished frames to their place, unless another process was faster; older ones make room."""
    if place.exists():
        if (place / MANIFEST).is_file() and _manifest(place).get("stamp") == recordings.stamp:
            return
        older = partials.beside(place.with_name(f"{place.name}-old"))
        place.rename(older)  # whoever has mapped it into memory goes on
        work.rename(place)
        partials.remove(older)
    else:
        work.rename(place)


def _count(
    recordings: Recordings,
    files: list[tuple[int, str]],
    timesteps: int,
    to: Path,
    on_recording: OnRecording,
    progress: tuple[int, int],
) -> np.ndarray:
    """Count one split's frames into a file: bytes, or, where a pixel sees more than 255 events in a frame, int16."""
    before, total = progress
    shape = (len(files), timesteps, 2, *recordings.size)
    out = _mapped_anew(to, np.uint8, shape)
    for at, counts in enumerate(shared_out(_Counts(recordings, files, timesteps), batch_size=None)):
        if counts.max() > np.iinfo(out.dtype).max:
            out = _wider(out, to)
        out[at] = counts
        on_recording(before + at + 1, total)
    out.flush()
    return out


class _Counts(Dataset[Tensor | str]):
    """A split's frames, int16, or what is wrong with a recording."""

    def __init__(self, recordings: Recordings, files: list[tuple[int, str]], timesteps: int) -> None:
        self.recordings, self.files, self.timesteps = recordings, files, timesteps

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor | str:
        name = self.files[index][1]
        try:
            counts = frames(self.recordings.read(name), self.timesteps, self.recordings.size)
        except BadInput as error:
            return str(error)
        except ValueError as error:
            return f"{self.recordings.title}, {name}: {error}"
        return torch.from_numpy(np.minimum(counts, np.iinfo(np.int16).max).astype(np.int16))


def _wider(narrow: np.memmap, to: Path) -> np.memmap:
    if narrow.dtype == np.int16:
        return narrow  # beyond 32,767 events in one pixel and frame the count saturates
    partial = to.with_suffix(".wide.npy")
    wide = _mapped_anew(partial, np.int16, narrow.shape)
    for at, counts in enumerate(narrow):
        wide[at] = counts
    partial.replace(to)
    return wide


def _mapped_anew(to: Path, dtype: type, shape: tuple[int, ...]) -> np.memmap:
    """A file for so many values. Its room is taken first: a disk that fills up later ends the process by a signal."""
    out: np.memmap = open_memmap(to, "w+", dtype, shape)
    if hasattr(os, "posix_fallocate"):  # not on macOS
        with to.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, to.stat().st_size)
    return out


def _sha256(place: Path) -> dict[str, str]:
    """Digests by split, as they were when the frames were packed."""
    return {split: str(digest) for split, digest in _manifest(place)["sha256"].items()}


def _manifest(place: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((place / MANIFEST).read_text(encoding="utf-8"))
        found["sha256"]["train"], found["sha256"]["test"]
        return found
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{place}: its {MANIFEST} is damaged; delete the folder, it is made again") from error


def _mapped(place: Path, split: str) -> Split:
    try:
        images = np.load(place / f"{split}-images.npy", mmap_mode="c")  # copy on write: torch wants it writable
        labels = np.load(place / f"{split}-labels.npy")
    except (OSError, ValueError) as error:
        raise _damaged(place, split) from error
    return Split(torch.from_numpy(images), torch.from_numpy(labels))


def _damaged(place: Path, split: str) -> BadInput:
    return BadInput(f"{place}: the {split} frames are damaged; delete the folder, it is made again")
