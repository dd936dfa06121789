"""Data sets of pixels: packed arrays with and without their manifest, and image files."""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import independent_records
import numpy as np
import torch
from arrays import ARRAY
from cases import NoAnswer, Target, Victim
from image_folder import make
from pictures import PICTURES
from PIL import Image
from specimens import contents
from trees import JSON_OF_NAMES

from benchmarks.data import load, sizes, training_batches
from benchmarks.spec import Recipe

PIXELS = Recipe(epochs=1, batch_size=4, learning_rate=0.1)
OF_FILES = Recipe(1, 7, 0.1, augmentation="resized-crop-flip", classes=10, image_size=32)
ROOT = {"DSR_DATA": "{}", "DSR_WORKERS": "0"}


def seen_of(split: Any) -> tuple[list[int], str]:
    """Labels, and a digest of what is in a split."""
    return split.labels.tolist(), hashlib.sha256(split.images.numpy().tobytes()).hexdigest()


def packed_set(manifest: bool) -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    files: dict[str, bytes] = {}
    digests = {}
    for split, count in (("train", 8), ("test", 6)):
        images = rng.integers(0, 256, (count, 32, 32, 3)).astype(np.uint8)
        labels = (np.arange(count) % 10).astype(np.int64)
        for what, array in (("images", images), ("labels", labels)):
            np.save(out := io.BytesIO(), array)
            files[f"cifar10/{split}-{what}.npy"] = out.getvalue()
        digests[split] = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    if manifest:
        files["cifar10/manifest.json"] = json.dumps(
            {"name": "cifar10", "source": "made up", "sha256": digests}
        ).encode()
    return files


def pixels_of(folder: Path) -> Any:
    data = load("cifar10", PIXELS)
    known = sizes("cifar10", PIXELS)
    return tuple(known), seen_of(data.train), seen_of(data.test), data.source


def manifest_of(raw: bytes) -> bytes:
    """Digests may be missing, and the source may be any text; wrong digests are no right answer."""
    found, good = independent_records.tree(raw), json.loads(packed_set(True)["cifar10/manifest.json"])
    if not isinstance(found, dict) or not isinstance(found.get("sha256", {}), dict):
        raise NoAnswer("it is no manifest")
    if any(digest != good["sha256"].get(split, digest) for split, digest in found.get("sha256", {}).items()):
        raise NoAnswer("its digests are others")
    if not isinstance(source := found.get("source", ""), str) or any(
        ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 for c in source
    ):
        raise NoAnswer("its source is no line of text")
    return json.dumps({name: found[name] for name in ("source",) if name in found}).encode()


def array_of(path: str) -> Victim:
    """Without a manifest, arrays of the right type and shape are taken as they are."""

    def canonical(raw: bytes) -> bytes:
        try:
            value = np.load(io.BytesIO(raw), allow_pickle=False)
        except Exception:
            raise NoAnswer("it is no array") from None
        images = "images" in path
        if not isinstance(value, np.ndarray) or value.dtype != (np.uint8 if images else np.int64):
            raise NoAnswer("it is of another type")
        if value.shape[1:] != ((32, 32, 3) if images else ()):
            raise NoAnswer("it is of another shape")
        count = 8 if "train" in path else 6
        if (
            value.ndim != (4 if images else 1)
            or len(value) != count
            or (not images and not ((value >= 0) & (value < 10)).all())
        ):
            raise NoAnswer("it has other labels or another number")
        np.save(out := io.BytesIO(), np.ascontiguousarray(value))
        return out.getvalue()

    return Victim(path, ARRAY, canonical, names=("cifar10",))


def image_files() -> dict[str, bytes]:
    with TemporaryDirectory() as scratch:
        make(Path(scratch), 1, 1)
        return contents(Path(scratch))


def images_of(folder: Path) -> Any:
    """What evaluation sees of the pictures; training has to get through them, too."""
    data = load("imagenet", OF_FILES)
    seen = torch.cat([images for images, _ in data.test.batches(3)])
    for _ in training_batches(data, OF_FILES, 0, 1):
        pass
    return hashlib.sha256(seen.contiguous().numpy().tobytes()).hexdigest()


def images_by_hand(folder: Path, raw: bytes) -> Any:
    """The same: the shorter edge scaled to 8/7 of 32, the centre cut out. A picture is a JPEG or PNG of 8 bits."""
    seen = []
    for path in sorted((folder / "imagenet" / "val").glob("*/*.JPEG")):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                file = Image.open(path)
                width, height = file.size
                far = 36 * 36 * max(width, height) / min(width, height)
                if file.format not in ("JPEG", "PNG", "MPO") or file.mode[0] in "IF":
                    raise ValueError("it has another format")
                if max(width * height, far) > 2**27:
                    raise ValueError("it is too large")
                image = file.convert("RGB")
        except Exception:
            raise NoAnswer("it is no picture") from None
        edge = 32 * 8 // 7
        short, long = sorted(image.size)
        size = (edge, int(edge * long / short)) if width <= height else (int(edge * long / short), edge)
        image = image.resize(size, Image.Resampling.BILINEAR) if min(image.size) != edge else image
        left, top = round((image.width - 32) / 2.0), round((image.height - 32) / 2.0)
        seen.append(np.asarray(image.crop((left, top, left + 32, top + 32))).transpose(2, 0, 1))
    return hashlib.sha256(np.stack(seen).tobytes()).hexdigest()


def targets(scratch: Path) -> list[Target]:
    checked, plain, image = packed_set(True), packed_set(False), image_files()
    arrays = [Victim(path, ARRAY, names=("cifar10",)) for path in checked if path.endswith(".npy")]
    manifest = Victim("cifar10/manifest.json", JSON_OF_NAMES, manifest_of, names=("cifar10",))
    picture = next(path for path in image if path.startswith("imagenet/val/"))
    pictures = [Victim(picture, PICTURES, expected=images_by_hand)]
    return [
        Target("packed arrays, manifest", checked, [*arrays, *3 * [manifest]], pixels_of, scratch / "packed", ROOT),
        Target("packed arrays", plain, [array_of(path) for path in plain], pixels_of, scratch / "plain", ROOT),
        Target("image files", image, pictures, images_of, scratch / "pictures", ROOT),
    ]
