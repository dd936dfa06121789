"""Archives and pickles from outside: nothing is written elsewhere, and no code of theirs runs."""

from __future__ import annotations

import io
import os
import pickle
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.data.archives import pickles, unzip
from benchmarks.spec import BadInput


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def zipped(path: Path, *names: str, link: bool = False) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (stat.S_IFLNK if link else stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, "/etc" if link else "text")
    return path


def tarred(path: Path, **held: Any) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, value in held.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content := pickle.dumps(value, 2))
            archive.addfile(entry, io.BytesIO(content))
    return path


@pytest.mark.parametrize("name", ["../out.txt", "/tmp/out.txt", "in/../../out.txt", "..\\out.txt", "C:\\out.txt"])
def test_an_archive_that_would_write_elsewhere_writes_nothing(name: str, tmp_path: Path) -> None:
    (inside := tmp_path / "a" / "b").mkdir(parents=True)
    archive = zipped(tmp_path / "a.zip", "good.txt", name)
    with pytest.raises(BadInput, match=r"a\.zip: its member .* is no file inside the folder; nothing of it is used"):
        unzip(archive, inside)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "a.zip", "b"]


def test_a_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="'link' is no file inside the folder"):
        unzip(zipped(tmp_path / "a.zip", "link", link=True), tmp_path / "inside")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("link")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(entry)
    with pytest.raises(BadInput, match="'link' is no file inside the folder"):
        pickles(tmp_path / "a.tar.gz", ["link"])


def test_a_sound_archive_is_unpacked(tmp_path: Path) -> None:
    (inside := tmp_path / "inside").mkdir()
    unzip(zipped(tmp_path / "a.zip", "Train/1/2.bin"), inside)
    assert (inside / "Train" / "1" / "2.bin").read_text() == "text"


def test_a_damaged_archive_is_named_with_the_remedy(tmp_path: Path) -> None:
    for name, read in (("a.zip", lambda p: unzip(p, tmp_path)), ("a.tar.gz", lambda p: pickles(p, ["x"]))):
        (tmp_path / name).write_bytes(b"PK\5\6 nothing of the kind")
        with pytest.raises(BadInput, match=rf"{name} is a damaged archive \(.*\): delete it to have it fetched again"):
            read(tmp_path / name)


def test_pickles_of_arrays_and_plain_values_are_read_and_others_left_out(tmp_path: Path) -> None:
    images = np.arange(6, dtype=np.uint8).reshape(2, 3)
    archive = tarred(tmp_path / "a.tar.gz", one={"data": images, "labels": [1, 2]}, two="text")
    found = pickles(archive, ["one", "three"])
    assert list(found) == ["one"]
    assert found["one"]["labels"] == [1, 2]
    assert (found["one"]["data"] == images).all()


def test_a_pickle_that_names_anything_else_runs_nothing(tmp_path: Path) -> None:
    archive = tarred(tmp_path / "a.tar.gz", one={"data": Evil(tmp_path / "ran")})
    with pytest.raises(BadInput, match=r"'one' is no pickle of arrays and plain values \(.*mkdir is not allowed\)"):
        pickles(archive, ["one"])
    assert not (tmp_path / "ran").exists()
