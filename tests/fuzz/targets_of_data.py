"""Data sets: packed arrays and their manifest, packed frames, recordings, image files, archives as they are fetched."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import tarfile
import warnings
import zipfile
from functools import cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import archives
import independent_records
import numpy as np
import torch
from arrays import ARRAY
from bytewise import BYTEWISE
from cases import NoAnswer, Target, Victim
from image_folder import make
from pictures import PICTURES
from PIL import Image
from recorded import write_aedat4, write_bin
from rich.console import Console
from specimens import contents
from trees import JSON_OF_NAMES

from benchmarks.cli import datasets
from benchmarks.data import load, sizes, training_batches
from benchmarks.data.events.recordings import CIFAR10_CLASSES
from benchmarks.data.torchvision_import import torchvision
from benchmarks.spec import Recipe

PIXELS = Recipe(epochs=1, batch_size=4, learning_rate=0.1)
OF_FILES = Recipe(1, 7, 0.1, augmentation="resized-crop-flip", classes=10, image_size=32)
EVENTS = Recipe(epochs=1, batch_size=4, learning_rate=0.1, augmentation="crop")
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


def dvs_of(folder: Path) -> Any:
    data = load("cifar10dvs", EVENTS, frames=2)
    return seen_of(data.train), seen_of(data.test)


def dvs_by_hand(folder: Path, raw: bytes) -> Any:
    """The same from events of 16 bytes each at the place where they were written.

    Where the bytes before them have changed, the events must not have.
    """
    good = cat_files()
    found = []
    for number in (0, 900):
        images = np.zeros((10, 2, 2, 128, 128), np.int64)
        for at, name in enumerate(CIFAR10_CLASSES):
            path = f"cifar10dvs/CIFAR10DVS/{name}/cifar10_{name}_{number}.aedat4"
            there = (folder / path).read_bytes()
            start = len(good[path]) - 16 * len(EVENTS_WRITTEN)
            same = there[:start] == good[path][:start] and len(there) == len(good[path])
            here = there[start:] if same else good[path][start:]
            images[at] = counted_by_hand(here)
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
    return [*of_arrays(scratch), *of_recordings(scratch), *of_archives(scratch)]


def of_arrays(scratch: Path) -> list[Target]:
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


def of_recordings(scratch: Path) -> list[Target]:
    digits, cats = recorded_digits(), cat_files()
    digit = [Victim("nmnist/NMNIST/Test/3/9.bin", BYTEWISE, expected=frames_by_hand)]
    cat = [Victim("cifar10dvs/CIFAR10DVS/cat/cifar10_cat_900.aedat4", BYTEWISE, expected=dvs_by_hand)]
    return [
        Target("recordings, .bin", digits, digit, frames_of, scratch / "digits", ROOT),
        Target("recordings, .aedat4", cats, cat, dvs_of, scratch / "dvs", ROOT),
    ]


def of_archives(scratch: Path) -> list[Target]:
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
