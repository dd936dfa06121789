"""A results folder on a disk that is too small, or that is or becomes read-only."""

from __future__ import annotations

import re
from pathlib import Path

from disasters import Scene, mount, own_mounts, refused, unmount
from workload import EVENTS, Broken, Place, finish

SIZES = ("16k", "64k", "160k", "320k", "640k", "1200k", "2000k")
"""Too small for the first file, for a checkpoint, for a result, for MLflow's store, for the report."""
ROOMY = "200m"
NO_ROOM = ("No space left", "disk is full", "disk I/O error", "lacks")
READ_ONLY = ("Read-only", "readonly")


def full(scene: Scene) -> str:
    """Disks of several sizes; then there is room."""
    own_mounts()
    scene.expected()
    codes = []
    for size in SIZES:
        place = scene.place(f"disk-{size}")
        mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place.results))
        try:
            codes.append(refused(scene.call(place), *NO_ROOM).partition(":")[0])
            _no_halves(place)
            mount("-o", f"remount,size={ROOMY}", str(place.results))
            scene.compare(place)
        finally:
            unmount(place.results)
    return f"{len(SIZES)} disks of {SIZES[0]} to {SIZES[-1]}B, exit codes {', '.join(codes)}; {_full_of_frames(scene)}"


def _no_halves(place: Place) -> None:
    """Raise Broken for a partial file that the command has left."""
    names = [path.relative_to(place.results) for path in place.results.rglob("*")]
    if halves := [str(name) for name in names if re.search(r"/\.[^/]+\.\d+$|partial", f"/{name}")]:
        raise Broken(f"left on a full disk: {', '.join(halves)}")


def _full_of_frames(scene: Scene) -> str:
    """The same where packed frames go."""
    place = scene.place("disk-of-frames")
    place.frames.mkdir(parents=True, exist_ok=True)
    mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place.frames))
    try:
        said = refused(scene.call(place, EVENTS), *NO_ROOM)
        if left := [*place.frames.iterdir()]:
            raise Broken(f"left where frames had no room: {left}")
        mount("-o", f"remount,size={ROOMY}", str(place.frames))
        finish(place, scene.logs / "disk-of-frames.log", (EVENTS,))
    finally:
        unmount(place.frames)
    return f"packing on 1 MB ended with {said.partition(':')[0]}"


def read_only(scene: Scene) -> str:
    """A folder that is read-only from the start, and one that becomes so amid a run; then it is writable again."""
    own_mounts()
    scene.expected()
    place = scene.place("read-only")
    _bind(place.results)
    try:
        first = refused(scene.call(place), *READ_ONLY)
    finally:
        unmount(place.results)
    if [*place.results.iterdir()]:
        raise Broken("something was written into a read-only folder")
    call = scene.call(place)
    scene.wait_for_checkpoint(call)
    _bind(place.results)
    try:
        second = refused(call, *READ_ONLY)
    finally:
        unmount(place.results)
    scene.compare(place)
    return f"from the start: exit code {first.partition(':')[0]}; amid a run: {second.partition(':')[0]}"


def _bind(folder: Path) -> None:
    """Whatever is opened from now on is read-only; what is open stays as it was."""
    mount("--bind", str(folder), str(folder))
    mount("-o", "remount,ro,bind", str(folder))
