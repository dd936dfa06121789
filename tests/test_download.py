"""Downloads: from a server on this machine, cut off, continued, damaged, unpacked; and `dsr-bench data`."""

from __future__ import annotations

import hashlib
import io
import pickle
import shutil
import tarfile
import threading
import zipfile
from collections import namedtuple
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from limited import files_of_at_most
from recorded import SOME, write_aedat4, write_bin
from rich.console import Console

from benchmarks.cli import commands, datasets
from benchmarks.cli.arguments import Request
from benchmarks.data import load
from benchmarks.data.download import download
from benchmarks.data.torchvision_import import torchvision
from benchmarks.runs.plan import plan
from benchmarks.spec import BadInput, Recipe, Run

BODY = bytes(range(256)) * 5000
MD5 = hashlib.md5(BODY).hexdigest()
RECIPE = Recipe(epochs=1, batch_size=7, learning_rate=0.1)


class Server(ThreadingHTTPServer):
    """Serves `files`; `cut` ends an answer after so many bytes; `ranges`: whether it goes on; `asked`: what it was."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {"/file": BODY}
        self.cut: int | None = None
        self.ranges, self.asked = True, list[str | None]()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        if self.path not in self.server.files:
            self.send_error(404)
            return
        body, first = self.server.files[self.path], 0
        if wanted and self.server.ranges:
            first = int(wanted.removeprefix("bytes=").rstrip("-"))
            if first >= len(body):
                self.send_error(416)
                return
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(body) - first))
        self.end_headers()
        self.wfile.write(body[first:][: self.server.cut])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield serving
        serving.shutdown()


def test_a_download_says_how_far_it_is_and_is_not_repeated(server, tmp_path):
    seen: list[tuple[int, int | None]] = []
    download(server.url("/file"), tmp_path / "a" / "file", MD5, lambda *at: seen.append(at))
    assert (tmp_path / "a" / "file").read_bytes() == BODY
    assert seen[-1] == (len(BODY), len(BODY))
    download(server.url("/file"), tmp_path / "a" / "file", MD5)
    assert server.asked == [None]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_was_cut_off_goes_on(server, tmp_path, ranges):
    server.cut, server.ranges = 1000, ranges
    with pytest.raises(BadInput, match="run the same command again to resume"):
        download(server.url("/file"), tmp_path / "file", MD5)
    assert (tmp_path / "file.partial").read_bytes() == BODY[:1000]
    assert not (tmp_path / "file").exists()
    server.cut = None
    download(server.url("/file"), tmp_path / "file", MD5)
    assert (tmp_path / "file").read_bytes() == BODY
    assert server.asked == [None, "bytes=1000-"]
    assert not (tmp_path / "file.partial").exists()


def test_a_whole_partial_file_is_enough(server, tmp_path):
    (tmp_path / "file.partial").write_bytes(BODY)
    download(server.url("/file"), tmp_path / "file", MD5)
    assert (tmp_path / "file").read_bytes() == BODY


def test_another_file_is_refused_and_deleted(server, tmp_path):
    with pytest.raises(BadInput, match=f"is {MD5}, expected 0000; the file was deleted"):
        download(server.url("/file"), tmp_path / "file", "0000")
    assert not list(tmp_path.iterdir())


def test_offline_is_one_line(tmp_path):
    with pytest.raises(BadInput, match="could not be downloaded") as refusal:
        download("http://127.0.0.1:9/file", tmp_path / "file", MD5)
    assert "\n" not in str(refusal.value)


def test_a_download_without_room_is_refused_before_it_begins(server, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("Usage", "free")(1000))
    with pytest.raises(BadInput, match=r"No space left on device \(1 kB free, 1\.28 MB needed\)"):
        download(server.url("/file"), tmp_path / "file", MD5)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 0


def test_a_disk_that_fills_up_in_a_download_is_one_line_and_is_given_back(server, tmp_path):
    with files_of_at_most(10_000), pytest.raises(BadInput, match=r"/file cannot be written: File too large"):
        download(server.url("/file"), tmp_path / "file", MD5)
    assert not list(tmp_path.iterdir())


def cifar_archive() -> bytes:
    """CIFAR-10's layout with 3 images in each of six files, the number of the file in every pixel."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        names = [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch", "batches.meta"]
        for number, name in enumerate(names, 1):
            held = {"data": np.full((3, 3072), number, np.uint8), "labels": [0, 1, 9], "label_names": ["x"] * 10}
            content = pickle.dumps(held)
            entry = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return written.getvalue()


