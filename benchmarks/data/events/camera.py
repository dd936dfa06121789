"""CIFAR-10 recorded by a simulated event camera: `cifar10dvs-sim`, always called simulated.

CIFAR10-DVS was recorded from images that moved on a screen along a closed path (Li et al. 2017). Here the image is
enlarged 4 times and moves along a diamond in front of a camera of 128 x 128 pixels. Each pixel stores the logarithm of
the brightness at its last event and emits an event when the logarithm has risen or fallen by the pixel's threshold,

    ln(0.05 + 0.95 Y) - memory >= theta_on: p = 1;   <= -theta_off: p = 0;   memory +- theta

at most one per step (the refractory time). Thresholds vary between pixels, and pixels emit occasional noise events. The
events of an image depend only on its index. All parameters are ours; none is fitted to the real camera.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.data import packed
from benchmarks.data.events.recordings import CIFAR10_CLASSES, PER_CLASS, TRAIN_PER_CLASS, Events, Recordings
from benchmarks.data.splits import Split
from benchmarks.data.whole import counted, part_of

SIZE, SCALE, REACH = 128, 4, 6.0
STEPS, LOOPS = 96, 2
THRESHOLD, SPREAD, NOISE, DARK = 0.2, 0.03, 1e-4, 0.05
VERSION = 1
CAMERA = (VERSION, SIZE, SCALE, REACH, STEPS, LOOPS, THRESHOLD, SPREAD, NOISE, DARK)
"""The parameters that determine a recording. Raise `VERSION` when the simulation itself changes."""


def recordings(root: Path) -> Recordings:
    """Record the first 900 training and 100 test images of each class. Raises BadInput as CIFAR-10's reader does."""
    arrays = packed.read("cifar10", len(CIFAR10_CLASSES))
    splits = {"train": arrays.train, "test": arrays.test}
    train, test = (
        [
            (label, f"{split}/{index}")
            for label in range(len(CIFAR10_CLASSES))
            for index in _indices(splits[split], label, n)
        ]
        for split, n in (("train", TRAIN_PER_CLASS), ("test", PER_CLASS - TRAIN_PER_CLASS))
    )

    def read(name: str) -> Events:
        split, index = name.split("/")
        image = splits[split].images[int(index)].numpy()
        return record(image, np.random.default_rng([VERSION, split == "test", int(index)]))

    made_of = repr((*CAMERA, arrays.sha256))
    title = "simulated event camera on CIFAR-10"
    if whole := part_of("cifar10dvs-sim", len(train), len(test)):
        title = f"{title}, {counted(len(train), len(test))} of {whole} images"
    folder, size = root / "cifar10dvs-sim", (SIZE, SIZE)
    return Recordings(folder, size, train, test, read, title, made_of, made_of, lambda: made_of)


def _indices(split: Split, label: int, count: int) -> list[int]:
    """Return the first `count` indices of a class."""
    indices: list[int] = (split.labels == label).nonzero().flatten()[:count].tolist()
    return indices


def record(image: np.ndarray, rng: np.random.Generator) -> Events:
    """Return the events of one image, `(3, 32, 32)` uint8, that moves along the path."""
    scene = _scene(image)
    off, on = np.maximum(0.05, rng.normal(THRESHOLD, SPREAD, (2, SIZE, SIZE))).astype(np.float32)
    memory, fires, events = _log_brightness(scene, 0), np.empty((2, SIZE, SIZE), bool), []
    for step in range(1, STEPS + 1):
        change = _log_brightness(scene, step) - memory
        np.less_equal(change, -off, out=fires[0])
        np.greater_equal(change, on, out=fires[1])
        memory += fires[1] * on - fires[0] * off
        events.append(_events(fires.reshape(-1), rng))
    p, y, x = np.unravel_index(np.concatenate(events), fires.shape)
    return Events(x, y, p)


def _events(fires: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the places of one step's events, noise events included, in random order."""
    fires[rng.integers(fires.size, size=rng.binomial(fires.size, NOISE))] = True
    events = np.flatnonzero(fires)
    rng.shuffle(events)
    return events


def _scene(image: np.ndarray) -> np.ndarray:
    """Return the brightness, enlarged 4 times (bilinear), its border repeated as far as the path goes."""
    brightness = np.tensordot(np.array([0.299, 0.587, 0.114], np.float32), image.astype(np.float32) / 255, axes=1)
    at = np.clip((np.arange(SIZE) + 0.5) / SCALE - 0.5, 0, brightness.shape[0] - 1)
    low = np.minimum(at.astype(int), brightness.shape[0] - 2)
    part = (at - low).astype(np.float32)
    rows = brightness[low] * (1 - part)[:, None] + brightness[low + 1] * part[:, None]
    large = rows[:, low] * (1 - part) + rows[:, low + 1] * part
    return np.ascontiguousarray(np.pad(large, int(REACH) + 1, mode="edge"))  # contiguous rows: twice as fast


def _log_brightness(scene: np.ndarray, step: int) -> np.ndarray:
    """Return the logarithm of the brightness at each pixel, at a step of the diamond-shaped path."""
    phase = 4 * LOOPS * step / STEPS
    down, right = REACH * _triangle(phase), REACH * _triangle(phase - 1)
    return np.log(DARK + (1 - DARK) * _shifted(_shifted(scene, down, 0), right, 1))


def _triangle(phase: float) -> float:
    """Triangle wave: 1, 0, -1, 0 at phases 0, 1, 2, 3, linear in between."""
    return abs((phase % 4) - 2) - 1


def _shifted(scene: np.ndarray, by: float, axis: int) -> np.ndarray:
    """Return the `SIZE` pixels along an axis that start `by` pixels off the centred position (linear interpolation)."""
    first = (scene.shape[axis] - SIZE) / 2 + by
    low = int(np.floor(first))
    part = np.float32(first - low)
    one, next_one = (slice(start, start + SIZE) for start in (low, low + 1))
    if axis == 1:
        return scene[:, one] * (1 - part) + scene[:, next_one] * part
    return scene[one] * (1 - part) + scene[next_one] * part
