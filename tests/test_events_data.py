"""Event data: frames counted by hand, recordings written and read back, splits, caches that are whole or not there."""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from recorded import SOME, write_aedat4, write_bin
from torch.nn import functional as F

from benchmarks.data import evaluation_batches, load, sizes, to_measure, to_pack, training_batches
from benchmarks.data.events import camera, frames, recordings
from benchmarks.data.events.recordings import Events
from benchmarks.data.inputs import Counts
from benchmarks.execution import execute
from benchmarks.files import partials
from benchmarks.networks import build
from benchmarks.operations.counter import counting
from benchmarks.quantization.command import of_run
from benchmarks.runs import store
from benchmarks.runs.record import read_csv
from benchmarks.spec import BadInput, Recipe, Run
from reports.queries import why

RECIPE = Recipe(epochs=1, batch_size=4, learning_rate=0.1, augmentation="crop")
REAL = Path(os.environ.get("DSR_DATA", "/nowhere"))


def events(*which: tuple[int, int, int]) -> Events:
    return Events(*np.array(which, dtype=np.int64).T)


def test_frames_hold_equal_numbers_of_events_and_the_last_one_the_rest():
    seven = events((0, 0, 0), (1, 0, 1), (1, 0, 1), (0, 1, 0), (2, 1, 0), (2, 1, 1), (0, 0, 0))
    counted = frames.frames(seven, 3, (2, 3))
    assert counted.shape == (3, 2, 2, 3)
    assert counted.sum((1, 2, 3)).tolist() == [2, 2, 3]
    assert counted[0, 0].tolist() == [[1, 0, 0], [0, 0, 0]]
    assert counted[0, 1].tolist() == [[0, 1, 0], [0, 0, 0]]
    assert counted[1, 1].tolist() == [[0, 1, 0], [0, 0, 0]]
    assert counted[1, 0].tolist() == [[0, 0, 0], [1, 0, 0]]
    assert counted[2, 0].tolist() == [[1, 0, 0], [0, 0, 1]]
    assert counted[2, 1].tolist() == [[0, 0, 0], [0, 0, 1]]


def test_fewer_events_than_frames_stand_in_the_first_ones():
    assert frames.frames(events((0, 0, 0), (0, 0, 1)), 4, (1, 1)).sum((1, 2, 3)).tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize("bad", [(3, 0, 0), (0, 2, 0), (0, 0, 2), (-1, 0, 0)])
def test_an_event_outside_the_camera_is_refused(bad):
    with pytest.raises(ValueError, match="1 events lie outside a camera of 3 x 2 pixels"):
        frames.frames(events((0, 0, 0), bad), 1, (2, 3))


def test_an_aedat4_file_is_read_as_it_was_written(tmp_path):
    pytest.importorskip("aedat")
    write_aedat4(tmp_path / "cifar10_cat_0.aedat4", SOME)
    found = recordings._read_aedat4(tmp_path / "cifar10_cat_0.aedat4")
    assert [found.x.tolist(), found.y.tolist(), found.p.tolist()] == [[5, 7, 127, 0], [6, 8, 0, 127], [1, 0, 1, 0]]


def test_an_aedat4_file_whose_streams_are_no_text_is_named_and_does_not_end_the_process(tmp_path):
    pytest.importorskip("aedat")
    write_aedat4(tmp_path / "x_0.aedat4", SOME)
    raw = (tmp_path / "x_0.aedat4").read_bytes()
    damaged = raw.replace(b"<attr", b"<a\xe2tr", 1)
    assert damaged != raw
    (tmp_path / "x_0.aedat4").write_bytes(damaged)
    with pytest.raises(BadInput, match=r"x_0\.aedat4 cannot be read; it is damaged or truncated \('utf-8' codec"):
        recordings._read_aedat4(tmp_path / "x_0.aedat4")


def test_a_damaged_aedat4_file_is_named(tmp_path):
    pytest.importorskip("aedat")
    write_aedat4(tmp_path / "x_0.aedat4", SOME)
    (tmp_path / "x_0.aedat4").write_bytes((tmp_path / "x_0.aedat4").read_bytes()[:-20])
    with pytest.raises(BadInput, match=r"x_0\.aedat4 cannot be read; it is damaged or truncated"):
        recordings._read_aedat4(tmp_path / "x_0.aedat4")


