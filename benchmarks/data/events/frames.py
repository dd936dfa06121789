"""Frames made from event recordings. They are packed once and mapped into memory afterwards.

A recording gives T frames of equal event count, as in the released DSR code: of N events in order of time, frame k
counts events k floor(N / T) to (k + 1) floor(N / T) - 1, and the last frame also counts the remainder. A frame holds a
count per pixel and polarity. It is neither normalised nor mirrored (the released code mirrors CIFAR10-DVS, see
`recordings`).

    ROOT/NAME/frames/T20-KEY/{train,test}-{images,labels}.npy, manifest.json

KEY hashes everything that determines the frames and can be known without reading the recordings: files and their sizes,
T, camera size, and the version of the rule. The manifest stores the recordings' stamp and the digest of their contents.
If the stamp has changed, the contents are read and compared, and frames of other contents are packed again. A folder is
written under a temporary name and renamed when it is complete.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor
from torch.utils.data import Dataset

from benchmarks.data.events import stored
from benchmarks.data.events.recordings import Events, Recordings
from benchmarks.data.splits import Arrays, both, digest
from benchmarks.data.workers import killed, load_in_workers
from benchmarks.files import partials
from benchmarks.spec import BadInput, one_line

RULE = 1
"""Version of the rule above. Raise it when the same recordings give different frames."""

MANIFEST, NAME = stored.MANIFEST, re.compile(r"T\d+-\w+")

OnRecording = Callable[[int, int], None]


def frames(events: Events, timesteps: int, size: tuple[int, int]) -> np.ndarray:
    """Count events into frames `(T, 2, H, W)`, int64. Raises ValueError for an event outside the camera's pixels."""
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
    """Return both splits, images `(N, T, 2, H, W)`; pack them first if necessary. Raises BadInput if that fails."""
    place = place_of(recordings, timesteps)
    for written in (place, _aside(place)):
        partials.tidy(written)
    if not (is_packed(recordings, timesteps) or _has_same_contents(place, recordings)):
        _pack(recordings, timesteps, place, on_recording)
    splits = {"train": recordings.train, "test": recordings.test}
    frame = (timesteps, 2, *recordings.size)
    found = stored.read(place, {n: stored.Expected(frame, [label for label, _ in s]) for n, s in splits.items()})
    sha256 = stored.digests(place)
    how = f"{timesteps} frames of equal event count" if timesteps > 1 else "all events in one frame"
    source = f"{recordings.title}; {how}"
    return Arrays(classes, found["train"], found["test"], both(sha256["train"], sha256["test"]), source)


def is_packed(recordings: Recordings, timesteps: int) -> bool:
    """Whether these frames are packed and no recording has been written to since."""
    place = place_of(recordings, timesteps)
    return (place / MANIFEST).is_file() and stored.manifest(place).get("stamp") == recordings.stamp


def bytes_to_pack(recordings: Recordings, timesteps: int) -> int:
    """Return the disk space that packing these frames needs, one byte per count; 0 if they are packed."""
    count = len(recordings.train) + len(recordings.test)
    return 0 if is_packed(recordings, timesteps) else count * timesteps * 2 * math.prod(recordings.size)


def place_of(recordings: Recordings, timesteps: int) -> Path:
    """Return the folder of these frames."""
    splits = (recordings.train, recordings.test)
    made_of = json.dumps([RULE, timesteps, recordings.size, splits, recordings.made_of])
    key = hashlib.sha256(made_of.encode()).hexdigest()[:16]
    return recordings.folder / "frames" / f"T{timesteps}-{key}"


def places(folder: Path) -> list[Path]:
    """List the folders of packed frames in a data set's folder, in order of T."""
    candidates = [path.parent for path in folder.glob(f"frames/T*/{MANIFEST}")]
    return sorted((place for place in candidates if NAME.fullmatch(place.name)), key=_steps)


def of_steps(place: Path) -> str:
    """Return `T20` for a folder of 20 frames per recording."""
    return place.name.partition("-")[0]


def _steps(place: Path) -> int:
    return int(of_steps(place)[1:])


def is_used(place: Path, recordings: Recordings) -> bool:
    """Whether the folder's name is that of frames of these recordings."""
    return place.name == place_of(recordings, _steps(place)).name