@pytest.fixture
def official(server, tmp_path, monkeypatch) -> Path:
    """CIFAR-10 as its server has it, a small one; the empty data root."""
    archive = cifar_archive()
    server.files["/cifar"] = archive
    known = torchvision.datasets.CIFAR10
    monkeypatch.setattr(known, "url", server.url("/cifar"))
    monkeypatch.setattr(known, "tgz_md5", hashlib.md5(archive).hexdigest())
    monkeypatch.setenv("DSR_DATA", str(tmp_path))
    return tmp_path


def test_cifar_is_fetched_when_it_is_wanted(official):
    data = load("cifar10", RECIPE)
    assert data.train.images[:, 0, 0, 0].tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5]
    assert data.test.labels.tolist() == [0, 1, 9]
    assert data.source == "official files, by torchvision"
    assert len(list((official / "cifar10").iterdir())) == 5  # four arrays and the manifest
    assert not list((official / ".downloads").iterdir())


def test_a_failed_download_leaves_what_arrived_and_nothing_else(official, server):
    server.cut = 100
    with pytest.raises(
        BadInput, match=r"the download failed \(.*set DSR_DATA to a data root that contains cifar10/train"
    ):
        load("cifar10", RECIPE)
    assert [str(p.relative_to(official)) for p in official.rglob("*") if p.is_file()] == [
        ".downloads/cifar10/cifar-10-python.tar.gz.partial"
    ]
    server.cut = None
    assert len(load("cifar10", RECIPE).train.labels) == 15
    assert server.asked == [None, "bytes=100-"]


def test_a_disk_that_fills_up_in_unpacking_leaves_the_archive_alone(official, server):
    with (
        files_of_at_most(len(server.files["/cifar"]) + 100),
        pytest.raises(BadInput, match=r"cifar10 cannot be written: File too large\); set DSR_DATA"),
    ):
        load("cifar10", RECIPE)
    assert [str(p.relative_to(official)) for p in official.rglob("*") if p.is_file()] == [
        ".downloads/cifar10/cifar-10-python.tar.gz"
    ]
    assert len(load("cifar10", RECIPE).train.labels) == 15
    assert server.asked == [None], "it is not fetched again"


def said(does) -> tuple[int, str]:
    console = Console(record=True, width=200)
    return does(console) or 0, console.export_text()


def test_data_are_listed_fetched_and_verified(official):
    assert "cifar10         not found: `dsr-bench data get cifar10`" in said(datasets.show)[1]
    code, text = said(lambda console: datasets.get("cifar10", console))
    assert code == 0
    assert "ok   cifar10: 15 + 3 images, official files, by torchvision, SHA-256" in text
    assert "15 + 3 images, a part of 50,000 + 10,000" in " ".join(said(datasets.show)[1].split())
    assert "is already here" in said(lambda console: datasets.get("cifar10", console))[1]
    with pytest.raises(BadInput, match=r"imagenet cannot be downloaded.*imagenet/\{train,val\}/<wnid>"):
        datasets.get("imagenet", Console())
    assert "needs no download" in said(lambda console: datasets.get("digits", console))[1]
    images = np.load(official / "cifar10" / "test-images.npy")
    np.save(official / "cifar10" / "test-images.npy", images + 1)
    code, text = said(lambda console: datasets.verify(None, console))
    assert code == 1
    assert "bad" in text
    assert "the test split is damaged" in text
    with pytest.raises(BadInput, match="did you mean 'cifar10'"):
        datasets.get("cifar1", Console())


def test_what_is_half_there_is_said_by_every_command_and_how_to_mend_it(official):
    (official / "cifar10").mkdir()
    with pytest.raises(
        BadInput, match=r"train-images\.npy not found; set DSR_DATA to .*; or remove \S*cifar10 and call this again"
    ):
        datasets.get("cifar10", Console())
    (official / "imagenet").mkdir()
    with pytest.raises(BadInput, match=r"imagenet.train not found.*imagenet/\{train,val\}/<wnid>/\*.JPEG"):
        datasets.get("imagenet", Console())


def looked_at(run: Run, results: Path, only_plan: bool) -> tuple[int, str]:
    """What a sweep of this run does about its data before anything is trained."""
    request = Request("quick", "", run.scale, (run,), only_plan)
    return said(lambda console: commands.look_at_data(request, plan(request.runs, results), console))


