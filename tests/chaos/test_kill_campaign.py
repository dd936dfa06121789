"""The kill campaign itself, with few kills: `tox -e chaos` has many. What it compares, it must find if it differs."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import verification
from verification import Fingerprint
from workload import Place, allowed

CAMPAIGN = Path(__file__).with_name("campaign.py")
KILLS = 4
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")


@dataclass(frozen=True)
class Ended:
    """A campaign that has ended: its place, its figures, and what it printed."""

    place: Place
    figures: dict[str, Any]
    said: str
    code: int


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = tmp_path_factory.mktemp("campaign")
    words = ["--small", "--without-disasters", "--kills", str(KILLS), "--seed", "3", "--folder", str(folder)]
    words += ["--to", str(folder / "figures.json")]
    done = subprocess.run([sys.executable, str(CAMPAIGN), *words], capture_output=True, text=True, timeout=800)
    assert done.stderr == ""
    figures = json.loads((folder / "figures.json").read_text())
    return Ended(Place(folder / "results", folder / "data"), figures, done.stdout, done.returncode)


@pytest.mark.slow
@pytest.mark.long
def test_a_few_kills_change_nothing(campaign: Ended) -> None:
    assert campaign.code == 0, campaign.said
    assert (campaign.figures["kills"], campaign.figures["mismatches"]) == (KILLS, 0)
    assert sum(hit["times"] for hit in campaign.figures["hits"]) == KILLS
    assert campaign.figures["sweeps"] >= 1
    assert campaign.figures["runs"] == campaign.figures["sweeps"]
    assert f"{campaign.figures['sweeps']} sweeps finished, {campaign.figures['runs']} runs verified, 0 mismatches" in (
        campaign.said
    )


def one(place: Place, pattern: str) -> Path:
    (found,) = place.results.glob(pattern)
    return found


def flip(path: Path) -> None:
    """Change the last byte of a file."""
    raw = path.read_bytes()
    path.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))


def execute(place: Place, command: str) -> None:
    with closing(sqlite3.connect(place.results / "mlflow.db")) as store, store:
        store.execute(command)


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


PLANTED: dict[str, tuple[Callable[[Place], Any], str]] = {
    "a claim": (lambda place: one(place, "runs/*/*/run.json").with_name(".claim").mkdir(), "left behind: runs/"),
    "a probe": (lambda place: (place.results / ".clock.host.7").touch(), "left behind: .clock.host.7"),
    "a checkpoint": (lambda place: one(place, "runs/*/*/run.json").with_name("checkpoint.pt").touch(), "checkpoint.pt"),
    "no log": (lambda place: one(place, "runs/*/*/log.txt").unlink(), "missing: runs/"),
    "weights": (lambda place: flip(one(place, "runs/*/*/network.pt")), "network.pt"),
    "counts": (lambda place: flip(one(place, "smoke/*-layers.csv")), "-layers.csv"),
    "a curve": (lambda place: replace_in(one(place, "runs/*/*/curves.csv"), "\n2,", "\n3,"), "curves.csv"),
    "an accuracy": (lambda place: replace_in(one(place, "smoke/nmnist.csv"), ",done,", ",failed,"), "nmnist.csv"),
    "frames": (lambda place: flip(next(place.frames.glob("T2-*/test-images.npy"))), "test-images.npy"),
    "a run twice in MLflow": (
        lambda place: execute(
            place,
            "insert into tags (key, value, run_uuid) "
            "select 'snn.run_key', (select value from tags where key = 'snn.run_key'), run_uuid from runs "
            "where run_uuid not in (select run_uuid from tags where key = 'snn.run_key')",
        ),
        "mirrored: ",
    ),
    "a status in MLflow": (lambda place: execute(place, "update runs set status = 'RUNNING'"), "mirrored: "),
    "a metric in MLflow": (lambda place: execute(place, "update metrics set value = value + 1"), "mirrored: "),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", [*PLANTED])
def test_what_differs_from_an_undisturbed_sweep_is_found(what: str, campaign: Ended, tmp_path: Path) -> None:
    plant, named = PLANTED[what]
    copy = Place(tmp_path / "results", tmp_path / "data")
    shutil.copytree(campaign.place.results, copy.results)
    shutil.copytree(campaign.place.frames, copy.frames)
    expected: Fingerprint = verification.fingerprint(campaign.place)
    assert verification.differences(verification.fingerprint(copy), expected) == []
    plant(copy)
    wrong = verification.differences(verification.fingerprint(copy), expected)
    assert any(named in line for line in wrong), wrong


def test_exit_codes_are_explained_by_what_was_hit() -> None:
    assert allowed([]) == {0}
    assert allowed([("run", signal.SIGKILL)]) == {0, 1}
    assert allowed([("reader", signal.SIGTERM)]) == {0, 2}
    assert allowed([("launcher", signal.SIGKILL)]) == {0, -9}
    assert allowed([("mlflow", signal.SIGKILL), ("group", signal.SIGTERM)]) == {0, 1, 130, -15}
