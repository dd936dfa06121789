"""What a killed process leaves is removed by the next one: claims and checkpoints of runs that are done, probes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ended_runs import finish

from benchmarks.cli import commands
from benchmarks.files import clock, filesystems, partials
from benchmarks.files.claims import CLAIM, LOCK, Claims
from benchmarks.launching import launch, process
from benchmarks.runs import store
from benchmarks.runs.plan import plan
from benchmarks.spec import Run

RUN = Run("digits", "preact-resnet-tiny", "ann", 1, 0, "smoke")
DYING = """
import os, signal, sys
from pathlib import Path
from benchmarks.files import clock, filesystems
from benchmarks.files.claims import Claims
from benchmarks.runs import store

def die_at(which):
    sys.addaudithook(lambda event, arguments: event == which and os.kill(os.getpid(), signal.SIGKILL))

folder = Path(sys.argv[1])
"""


def die_in(what: str, folder: Path) -> None:
    """Let a process do this, in which it is killed."""
    words = [sys.executable, "-c", DYING + what, str(folder)]
    ended = subprocess.run(words, env=os.environ | {"DSR_RESULTS": str(folder)}, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended


@pytest.fixture(autouse=True)
def own_fences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partials, "fences", {})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("what", "again"),
    [
        ("clock.now(folder)", clock.now),
        ("filesystems.fault_of_locks(folder)", filesystems.fault_of_locks),
        ("store.results_root()", lambda folder: store.results_root()),
    ],
)
def test_a_probe_of_a_killed_process_is_removed_with_the_next_one(
    what: str, again: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSR_RESULTS", str(tmp_path))
    die_in(f"die_at('os.remove'); {what}", tmp_path)
    assert len(names(tmp_path)) == 1
    again(tmp_path)
    assert names(tmp_path) == []


CLAIM_IT = "claims = Claims(folder.parents[2]); claim = claims.take(folder); die_at('os.rmdir'); "


def whole(place: Path) -> list[str]:
    """Everything in a run's directory, as paths."""
    return sorted(path.relative_to(place).as_posix() for path in place.rglob("*"))


@pytest.mark.parametrize("moment", ["os.rmdir(folder)", "claims.release(claim)"])
def test_a_claim_that_a_killed_launcher_left_on_a_run_that_is_done_is_removed(moment: str, tmp_path: Path) -> None:
    place = finish(tmp_path, RUN)
    expected = whole(place)
    die_in(CLAIM_IT + moment, place)
    (place / store.CHECKPOINT).touch()
    assert any(name.startswith(CLAIM) for name in names(place))
    commands.tidy(plan([RUN], tmp_path), tmp_path)
    assert whole(place) == sorted([*expected, LOCK])


def test_a_run_that_is_done_and_whose_launcher_lives_is_left_alone(tmp_path: Path) -> None:
    place = finish(tmp_path, RUN)
    with Claims(tmp_path) as claims:
        claims.take(place)
        (place / store.CHECKPOINT).touch()
        before = whole(place)
        commands.tidy(plan([RUN], tmp_path), tmp_path)
        assert whole(place) == before


def test_where_nothing_is_left_nothing_is_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish(tmp_path, RUN)
    monkeypatch.setattr(Claims, "take", lambda *words: pytest.fail("there is nothing to do"))
    commands.tidy(plan([RUN], tmp_path), tmp_path)
    shutil.rmtree(tmp_path / "runs")
    commands.tidy(plan([RUN], tmp_path), tmp_path)


def end_without_tidying(run: Run, place: Path, results: Path, *rest: Any) -> None:
    """In a run's process: be killed between its last file and the removal of its checkpoint."""
    (place / store.CHECKPOINT).touch()
    finish(results, run)
    os.kill(os.getpid(), signal.SIGKILL)


class Silent:
    def started(self, *_: Any) -> None: ...
    def ended(self, *_: Any) -> None: ...


def test_a_run_killed_after_its_result_is_done_and_leaves_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "work", end_without_tidying)
    (result,) = launch.local([RUN], tmp_path, "quick", Silent())  # type: ignore[arg-type]
    assert result is not None
    assert result.status == "done"
    assert not (store.directory(tmp_path, RUN) / store.CHECKPOINT).exists()
