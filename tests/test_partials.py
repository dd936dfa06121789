"""A disk that is full costs one line and leaves no half of a file; neither does a process that dies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from limited import files_of_at_most

from benchmarks.export import curves, layers
from benchmarks.files import partials
from benchmarks.launching import launch, process
from benchmarks.runs import store
from benchmarks.runs.record import replacing, write_whole
from benchmarks.spec import BadInput, Run
from benchmarks.training import checkpoint

RUN = Run("digits", "preact-resnet-tiny", "ann", 1, 0, "smoke")
NOBODY = 999_999_999
work = process.work


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    "write", [lambda path: write_whole(path, "x" * 5000), lambda path: checkpoint.save(TENSORS, path)]
)
def test_a_file_that_cannot_be_written_leaves_the_old_one_and_nothing_else(write: Any, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with files_of_at_most(1000), pytest.raises(BadInput) as refusal:
        write(tmp_path / "a")
    assert str(refusal.value) == f"{tmp_path}/a cannot be written: File too large"
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "old"


TENSORS = {"weight": torch.zeros(100, 100)}


def test_tables_beside_rows_stay_as_they_were_where_there_is_no_room(tmp_path: Path) -> None:
    many = [{"key": "k", **dict.fromkeys(curves.COLUMNS[1:], "1")}] * 100
    row = layers.LayerRow(*["1"] * len(layers.COLUMNS))
    for write in (
        lambda: curves._write(many, tmp_path / "a-curves.csv"),
        lambda: layers.write(tmp_path / "a-layers.csv", ["1"] * 100, {"1": [row]}),
        lambda: store.write_table(tmp_path / "rows.csv", [row] * 100),
    ):
        with files_of_at_most(1000), pytest.raises(BadInput, match=r"csv cannot be written: File too large"):
            write()
    assert names(tmp_path) == []


def test_how_much_room_is_left_and_needed_is_said() -> None:
    full = OSError(28, "No space left on device")
    assert " cannot be written: No space left on device (" in str(partials.refusal("/a", full))
    assert str(partials.refusal("/a", full, 2_500_000)).endswith(" free, 2.5 MB needed)")
    assert str(partials.refusal("/a", OSError(30, "Read-only file system"))) == (
        "/a cannot be written: Read-only file system"
    )


def break_off(path: Path, error: BaseException) -> None:
    with replacing(path) as file:
        file.write("half")
        raise error


def test_another_error_passes_and_leaves_nothing(tmp_path: Path) -> None:
    for error in (ZeroDivisionError("why"), KeyboardInterrupt(), FileNotFoundError(2, "gone", "elsewhere")):
        with pytest.raises(type(error)) as caught:
            break_off(tmp_path / "a", error)
        assert caught.value is error
    assert names(tmp_path) == []


def test_what_dead_processes_left_is_removed_when_the_same_file_is_written(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    here, elsewhere = partials.HOST, "another-machine"
    gone = [f".a.{here}.{dead.pid}", f".a.{here}.{NOBODY}", f".a.{elsewhere}.6", f".a.{NOBODY}"]
    kept = [f".a.{here}.{os.getppid()}", f".a.{elsewhere}.7", f".ab.{here}.{NOBODY}", ".a.txt", ".a.b.c.9", "a.5"]
    for name in gone + kept:
        (tmp_path / name).touch()
    for name in (f".a.{elsewhere}.6", f".a.{NOBODY}"):  # of a machine that cannot be asked, or of an older version
        os.utime(tmp_path / name, (1, 1))
    write_whole(tmp_path / "a", "new")
    assert names(tmp_path) == sorted(["a", *kept])


class Silent:
    def started(self, *_: Any) -> None: ...
    def epoch(self, *_: Any) -> None: ...
    def simulated(self, *_: Any) -> None: ...
    def ended(self, *_: Any) -> None: ...


def without_room(run: Run, *rest: Any) -> None:
    """The run's process may write its result, and no checkpoint."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
    work(run, *rest)


def test_a_run_whose_checkpoint_has_no_room_is_a_row_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("resource")
    monkeypatch.setattr(process, "work", without_room)
    (ended,) = launch.local([RUN], tmp_path, "quick", Silent())
    place = store.directory(tmp_path, RUN)
    assert (ended.status, ended.reason) == ("failed", f"{place}/checkpoint.pt cannot be written: File too large")
    assert names(place) == [".lock", "log.txt", "result.json", "run.json"]
    assert (place / "log.txt").read_text() == ""


def test_a_sweep_without_room_for_its_results_ends_in_one_line(tmp_path: Path) -> None:
    command = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1100, 1100)); "
    command += "from benchmarks.__main__ import main; sys.argv[1:] = sys.argv[1].split(); main()"
    pytest.importorskip("resource")
    done = subprocess.run(
        [sys.executable, "-c", command, "sweep quick --scale smoke --methods ann --seeds 0"],
        env=os.environ | {"DSR_RESULTS": str(tmp_path), "DSR_TRACKING": "off", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=800,
    )
    place = store.directory(tmp_path, RUN)
    assert done.stderr == f"dsr-bench: {place}/result.json cannot be written: File too large\n"
    assert done.returncode == 2
    assert names(place) == [".lock", "log.txt", "run.json"]
