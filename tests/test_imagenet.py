"""Image files as a data set: what is refused, what is seen of an image, and that who decodes it does not matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from image_folder import make
from PIL import Image
from torch import Tensor

from benchmarks.data import Dataset, evaluation_batches, load, training_batches
from benchmarks.data.imagenet import TEN, _source
from benchmarks.data.inputs import Pixels
from benchmarks.data.streamed import Streamed
from benchmarks.data.workers import workers
from benchmarks.spec import BadInput, Recipe

RECIPE = Recipe(1, 7, 0.1, augmentation="resized-crop-flip", classes=10, image_size=32)
forks = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten classes, 3 + 2 files each."""
    monkeypatch.setenv("DSR_DATA", str(tmp_path))
    monkeypatch.setenv("DSR_WORKERS", "0")
    return make(tmp_path, 3, 2)


def refusal(recipe: Recipe = RECIPE) -> str:
    """The one line with which the data are refused, on loading or when they are used."""

    def use() -> None:
        data = load("imagenet", recipe)
        list(evaluation_batches(data.test, data))
        list(training_batches(data, recipe, 0, 1))

    with pytest.raises(BadInput) as refused:
        use()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def rename(path: Path) -> None:
    path.rename(path.with_name("n99999999"))


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


DAMAGE: list[tuple[str, Callable[[Path], object], str]] = [
    ("train", rename, "train not found; the layout of ImageNet is imagenet/{train,val}/WNID/*.JPEG"),
    ("val", rename, "val not found; "),
    (f"val/{TEN[3]}", rename, f"train and val hold different classes; only one of them has {TEN[3]}"),
    (f"train/{TEN[0]}/0.JPEG", lambda path: path.write_bytes(b""), "0.JPEG is empty"),
    (
        f"train/{TEN[1]}",
        lambda path: [file.unlink() for file in path.iterdir()],
        "contains no image (.jpeg, .jpg",
    ),
    (f"train/{TEN[9]}/2.JPEG", cut_short, f"{TEN[9]}/2.JPEG cannot be decoded ("),
    (f"val/{TEN[9]}/1.JPEG", lambda path: path.write_text("no image"), f"{TEN[9]}/1.JPEG cannot be decoded ("),
]


@pytest.mark.parametrize(("place", "damage", "said"), DAMAGE, ids=[place for place, *_ in DAMAGE])
def test_damage_is_refused_in_one_line(place: str, damage: Callable[[Path], object], said: str, folder: Path) -> None:
    load("imagenet", RECIPE)
    damage(folder / place)
    assert said in refusal()


@forks
def test_damage_is_one_line_from_a_worker_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSR_WORKERS", "1")
    cut_short(folder / "val" / TEN[4] / "0.JPEG")
    assert refusal().startswith(f"{folder}/val/{TEN[4]}/0.JPEG cannot be decoded (")


def test_files_that_begin_with_a_dot_are_no_images(folder: Path) -> None:
    before = load("imagenet", RECIPE)
    for split in ("train", "val"):
        for name in (
            f"{TEN[2]}/._0.JPEG",
            f"{TEN[2]}/.ipynb_checkpoints/0.JPEG",
            ".ipynb_checkpoints/0.JPEG",
            "._x.JPEG",
        ):
            (folder / split / name).parent.mkdir(exist_ok=True)
            (folder / split / name).write_bytes(b"\0\5\26\7")
    assert load("imagenet", RECIPE).sha256 == before.sha256


def test_another_number_of_classes_is_refused(folder: Path) -> None:
    assert "has 10 classes, the recipe needs 1000" in refusal(replace(RECIPE, classes=1000))
    for split in ("train", "val"):
        rename(folder / split / TEN[0])
    assert "a run of ten classes needs n01440764, " in refusal()
    assert load("imagenet", replace(RECIPE, classes=None)).classes == 10


def test_a_run_of_ten_classes_takes_these_ten_of_more(folder: Path) -> None:
    for split in ("train", "val"):
        (place := folder / split / "n00000001").mkdir()
        Image.new("RGB", (9, 9)).save(place / "0.JPEG")
    data, whole = load("imagenet", RECIPE), load("imagenet", replace(RECIPE, classes=None))
    assert (data.classes, len(data.train.labels), len(data.test.labels)) == (10, 30, 20)
    assert (whole.classes, len(whole.train.labels), len(whole.test.labels)) == (11, 31, 21)
    assert data.sha256 != whole.sha256


def test_a_part_never_reads_like_the_whole(folder: Path) -> None:
    found = load("imagenet", RECIPE).source
    assert "no result on ImageNet: 10 of 1,000 classes, 30 training and 20 validation images" in found
    assert _source(1000, 1_281_167, 50_000).startswith("ImageNet, whole, 1,281,167 training and 50,000")
    for part in ((999, 1_281_167, 50_000), (1000, 1_281_166, 50_000), (1000, 1_281_167, 49_999)):
        assert "no result on ImageNet" in _source(*part)


