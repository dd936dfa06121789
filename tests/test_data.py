"""Data that are missing or damaged are refused in one line; batches depend on (seed, epoch, image) alone."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.data import DATASETS, Dataset, Split, evaluation_batches, load, sizes, training_batches
from benchmarks.data.batches import Shifts, crop_and_flip
from benchmarks.data.inputs import Pixels
from benchmarks.data.whole import WHOLE
from benchmarks.execution import execute
from benchmarks.recipes import resolve
from benchmarks.spec import BadInput, Recipe, Run
from benchmarks.sweeps import SWEEPS

RECIPE = Recipe(epochs=1, batch_size=7, learning_rate=0.1)
ROOT = Path(os.environ.get("DSR_DATA", "/nowhere"))
REAL = ROOT / "cifar10"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CIFAR-10 with 40 + 20 random images of 8 x 8, sorted by class, and a manifest."""
    monkeypatch.setenv("DSR_DATA", str(tmp_path / "root"))
    folder, rng, sha256 = tmp_path / "root" / "cifar10", np.random.default_rng(1), {}
    folder.mkdir(parents=True)
    for split, count in (("train", 40), ("test", 20)):
        images, labels = rng.integers(0, 256, (count, 8, 8, 3), np.uint8), np.arange(count) * 10 // count
        np.save(folder / f"{split}-images.npy", images)
        np.save(folder / f"{split}-labels.npy", labels)
        sha256[split] = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps({"source": "a test", "sha256": sha256}))
    return folder