def verify(place: Path, contents: str) -> None:
    """Compare packed frames with their checksums and the recordings' contents. Raises BadInput if they differ."""
    stored.compare(place, {name: stored.mapped(place, name) for name in stored.SPLITS})
    if stored.manifest(place).get("contents") != contents:
        raise BadInput(f"{place} was packed from recordings that have changed since; delete it to have it packed again")


def _has_same_contents(place: Path, recordings: Recordings) -> bool:
    """Whether packed frames are of exactly these recordings. If so, the new stamp is stored, to skip the next check."""
    manifest = stored.manifest(place) if (place / MANIFEST).is_file() else {}
    if "contents" not in manifest or manifest["contents"] != recordings.contents():
        return False
    stored.add(place, stamp=recordings.stamp)
    return True


def _pack(recordings: Recordings, timesteps: int, place: Path, on_recording: OnRecording) -> None:
    work, needed = partials.beside(place), bytes_to_pack(recordings, timesteps)
    try:
        work.mkdir(parents=True)
        partials.demand_room(work, needed)
        manifest = {"source": recordings.title, "timesteps": timesteps, "rule": RULE, "stamp": recordings.stamp}
        manifest["contents"] = recordings.contents()  # before packing, so that changes during packing are noticed later
        manifest["sha256"] = _splits(recordings, timesteps, work, on_recording)
        manifest[stored.COMPARED] = stored.stamp(work)
        (work / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        _put(work, place, recordings)
    except OSError as error:
        raise BadInput(f"frames of {recordings.title}: {partials.refusal(place.parent, error, needed)}") from error
    except RuntimeError as error:
        if not killed(error):
            raise
        raise BadInput(
            f"frames of {recordings.title}: a process that reads recordings was ended ({one_line(error)}); "
            "call the same command again, with DSR_WORKERS=1 if memory ran out"
        ) from error
    finally:
        partials.remove(work)


def _splits(recordings: Recordings, timesteps: int, work: Path, on_recording: OnRecording) -> dict[str, str]:
    """Write the frames and labels of both splits and return their digests."""
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
    """Move finished frames into place, unless another process has done so; outdated frames are replaced."""
    if place.exists():
        if (place / MANIFEST).is_file() and stored.manifest(place).get("stamp") == recordings.stamp:
            return
        older = partials.beside(_aside(place))
        place.rename(older)  # a process that has mapped it into memory can go on
        work.rename(place)
        partials.remove(older)
    else:
        work.rename(place)


def _aside(place: Path) -> Path:
    """Where outdated frames are put while others take their place."""
    return place.with_name(f"{place.name}-old")


def _count(
    recordings: Recordings,
    files: list[tuple[int, str]],
    timesteps: int,
    to: Path,
    on_recording: OnRecording,
    progress: tuple[int, int],
) -> np.ndarray:
    """Write one split's frames to a file: uint8, or int16 if a pixel has more than 255 events in a frame."""
    before, total = progress
    shape = (len(files), timesteps, 2, *recordings.size)
    out = _mapped_anew(to, np.uint8, shape)
    for at, counts in enumerate(load_in_workers(_Counts(recordings, files, timesteps), batch_size=None)):
        if counts.max() > np.iinfo(out.dtype).max:
            out = _wider(out, to)
        out[at] = counts
        on_recording(before + at + 1, total)
    out.flush()
    return out


class _Counts(Dataset[Tensor | str]):
    """A split's frames, int16, or the error message of a recording."""

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
    """Convert a file of uint8 counts to int16."""
    if narrow.dtype == np.int16:
        return narrow  # beyond 32,767 events in one pixel and frame the count saturates
    partial = to.with_suffix(".wide.npy")
    wide = _mapped_anew(partial, np.int16, narrow.shape)
    for at, counts in enumerate(narrow):
        wide[at] = counts
    partial.replace(to)
    return wide


def _mapped_anew(to: Path, dtype: type, shape: tuple[int, ...]) -> np.memmap:
    """Make a file of this shape and allocate its disk space, because a disk that fills up later kills the process."""
    out: np.memmap = open_memmap(to, "w+", dtype, shape)
    if hasattr(os, "posix_fallocate"):  # not on macOS
        with to.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, to.stat().st_size)
    return out