def test_labels_are_those_of_the_folders_and_training_images_are_shuffled_once(folder: Path) -> None:
    data = load("imagenet", RECIPE)
    for split in (data.train, data.test):
        assert isinstance(split, Streamed)
        assert [TEN[label] for label in split.labels.tolist()] == [Path(name).parent.name for name in split.files]
    assert isinstance(data.test, Streamed)
    assert list(data.test.files) == sorted(data.test.files)
    assert isinstance(data.train, Streamed)
    assert sorted(data.train.files) == sorted(map(str, (folder / "train").glob("*/*.JPEG")))
    assert len(data.train.labels[:6].unique()) > 2
    again = load("imagenet", RECIPE).train
    assert isinstance(again, Streamed)
    assert again.files == data.train.files


def epoch_of(data: Dataset, seed: int = 0, epoch: int = 1, batch_size: int = 7) -> tuple[Tensor, Tensor]:
    batches = list(training_batches(data, replace(RECIPE, batch_size=batch_size), seed, epoch))
    return torch.cat([images for images, _ in batches]), torch.cat([labels for _, labels in batches])


@forks
def test_neither_workers_nor_batches_nor_other_randomness_move_a_pixel(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = load("imagenet", RECIPE)
    images, labels = epoch_of(data)
    assert images.shape == (30, 3, 32, 32)
    torch.manual_seed(77)
    before = torch.get_rng_state()
    for count in ("0", "1", "2"):
        monkeypatch.setenv("DSR_WORKERS", count)
        other_images, other_labels = epoch_of(data, batch_size=4)
        assert torch.equal(other_labels, labels)
        assert torch.equal(other_images, images)
    monkeypatch.setenv("DSR_WORKERS", "0")
    torch.set_rng_state(before)
    epoch_of(data)
    assert torch.equal(torch.get_rng_state(), before)  # dropout sees the same numbers whoever decodes


def test_another_epoch_or_seed_has_another_order_and_other_views(folder: Path) -> None:
    data = load("imagenet", RECIPE)
    images, labels = epoch_of(data)
    for seed, epoch in ((0, 2), (1, 1)):
        other_images, other_labels = epoch_of(data, seed, epoch)
        assert not torch.equal(labels, other_labels)
        assert not any(torch.equal(one, other) for one in images for other in other_images)


def ramps(path: Path, height: int, width: int) -> Path:
    """Red says the column, green the row, of an image that is stored without loss."""
    rows, columns = np.mgrid[:height, :width].astype(np.uint8)
    Image.fromarray(np.stack([columns, rows, np.full_like(rows, 255)], -1)).save(path)
    return path


def of_one_file(path: Path, count: int, size: int) -> Dataset:
    split = Streamed((str(path),) * count, torch.arange(count), size)
    return Dataset("ramps", count, split, None, split, Pixels((0.0,) * 3, (1 / 255,) * 3), "", "")


def test_training_views_have_the_published_areas_shapes_and_mirrors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSR_WORKERS", "0")
    count, size = 400, 32
    data = of_one_file(ramps(tmp_path / "ramps.png", 256, 256), count, size)
    seen = torch.cat([images for images, _ in training_batches(data, replace(RECIPE, batch_size=100), 0, 1)])
    assert (seen[:, 2].round() == 255).all()
    # between pixels 8 and 24 of 32 there is half the crop, away from its borders
    widths = 2 * (seen[:, 0, 16, 24] - seen[:, 0, 16, 8])
    heights = 2 * (seen[:, 1, 24, 16] - seen[:, 1, 8, 16])
    assert (heights > 0).all()
    share, shape = widths.abs() * heights / 256**2, widths.abs() / heights
    assert 0.07 < share.min() < 0.15
    assert 0.85 < share.max() < 1.02
    assert 0.72 < shape.min() < 0.82
    assert 1.22 < shape.max() < 1.38
    mirrored = (widths < 0).float().mean().item()
    assert abs(mirrored - 0.5) < 5 * 0.5 / count**0.5


def test_evaluation_sees_the_centre(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSR_WORKERS", "0")
    data = of_one_file(ramps(tmp_path / "ramps.png", 128, 192), 3, 56)
    ((images, labels),) = evaluation_batches(data.test, data)
    assert (images.shape, labels.tolist()) == ((3, 3, 56, 56), [0, 1, 2])
    # 128 x 192 becomes 64 x 96; its centre begins at row 4 and column 20: pixel k there is pixel 2 k + 1/2 of the file
    assert images[0, 1, 10, 5].item() == pytest.approx(2 * 14 + 0.5, abs=1)
    assert images[0, 0, 10, 5].item() == pytest.approx(2 * 25 + 0.5, abs=1)
    assert torch.equal(data.example, images[:1])


def test_images_are_normalised_by_imagenets_mean_and_deviation(folder: Path) -> None:
    for name in (folder / "val").glob("*/*.JPEG"):
        Image.new("L", (50, 60), 128).save(name)  # grey ones are in ImageNet, too
    data = load("imagenet", RECIPE)
    image = next(evaluation_batches(data.test, data))[0][0]
    for channel, (mean, deviation) in enumerate(((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))):
        assert image[channel].mean().item() == pytest.approx((128 / 255 - mean) / deviation, abs=1e-2)


def test_the_number_of_workers_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSR_WORKERS", "3")
    assert workers() == 3
    monkeypatch.setenv("DSR_WORKERS", "-1")
    with pytest.raises(BadInput, match="DSR_WORKERS must be a whole number, not '-1'"):
        workers()