def refusal(recipe: Recipe = RECIPE) -> str:
    """The one line with which loading is refused."""
    with pytest.raises(BadInput) as refused:
        load("cifar10", recipe)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def edit(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    return lambda path: np.save(path, change(np.load(path)))


UNREADABLE = "npy cannot be read; it is damaged or truncated ("
DAMAGE: list[tuple[str, Callable[[Path], object], str]] = [
    ("", lambda folder: folder.parent.rename(folder.parent.with_name("moved")), "(DSR_DATA) not found or not a"),
    ("test-labels.npy", Path.unlink, "test-labels.npy not found"),
    ("train-images.npy", lambda path: path.write_bytes(path.read_bytes()[:-7]), f"train-images.{UNREADABLE}"),
    ("train-images.npy", lambda path: path.write_bytes(path.read_bytes().replace(b"{", b"(")), UNREADABLE),
    ("test-images.npy", lambda path: path.write_bytes(b"PK\3\4zip"), f"test-images.{UNREADABLE}"),
    ("train-images.npy", edit(np.float32), "train-images.npy: float32 with shape (40, 8, 8, 3), expected uint8"),
    ("test-labels.npy", edit(np.int32), "test-labels.npy: int32 with shape (20,), expected int64"),
    ("test-images.npy", edit(lambda a: a[..., 0]), "test-images.npy: uint8 with shape (20, 8, 8), expected uint8"),
    ("train-images.npy", edit(lambda a: a.transpose(0, 3, 1, 2)), "train-images.npy: shape (40, 3, 8, 8), expected N"),
    ("train-labels.npy", edit(lambda a: a - 1), "train-labels.npy: labels -1 to 8, allowed are 0 to 9"),
    ("test-labels.npy", edit(lambda a: a + 1), "test-labels.npy: labels 1 to 10, allowed are 0 to 9"),
    ("test-images.npy", edit(lambda a: a[1:]), "cifar10: 19 test images but 20 labels"),
    ("train-labels.npy", edit(lambda a: a[:0]), "cifar10: 40 train images but 0 labels"),
    ("train-images.npy", edit(lambda a: a ^ (np.arange(3) == 2)), "cifar10: the train split is damaged (SHA-256"),
    ("test-labels.npy", edit(lambda a: a[::-1]), "cifar10: the test split is damaged (SHA-256"),
    ("manifest.json", lambda path: path.write_text('{"sha256":\n'), "manifest.json is not valid JSON ("),
    (
        "manifest.json",
        lambda path: path.write_text('{"sha256": 1}'),
        "manifest.json: the file and its sha256 must be JSON objects",
    ),
    (
        "manifest.json",
        lambda path: path.write_text('{"sha256": {"test": null}}'),
        "sha256 of test must be one line of text, not None",
    ),
]


@pytest.mark.parametrize(("file", "damage", "said"), DAMAGE, ids=[said for *_, said in DAMAGE])
def test_damage_is_refused_in_one_line(file: str, damage: Callable[[Path], object], said: str, folder: Path) -> None:
    assert load("cifar10", RECIPE).source == "a test"
    damage(folder / file)
    assert f"{folder.parent}" in (line := refusal())
    assert said in line


@pytest.mark.parametrize(("train", "validation", "test"), [(41, 0, 9), (31, 10, 9), (None, 1, 9), (9, 0, 21)])
def test_more_images_than_there_are_are_refused(folder: Path, train: int | None, validation: int, test: int) -> None:
    line = refusal(replace(RECIPE, train_images=train, validation_images=validation, test_images=test))
    wanted = "21 test images, the test split has 20" if test > 20 else f"{train or 40} + {validation} training"
    assert line.startswith(f"cifar10: the recipe needs {wanted}")


def test_subsets_are_disjoint_and_fixed(folder: Path) -> None:
    recipe = replace(RECIPE, train_images=20, validation_images=15, test_images=10)
    data, fewer = load("cifar10", recipe), load("cifar10", replace(recipe, train_images=12))
    images, labels = (torch.tensor(np.load(folder / f"train-{kind}.npy")) for kind in ("images", "labels"))
    splits = Split(images.permute(0, 3, 1, 2), labels), data.train, data.validation, fewer.train
    pairs = [zip(split.images, split.labels, strict=True) for split in splits if split]
    whole, train, validation, fewer_train = ({(x.numpy().tobytes(), int(y)) for x, y in pair} for pair in pairs)
    assert [len(images) for images in (whole, train, validation, fewer_train)] == [40, 20, 15, 12]
    assert train | validation < whole
    assert not train & validation
    assert fewer_train < train  # the head of one shuffle, so
    assert len(data.train.labels.unique()) > 5  # more than the five classes at the file's head
    assert (len(data.test.labels), torch.equal(data.test.images, fewer.test.images)) == (10, True)


def numbered(count: int, size: int = 8, mean: float = 0.0, std: float = 1 / 255) -> Dataset:
    """Labels are the images' indices; channels hold 1 + row, 1 + column, 1 + index mod 255."""
    rows = torch.ones(count, size, size).cumsum(1)
    images = torch.stack([rows, rows.mT, (torch.arange(count) % 255 + 1).view(-1, 1, 1).expand_as(rows)], 1)
    split = Split(images.to(torch.uint8), torch.arange(count))
    return Dataset("numbered", count, split, None, split, Pixels((mean,) * 3, (std,) * 3), "", "")


def epoch_of(data: Dataset, seed: int = 0, epoch: int = 1, batch_size: int = 7) -> tuple[list[int], torch.Tensor]:
    batches = list(training_batches(data, replace(RECIPE, batch_size=batch_size), seed, epoch))
    order = torch.cat([labels for _, labels in batches])
    return order.tolist(), torch.cat([images for images, _ in batches])[order.argsort()].round()


def test_every_image_comes_once_an_epoch_whatever_the_batch_size() -> None:
    order, images = epoch_of(numbered(40), batch_size=7)
    assert sorted(order) == list(range(40)) != order
    assert torch.equal(images[:, 2].amax((1, 2)), torch.arange(40) + 1.0)  # each beside its own label
    torch.manual_seed(5)
    other_order, other_images = epoch_of(numbered(40), batch_size=16)
    assert other_order == order
    assert torch.equal(other_images, images)


def test_another_epoch_or_seed_has_another_order_and_other_crops() -> None:
    order, images = epoch_of(numbered(40), seed=0, epoch=1)
    for seed, epoch in ((0, 2), (1, 1), (1, 0), (2, 1)):
        other_order, other_images = epoch_of(numbered(40), seed, epoch)
        assert other_order != order
        assert (images != other_images).flatten(1).any(1).sum() > 35  # two draws agree with probability 1 / 162


def test_crop_and_flip_equals_a_loop_over_images() -> None:
    choices = [(row, column, mirrored) for row in (0, 4, 8) for column in (0, 3, 8) for mirrored in (False, True)]
    images = (torch.arange(len(choices) * 2 * 6 * 9) % 251 + 1).view(-1, 2, 6, 9).to(torch.uint8)
    shifts = Shifts(*map(torch.tensor, zip(*choices, strict=True)))
    for image, result, (row, column, mirrored) in zip(images, crop_and_flip(images, shifts), choices, strict=True):
        padded = torch.zeros(2, 6 + 8, 9 + 8, dtype=torch.uint8)
        padded[:, 4:-4, 4:-4] = image
        expected = padded[:, row : row + 6, column : column + 9]
        assert torch.equal(result, expected.flip(2) if mirrored else expected)


def test_offsets_are_uniform_and_half_the_images_are_mirrored() -> None:
    _, images = epoch_of(numbered(4000, size=16), seed=3, batch_size=500)
    mirrored = (images[:, 1, 8, 9] < images[:, 1, 8, 8]).long()  # columns fall to the right
    rows = images[:, 0, 8, 8].long() - 5  # pixel 8 shows row 8 + offset - 4, written as one more
    columns = images[:, 1, 8, 8].long() - 5 + mirrored
    for drawn, values in ((rows, 9), (columns, 9), (mirrored, 2)):
        counts = drawn.bincount()
        assert len(counts) == values
        assert (counts - 4000 / values).abs().max() < 5 * (4000 / values * (1 - 1 / values)) ** 0.5
    assert (torch.stack([rows, columns, mirrored]).double().corrcoef() - torch.eye(3)).abs().max() < 5 / 4000**0.5


def test_images_are_normalised_per_channel() -> None:
    data = replace(numbered(3), inputs=Pixels((0.5, 0.25, 0.0), (0.5, 0.1, 1.0)))
    ((images, labels),) = evaluation_batches(data.test, data)
    assert (images.dtype, labels.tolist()) == (torch.float32, [0, 1, 2])
    assert images[2, :, 4, 6].tolist() == pytest.approx([(5 / 255 - 0.5) / 0.5, (7 / 255 - 0.25) / 0.1, 3 / 255])
    ((plain, order),) = training_batches(data, replace(RECIPE, augmentation="none"), 0, 1)
    assert torch.equal(plain, images[order])


def test_a_part_of_a_set_is_refused_where_the_whole_one_is_meant(folder: Path) -> None:
    said = r"cifar10: scales paper and short need the whole set, 50,000 \+ 10,000 images, not 40 \+ 20"
    for does in (load, sizes):
        with pytest.raises(BadInput, match=said):
            does("cifar10", RECIPE, whole=True)
    with pytest.raises(BadInput, match=said):
        execute(Run("cifar10", "preact-resnet-tiny", "ann", 1, 0, "short"), folder)


def test_the_whole_sizes_of_sets_are_their_authors() -> None:
    assert WHOLE.keys() == DATASETS.keys()
    assert sum(map(sum, WHOLE.values())) == 1_797 + 2 * 60_000 + 1_331_167 + 70_000 + 2 * 10_000


def test_training_images_are_no_test_split(folder: Path) -> None:
    for what in ("images", "labels"):
        np.save(folder / f"test-{what}.npy", np.load(folder / f"train-{what}.npy"))
    (folder / "manifest.json").unlink()
    assert refusal() == f"{folder}: the test split is identical to the training split"


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="no CIFAR-10: DSR_DATA names no folder that holds cifar10")
def test_real_cifar10_is_whole() -> None:
    data = load("cifar10", RECIPE)
    for split, per_class in (data.train, 5_000), (data.test, 1_000):
        assert split.images.shape == (10 * per_class, 3, 32, 32)
        assert split.labels.bincount().tolist() == [per_class] * 10
    pixel_mean = data.train.images.numpy().mean((0, 2, 3), dtype=np.float64) / 255
    assert pixel_mean == pytest.approx(DATASETS["cifar10"].inputs.mean, abs=0.002)
    assert json.loads((REAL / "manifest.json").read_text())["sha256"].keys() == {"train", "test"}  # which load compared


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "imagenet", "nmnist"])
def test_the_usual_parts_of_a_set_are_enough_for_a_sweep_at_laptop_scale(name: str) -> None:
    if not (ROOT / name).is_dir():
        pytest.skip(f"no {name}: DSR_DATA names no folder that holds it")
    recipe = resolve(SWEEPS[name].runs("laptop")[0])
    assert sizes(name, recipe).train == recipe.train_images
