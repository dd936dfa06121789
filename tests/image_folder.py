"""A made-up part of ImageNet: ten classes of small JPEG files, each with a colour of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.data.imagenet import TEN


def make(root: Path, train: int = 10, val: int = 5) -> Path:
    """Write `root/imagenet`, so many images per class, and return it."""
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("val", val)):
        for label, wnid in enumerate(TEN):
            (place := root / "imagenet" / split / wnid).mkdir(parents=True)
            for number in range(count):
                noise = rng.integers(0, 80, (48, 40, 3)) + np.array([label * 17, 170 - label * 17, 90])
                Image.fromarray(noise.astype(np.uint8)).save(place / f"{number}.JPEG")
    return root / "imagenet"