@pytest.fixture
def nmnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three training and one test recording of each digit; digit d fires d + 20 times, at column d + 2."""
    pytest.importorskip("tonic")
    monkeypatch.setenv("DSR_DATA", str(tmp_path))
    folder = tmp_path / "nmnist" / "NMNIST"
    for split, count in (("Train", 3), ("Test", 1)):
        for digit in range(10):
            for number in range(count):
                of = [(1000 * k, digit + 2, k % 34, k % 2) for k in range(digit + 20)]
                write_bin(folder / split / str(digit) / f"{number + 9}.bin", of)
    return folder


def test_recordings_are_read_and_ordered_by_number(nmnist):
    found = recordings.nmnist(nmnist.parents[1])
    assert [name for _, name in found.train[:3]] == ["Train/0/9.bin", "Train/0/10.bin", "Train/0/11.bin"]
    assert found.title == "N-MNIST, 30 + 10 of its recordings"
    one = found.read("Test/3/9.bin")
    assert (one.x == 5).all()
    assert one.y.tolist() == list(range(23))
    assert one.p.tolist() == [k % 2 for k in range(23)]


def test_whoever_measures_activations_sees_every_class(nmnist):
    data = load("nmnist", RECIPE, frames=1)
    assert data.train.labels[:3].tolist() == [0, 0, 0], "recordings stand class by class"
    some = to_measure(data, RECIPE, 15)
    assert len(some.labels) == 15
    assert len(set(some.labels.tolist())) > 6
    for image, label in zip(some.images, some.labels, strict=True):
        assert any(torch.equal(image, other) for other in data.train.images[data.train.labels == label])
    part = replace(RECIPE, train_images=20)
    assert to_measure(load("nmnist", part, frames=1), part, 15).labels.shape == (20,), "a part is shuffled already"


def test_frames_are_packed_once_and_mapped(nmnist, monkeypatch):
    seen: list[tuple[int, int]] = []
    data = load("nmnist", RECIPE, frames=5, on_recording=lambda *at: seen.append(at))
    assert seen[-1] == (40, 40)
    assert data.train.images.shape == (30, 5, 2, 34, 34)
    assert data.source == "N-MNIST, 30 + 10 of its recordings; 5 frames of equal event count"
    monkeypatch.setattr(recordings, "_read_bin", None)  # nothing is read again
    again = load("nmnist", RECIPE, frames=5)
    assert torch.equal(again.train.images, data.train.images)
    assert again.sha256 == data.sha256
    x, labels = next(evaluation_batches(data.test, data, 10))
    assert x.shape == (5, 10, 2, 34, 34)
    assert labels.tolist() == list(range(10))
    assert x.sum((0, 2, 3, 4)).tolist() == [20 + d for d in range(10)]
    assert torch.equal(data.example, x[:, :1])


def test_sizes_are_known_before_anything_is_packed(nmnist):
    recipe = replace(RECIPE, train_images=20, validation_images=5)
    known = sizes("nmnist", recipe)
    assert to_pack("nmnist", 3) == 40 * 3 * 2 * 34 * 34
    data = load("nmnist", recipe, frames=3)
    assert to_pack("nmnist", 3) == 0
    splits = (data.train, data.validation, data.test)
    assert known == (data.channels, 34, *(len(split.labels) for split in splits))
    with pytest.raises(BadInput, match=r"nmnist: the recipe needs 26 \+ 5 training and validation images"):
        sizes("nmnist", replace(recipe, train_images=26))


@pytest.mark.parametrize("count", ["1", "2"])
def test_who_reads_the_recordings_moves_no_frame(nmnist, monkeypatch, count):
    write_bin(nmnist / "Train" / "4" / "9.bin", [(k, 3, 3, 1) for k in range(700)])
    monkeypatch.setenv("DSR_WORKERS", "0")
    alone = load("nmnist", RECIPE, frames=2)
    shutil.rmtree(nmnist.parent / "frames")
    monkeypatch.setenv("DSR_WORKERS", count)
    together = load("nmnist", RECIPE, frames=2)
    assert torch.equal(alone.train.images, together.train.images)
    assert alone.sha256 == together.sha256


def test_one_frame_is_the_mean_of_ten(nmnist):
    one, ten = load("nmnist", RECIPE, frames=1), load("nmnist", RECIPE, frames=10)
    x, _ = next(evaluation_batches(one.test, one, 10))
    many, _ = next(evaluation_batches(ten.test, ten, 10))
    assert x.shape == (10, 2, 34, 34)
    assert torch.allclose(x, many.mean(0))
    assert "all events in one frame, a mean over 10" in one.source


def test_a_changed_recording_is_packed_anew_and_a_half_written_cache_is_not_used(nmnist):
    before = load("nmnist", RECIPE, frames=2)
    cache = nmnist.parent / "frames"
    (made,) = cache.iterdir()
    (cache / f".{made.name}-half").mkdir()
    write_bin(nmnist / "Test" / "0" / "9.bin", [(k, 1, 1, 1) for k in range(7)])
    after = load("nmnist", RECIPE, frames=2)
    assert after.sha256 != before.sha256
    assert after.test.images[0].sum() == 7


def of_same_size(path: Path, row: int) -> None:
    """Another recording in as many bytes."""
    write_bin(path, [(k, 1, row, 1) for k in range(path.stat().st_size // 5)])


def test_frames_of_a_damaged_recording_are_not_used_once_it_is_mended(nmnist):
    whole = load("nmnist", RECIPE, frames=2)
    shutil.rmtree(nmnist.parent / "frames")
    one = nmnist / "Test" / "0" / "9.bin"
    copied = shutil.copy2(one, nmnist.parents[1] / "copy.bin")
    of_same_size(one, 7)
    damaged = load("nmnist", RECIPE, frames=2)
    assert damaged.sha256 != whole.sha256
    (made,) = frames.places(nmnist.parent)
    shutil.copy2(copied, one)  # size and time of writing are as they were
    with pytest.raises(BadInput, match=r"T2-\w+ was packed from recordings that have changed since"):
        frames.verify(made, recordings.nmnist(nmnist.parents[1]).contents())
    assert to_pack("nmnist", 2) > 0
    mended = load("nmnist", RECIPE, frames=2)
    assert mended.sha256 == whole.sha256
    assert [path.name for path in made.parent.iterdir()] == [made.name], "the old frames have made room"
    assert damaged.test.images[0, :, 1, 7, 1].sum() == 20, "whoever has them mapped goes on"
    frames.verify(made, recordings.nmnist(nmnist.parents[1]).contents())


def test_a_change_that_keeps_size_and_time_of_writing_is_noticed(nmnist):
    before = load("nmnist", RECIPE, frames=2)
    one = nmnist / "Train" / "3" / "10.bin"
    then = one.stat()
    of_same_size(one, 7)
    os.utime(one, ns=(then.st_atime_ns, then.st_mtime_ns))
    assert load("nmnist", RECIPE, frames=2).sha256 != before.sha256


def test_recordings_that_were_touched_or_copied_are_read_once_and_not_packed_again(nmnist, monkeypatch):
    before = load("nmnist", RECIPE, frames=2)
    copied = shutil.copytree(nmnist.parents[1], nmnist.parents[1] / "copied")
    monkeypatch.setenv("DSR_DATA", str(copied))
    monkeypatch.setattr(recordings, "_read_bin", None)  # no recording is counted again
    assert load("nmnist", RECIPE, frames=2).sha256 == before.sha256
    monkeypatch.setattr(recordings, "_contents", None)  # nor read a second time
    assert load("nmnist", RECIPE, frames=2).sha256 == before.sha256


def test_frames_of_an_older_version_are_made_again_and_come_out_the_same(nmnist):
    before = load("nmnist", RECIPE, frames=2)
    (made,) = frames.places(nmnist.parent)
    manifest = json.loads((made / "manifest.json").read_text())
    (made / "manifest.json").write_text(json.dumps({name: manifest[name] for name in ("source", "sha256")}))
    assert load("nmnist", RECIPE, frames=2).sha256 == before.sha256
    again = json.loads((made / "manifest.json").read_text())
    assert again.pop("compared") != manifest.pop("compared"), "of files that are new"
    assert again == manifest


def test_a_recording_that_changes_while_frames_are_made_is_noticed_the_next_time(nmnist):
    one = nmnist / "Train" / "0" / "9.bin"

    def change(done: int, of: int) -> None:
        if done == of:
            of_same_size(one, 7)

    before = load("nmnist", RECIPE, frames=2, on_recording=change)
    assert load("nmnist", RECIPE, frames=2).sha256 != before.sha256


def test_what_a_dead_process_left_of_frames_is_removed(nmnist):
    load("nmnist", RECIPE, frames=2)
    (made,) = frames.places(nmnist.parent)
    left = made.with_name(f".{made.name}.{partials.HOST}.999999999")
    made.rename(left)
    load("nmnist", RECIPE, frames=2)
    assert [path.name for path in made.parent.iterdir()] == [made.name]


def test_outdated_frames_that_a_killed_process_had_put_aside_are_removed_though_nothing_is_packed(nmnist):
    load("nmnist", RECIPE, frames=2)
    (made,) = frames.places(nmnist.parent)
    shutil.copytree(made, made.with_name(f".{made.name}-old.{partials.HOST}.999999999"))
    load("nmnist", RECIPE, frames=2)
    assert [path.name for path in made.parent.iterdir()] == [made.name]


def test_recordings_that_cannot_be_counted_are_named(nmnist):
    empty = nmnist / "Train" / "4" / "10.bin"
    empty.write_bytes(bytes([0, 240, 0, 0, 0]))  # a marker of the camera's clock, and no event
    with pytest.raises(BadInput, match=r"Train/4/10\.bin contains no event"):
        load("nmnist", RECIPE, frames=2)


def test_files_that_begin_with_a_dot_are_no_recordings(nmnist):
    whole = load("nmnist", RECIPE, frames=2)
    for name in ("._9.bin", ".DS_Store", ".ipynb_checkpoints/9-checkpoint.bin"):
        (nmnist / "Train" / "4" / name).parent.mkdir(exist_ok=True)
        (nmnist / "Train" / "4" / name).write_bytes(b"1234567")
    assert load("nmnist", RECIPE, frames=2).sha256 == whole.sha256


def test_a_reader_that_is_killed_costs_one_line_and_leaves_nothing(nmnist, monkeypatch):
    def die(path):
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setenv("DSR_WORKERS", "1")
    monkeypatch.setattr(recordings, "_read_bin", die)
    with pytest.raises(
        BadInput, match=r"frames of N-MNIST.*: a process that reads recordings was ended \(DataLoader worker"
    ):
        load("nmnist", RECIPE, frames=2)
    assert not list((nmnist.parent / "frames").iterdir())


def test_readers_do_not_hear_of_signals_to_the_group_of_their_launcher(nmnist, monkeypatch):
    read, seen = recordings._read_bin, nmnist / "groups"

    def note(path):
        (seen / str(os.getpgid(0))).touch()
        return read(path)

    seen.mkdir()
    monkeypatch.setenv("DSR_WORKERS", "1")
    monkeypatch.setattr(recordings, "_read_bin", note)
    load("nmnist", RECIPE, frames=2)
    assert str(os.getpgid(0)) not in {path.name for path in seen.iterdir()}
    assert list(seen.iterdir())


def test_packing_that_fails_leaves_nothing(nmnist):
    (nmnist / "Train" / "4" / "10.bin").write_bytes(b"1234567")
    with pytest.raises(BadInput, match=r"10\.bin: 7 bytes are not a whole number of 5-byte events"):
        load("nmnist", RECIPE, frames=2)
    assert not list((nmnist.parent / "frames").iterdir())
    write_bin(nmnist / "Train" / "4" / "10.bin", [(1, 40, 0, 1)])
    with pytest.raises(BadInput, match=r"Train/4/10\.bin: 1 events lie outside a camera of 34 x 34 pixels"):
        load("nmnist", RECIPE, frames=2)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system cannot take a file's room beforehand")
def test_a_disk_without_room_for_the_frames_is_said_before_they_are_written(nmnist, monkeypatch):
    def full(descriptor: int, start: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(
        BadInput, match=r"/frames cannot be written: No space left on device \(.* free, 185 kB needed\)"
    ):
        load("nmnist", RECIPE, frames=2)
    assert not list((nmnist.parent / "frames").iterdir())


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sha256": {"train": "0"}}'])
def test_a_damaged_manifest_of_frames_is_named(nmnist, text):
    load("nmnist", RECIPE, frames=2)
    (manifest,) = nmnist.parent.glob("frames/*/manifest.json")
    manifest.write_text(text)
    for does in (lambda: load("nmnist", RECIPE, frames=2), lambda: frames.verify(manifest.parent, "")):
        with pytest.raises(BadInput, match=r"T2-\w+: manifest.json is damaged; delete the folder"):
            does()


def test_more_than_255_events_in_a_pixel_are_counted(nmnist):
    write_bin(nmnist / "Train" / "0" / "9.bin", [(k, 3, 3, 1) for k in range(700)])
    data = load("nmnist", RECIPE, frames=2)
    assert data.train.images.dtype == torch.int16
    assert data.train.images[0, :, 1, 3, 3].tolist() == [350, 350]
    assert data.train.images[1].sum() == 20


def test_a_missing_digit_and_an_incomplete_class_are_named(nmnist):
    for path in (nmnist / "Test" / "7").iterdir():
        path.unlink()
    with pytest.raises(BadInput, match=r"Test/7 contains no \*.bin"):
        load("nmnist", RECIPE)
    folder = nmnist.parents[1] / "cifar10dvs" / "CIFAR10DVS" / "airplane"
    for number in (0, 2):
        write_aedat4(folder / f"cifar10_airplane_{number}.aedat4", SOME)
    with pytest.raises(BadInput, match=r"airplane: none of the 2 recordings is in the test split \(900 to 999\)"):
        load("cifar10dvs", RECIPE)
    for number, said in ((1000, "these go 0 to 1000"), (902, "these go 0 to 902")):
        write_aedat4(folder / f"cifar10_airplane_{number}.aedat4", SOME)
        write_aedat4(folder / f"other_{number}.aedat4", SOME)
        with pytest.raises(BadInput, match=f"airplane: recordings must be numbered 0 to 999, each number once; {said}"):
            load("cifar10dvs", RECIPE)
        (folder / f"cifar10_airplane_{number}.aedat4").unlink()
        (folder / f"other_{number}.aedat4").unlink()


def test_cifar10dvs_is_split_by_number(tmp_path, monkeypatch):
    pytest.importorskip("aedat")
    monkeypatch.setenv("DSR_DATA", str(tmp_path))
    monkeypatch.setattr(recordings, "PER_CLASS", 12)
    monkeypatch.setattr(recordings, "TRAIN_PER_CLASS", 10)
    for label, name in enumerate(recordings.CIFAR10_CLASSES):
        for number in range(12):
            path = tmp_path / "cifar10dvs" / "CIFAR10DVS" / name / f"cifar10_{name}_{number}.aedat4"
            write_aedat4(path, [(t, label, number, 1) for t in range(4)])
    data = load("cifar10dvs", RECIPE, frames=2)
    assert data.train.images.shape == (100, 2, 2, 128, 128)
    # recording 10 and 11 of each class test, and "10" does not come before "2"
    rows = data.test.images.sum((1, 2, 4)).argmax(1).tolist()
    assert rows == [10, 11] * 10
    assert data.train.images[:12].sum((1, 2, 4)).argmax(1).tolist() == [*range(10), 0, 1]
    assert data.train.labels.tolist() == [label for label in range(10) for _ in range(10)]


def test_a_part_of_cifar10dvs_is_enough_where_a_part_is_meant(tmp_path, monkeypatch):
    pytest.importorskip("aedat")
    monkeypatch.setenv("DSR_DATA", str(tmp_path))
    for label, name in enumerate(recordings.CIFAR10_CLASSES):
        for number in (3, 40, 899, 900, 977):
            path = tmp_path / "cifar10dvs" / "CIFAR10DVS" / name / f"cifar10_{name}_{number}.aedat4"
            write_aedat4(path, [(t, label, number % 100, 1) for t in range(4)])
    data = load("cifar10dvs", RECIPE, frames=2)
    assert (len(data.train.labels), len(data.test.labels)) == (30, 20)
    assert data.test.images.sum((1, 2, 4)).argmax(1).tolist() == [0, 77] * 10, "the split is by number"
    assert data.source.startswith("a part of CIFAR10-DVS, 30 + 20 of its recordings; ")
    assert not data.source.startswith(why.WHOLE)
    with pytest.raises(BadInput, match=r"cifar10dvs: scales paper and short need the whole set, 9,000 \+ 1,000 images"):
        load("cifar10dvs", RECIPE, whole=True)


def test_counts_are_resized_between_four_pixels():
    inputs = Counts(3)
    counts = torch.arange(2 * 2 * 2 * 8 * 8).view(2, 2, 2, 8, 8).to(torch.int16)
    assert inputs.sized(counts).shape == (2, 2, 2, 3, 3)
    wanted = F.interpolate(counts[1].float(), (3, 3), mode="bilinear", align_corners=False)
    assert torch.equal(inputs.sized(counts)[1], wanted)
    assert wanted[0, 0, 0, 0].item() == pytest.approx(256 + 5 / 6 * 8 + 5 / 6)  # the pixels' centres are 8 / 3 apart


def test_training_frames_are_cut_like_each_other_and_never_mirrored(nmnist):
    data = replace(load("nmnist", RECIPE, frames=3), inputs=Counts(34))
    data.train.images[:] = torch.arange(34 * 34).view(34, 34) % 251
    for x, _ in training_batches(data, RECIPE, 0, 1):
        assert torch.equal(x[0], x[1])
        assert torch.equal(x[0], x[2])
        inner = x[0, :, 0, 4:-4, 4:-4]
        step = (inner[..., 1:] - inner[..., :-1]) % 251
        assert (step == 1).all()  # a mirrored image would fall


def test_the_simulated_camera_fires_where_brightness_changes_with_its_sign():
    image = np.zeros((3, 32, 32), np.uint8)
    image[:, :, 16:] = 255  # an edge at column 64, dark on the left
    found = camera.record(image, np.random.default_rng(0))
    at_edge = (found.x > 50) & (found.x < 78)
    assert at_edge.mean() > 0.95  # all but noise
    assert 0.4 < found.p.mean() < 0.6  # the path is closed: what rises falls again
    assert len(found.x) > 50 * camera.SIZE
    again = camera.record(image, np.random.default_rng(0))
    assert np.array_equal(found.x, again.x)
    still = camera.record(np.full((3, 32, 32), 90, np.uint8), np.random.default_rng(0))
    noise = camera.NOISE * camera.STEPS * 2 * camera.SIZE**2
    assert abs(len(still.x) - noise) < 5 * noise**0.5


def test_a_run_on_frames_counts_the_first_layer_at_every_step(nmnist):
    data = load("nmnist", RECIPE, frames=4)
    network = build("preact-resnet-tiny", "dsr-if", 4, 10, data.channels).eval()
    with torch.no_grad(), counting(network, data.example, 4) as counter:
        network(data.example)
    per_image = counter.per_image()
    first = next(layer for layer in counter.structure.layers if layer.origin == "input")
    assert per_image.analog_macs == per_image.analog_macs_every_step == 4 * first.dense_macs
    assert counter.images == 1


@pytest.mark.slow
@pytest.mark.skipif(not (REAL / "nmnist").is_dir(), reason="no N-MNIST: DSR_DATA names no folder that holds nmnist")
def test_real_recordings_give_the_frames_of_the_committed_rows(tmp_path, monkeypatch):
    rows = read_csv(Path(__file__).parent.parent / "results" / "nmnist.csv")
    of = "N-MNIST, 1,000 + 100 of its recordings; all events in one frame, a mean over 10"
    (committed,) = {row["data_sha256"] for row in rows if row["data_source"] == of}
    shutil.copytree(REAL / "nmnist" / "NMNIST", tmp_path / "nmnist" / "NMNIST")
    monkeypatch.setenv("DSR_DATA", str(tmp_path))
    found = load("nmnist", RECIPE)
    if found.source != of:
        pytest.skip("another part of N-MNIST than the rows are of")
    assert found.sha256 == committed


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(not (REAL / "nmnist").is_dir(), reason="no N-MNIST: DSR_DATA names no folder that holds nmnist")
def test_real_recordings_are_learned(tmp_path):
    run = Run("nmnist", "preact-resnet-tiny", "dsr-if", 4, 0, "laptop")
    result = execute(run, tmp_path)
    assert result.top1 > 40  # 71 when this was written; 20 epochs of 800 recordings
    _, _, layers = of_run(store.directory(tmp_path, run))
    assert layers[0]["deviation_error"] > 0  # frames differ, so the first neurons' currents do
    assert result.test_images == 100
