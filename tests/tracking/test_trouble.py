"""MLflow's troubles stay its own: one line of text, never an exception."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mirrored import (
    ended,
    found,
    needs_mlflow,
    started,
    the_run,
    trained,
)

from benchmarks import tracking


@needs_mlflow
def test_an_unreachable_server_costs_a_line_and_few_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    directories, began = [ended(started(tmp_path, str(n))) for n in range(5)], time.monotonic()
    for trouble in (tracking.mirror(directories, tmp_path), tracking.close_stale(tmp_path, set())):
        assert trouble is not None
        assert "127.0.0.1:9" in trouble
        assert "secret" not in trouble
        assert "\n" not in trouble
    assert time.monotonic() - began < 10
    assert not list(tmp_path.rglob("mlflow.json"))


@needs_mlflow
def test_a_server_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        began = time.monotonic()
        assert tracking.mirror([started(tmp_path, str(n)) for n in range(5)], tmp_path)
    assert time.monotonic() - began < 8


def test_a_locked_database_costs_a_line_and_few_seconds(store: Path) -> None:
    with closing(sqlite3.connect(store / "mlflow.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        assert "database is locked" in (tracking.mirror([started(store, "locked")], store) or "")
    assert time.monotonic() - began < 10
    assert tracking.mirror([store / "runs" / "locked"], store) is None


@needs_mlflow
def test_a_database_that_cannot_be_opened_costs_a_line(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").mkdir()
    began = time.monotonic()
    assert "unable to open database file" in (tracking.mirror([started(tmp_path, "a")], tmp_path) or "")
    assert time.monotonic() - began < 10


def test_without_mlflow_there_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    for trouble in (tracking.mirror([started(tmp_path, "a")], tmp_path), tracking.close_stale(tmp_path, set())):
        assert trouble is not None
        assert "mlflow" in trouble
        assert "\n" not in trouble


def test_ctrl_c_passes_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tracking._Mirror, "bring_up_to_date", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tracking.mirror([started(tmp_path, "a")], tmp_path)


@needs_mlflow
def test_four_processes_make_one_store_and_one_sweep_together(tmp_path: Path) -> None:
    code = "import sys, pathlib; from benchmarks.tracking import mirror; "
    code += "_, results, *directories = map(pathlib.Path, sys.argv); print(mirror(directories, results))"
    directories = [ended(trained(started(tmp_path, str(n), "cifar10"), 2)) for n in range(4)]
    command = [sys.executable, "-c", code, str(tmp_path)]
    root = Path(__file__).parent.parent
    processes = [
        subprocess.Popen([*command, str(d)], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for d in directories
    ]
    assert [process.communicate(timeout=120)[0] for process in processes] == ["None\n"] * 4
    assert [the_run(tmp_path, str(n)).info.status for n in range(4)] == ["FINISHED"] * 4
    assert len(found(tmp_path, "tags.`snn.kind` = 'sweep'")) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mlflow.db", "mlflow.lock", "runs"]


@needs_mlflow
def test_when_the_store_is_gone_what_was_settled_in_it_is_mirrored_again(tmp_path: Path) -> None:
    settled = ended(started(tmp_path, "settled"))
    marker: dict[str, Any] = {
        "uri": f"sqlite:///{tmp_path / 'mlflow.db'}",
        "run_id": "in a database that somebody has deleted",
    }
    marker["ended"] = int(1000 * (settled / "result.json").stat().st_mtime)
    (settled / "mlflow.json").write_text(json.dumps(marker))
    assert tracking.mirror([started(tmp_path, "new")], tmp_path) is None, "makes a new store"
    assert tracking.mirror([settled], tmp_path) is None
    assert the_run(tmp_path, "settled").info.status == "FINISHED"