def test_neither_verify_nor_a_plan_downloads(official, server, tmp_path):
    code, text = said(lambda console: datasets.verify("cifar10", console))
    assert (code, "cifar10 not found: `dsr-bench data get cifar10`" in text) == (1, True)
    run = Run("cifar10dvs-sim", "preact-resnet-tiny", "ann", 1, 0, "laptop")
    _, text = looked_at(run, tmp_path, only_plan=True)
    assert "cifar10 not found: `dsr-bench data get cifar10`; planned with the sizes of the published set" in text
    assert server.asked == []
    run = Run("cifar10", "preact-resnet-tiny", "ann", 1, 0, "smoke")
    with pytest.raises(BadInput, match="the recipe needs 320"):  # of the 15 images that were fetched
        looked_at(run, tmp_path, only_plan=False)
    assert server.asked == [None]


def zipped(folder: Path) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return written.getvalue()


def test_recordings_are_fetched_unpacked_and_their_frames_verified(server, tmp_path, monkeypatch):
    known = pytest.importorskip("tonic").datasets.NMNIST
    for split in ("Train", "Test"):
        for digit in range(10):
            write_bin(tmp_path / split / split / str(digit) / "00001.bin", SOME[:1])
        server.files[f"/{split}"] = zipped(tmp_path / split)
        monkeypatch.setattr(known, f"{split.lower()}_url", server.url(f"/{split}"))
        monkeypatch.setattr(known, f"{split.lower()}_md5", hashlib.md5(server.files[f"/{split}"]).hexdigest())
    (root := tmp_path / "root").mkdir()
    monkeypatch.setenv("DSR_DATA", str(root))
    assert said(lambda console: datasets.get("nmnist", console))[0] == 0
    assert (root / "nmnist" / "NMNIST" / "Test" / "9" / "00001.bin").is_file()
    load("nmnist", RECIPE, frames=2)
    assert "10 + 10 recordings, a part of 60,000 + 10,000; packed: T2" in said(datasets.show)[1]
    assert said(lambda console: datasets.verify("nmnist", console))[0] == 0
    write_bin(root / "nmnist" / "NMNIST" / "Test" / "0" / "00001.bin", SOME[1:2])
    assert "packed: T2 (recordings were written to since)" in said(datasets.show)[1]
    code, text = said(lambda console: datasets.verify("nmnist", console))
    assert (code, "was packed from recordings that have changed since; delete it" in text) == (1, True)
    load("nmnist", RECIPE, frames=2)
    write_bin(root / "nmnist" / "NMNIST" / "Test" / "0" / "00001.bin", SOME[:2])
    assert "packed: T2 (of other recordings)" in said(datasets.show)[1]
    code, text = said(lambda console: datasets.verify("nmnist", console))
    assert (code, "0 packed folders; of other recordings, and read by nothing: " in text) == (0, True)
    write_bin(root / "nmnist" / "NMNIST" / "Test" / "0" / "00001.bin", SOME[:1])
    load("nmnist", RECIPE, frames=2)
    (images,) = root.glob("nmnist/frames/*/test-images.npy")
    images.write_bytes(images.read_bytes()[:-1] + b"\1")
    code, text = said(lambda console: datasets.verify("nmnist", console))
    assert (code, "the test frames are damaged" in text) == (1, True)


def test_cifar10dvs_is_an_archive_of_archives(server, tmp_path, monkeypatch):
    known = pytest.importorskip("tonic").datasets.CIFAR10DVS
    outer = tmp_path / "outer"
    outer.mkdir()
    for name in known.classes:
        write_aedat4(tmp_path / name / name / f"cifar10_{name}_0.aedat4", SOME)
        (outer / f"{name}.zip").write_bytes(zipped(tmp_path / name))
    server.files["/dvs"] = zipped(outer)
    monkeypatch.setattr(known, "url", server.url("/dvs"))
    monkeypatch.setattr(known, "file_md5", hashlib.md5(server.files["/dvs"]).hexdigest())
    (root := tmp_path / "root").mkdir()
    monkeypatch.setenv("DSR_DATA", str(root))
    code, text = said(lambda console: datasets.get("cifar10dvs", console))
    assert (root / "cifar10dvs" / "CIFAR10DVS" / "truck" / "cifar10_truck_0.aedat4").is_file()
    assert (code, "none of the 1 recordings is in the test split (900 to 999)" in text) == (1, True)
