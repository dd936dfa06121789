"""MLflow's troubles stay its own: one line of text, never an exception."""

from __future__ import annotations

import json
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest
from mirrored import (
    RUN,
    client,
    ended,
    found,
    needs_mlflow,
    started,
    the_run,
    trained,
)

from benchmarks.files import addresses
from benchmarks.tracking import connection, mirror

NAMED = "sqlite:///mlflow.db"
FEW_SECONDS = 100
"""Of a busy machine; left alone, mlflow waits more than 240 s."""


@needs_mlflow
def test_an_unreachable_server_costs_a_line_and_few_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    directories, began = [ended(started(tmp_path, str(n))) for n in range(5)], time.monotonic()
    for trouble in (mirror.mirror(directories, tmp_path), mirror.close_stale(tmp_path, set())):
        assert trouble is not None
        assert "127.0.0.1:9" in trouble
        assert "secret" not in trouble
        assert "\n" not in trouble
    assert time.monotonic() - began < FEW_SECONDS
    assert not list(tmp_path.rglob("mlflow.json"))


@needs_mlflow
def test_a_server_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        began = time.monotonic()
        trouble = mirror.mirror([started(tmp_path, str(n)) for n in range(5)], tmp_path) or ""
        assert trouble.endswith(": no answer within 1 s (MLFLOW_HTTP_REQUEST_TIMEOUT)")
        assert connections(deaf) == 2, "one try and one more, for the first of five runs"
    assert time.monotonic() - began < FEW_SECONDS


@needs_mlflow
def test_a_server_that_hangs_up_is_named_in_a_few_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as rude:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address := f"http://127.0.0.1:{rude.getsockname()[1]}")
        threading.Thread(target=hang_up, args=(rude,), daemon=True).start()
        trouble = mirror.mirror([started(tmp_path, "run")], tmp_path)
    assert trouble == f"MLflow at {address}: the server closed the connection"


def hang_up(server: socket.socket) -> None:
    """Accept and reset, as a server does that is killed amid a request."""
    with suppress(OSError):
        while True:
            with server.accept()[0] as caller:
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@needs_mlflow
def test_an_unknown_host_is_named_in_a_few_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")  # a proxy would answer in the host's place
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address := "http://nowhere.invalid:5000")
    assert mirror.mirror([started(tmp_path, "run")], tmp_path) == f"MLflow at {address}: no such host"


def connections(server: socket.socket) -> int:
    """How many have come in and wait to be accepted."""
    server.setblocking(False)
    count = 0
    with suppress(BlockingIOError):
        while True:
            server.accept()[0].close()
            count += 1
    return count


def test_a_locked_database_costs_a_line_and_few_seconds(store: Path) -> None:
    with closing(sqlite3.connect(store / "mlflow.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        assert "database is locked" in (mirror.mirror([started(store, "locked")], store) or "")
    assert time.monotonic() - began < FEW_SECONDS
    assert mirror.mirror([store / "runs" / "locked"], store) is None


@needs_mlflow
def test_a_database_that_cannot_be_opened_costs_a_line(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").mkdir()
    began = time.monotonic()
    assert "unable to open database file" in (mirror.mirror([started(tmp_path, "a")], tmp_path) or "")
    assert time.monotonic() - began < FEW_SECONDS


def test_without_mlflow_there_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    for trouble in (mirror.mirror([started(tmp_path, "a")], tmp_path), mirror.close_stale(tmp_path, set())):
        assert trouble is not None
        assert "mlflow" in trouble
        assert "\n" not in trouble


def test_ctrl_c_passes_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mirror, "_bring_up_to_date", interrupted)
    with pytest.raises(KeyboardInterrupt):
        mirror.mirror([started(tmp_path, "a")], tmp_path)


@pytest.mark.slow
@pytest.mark.long
@needs_mlflow
def test_eight_processes_of_two_results_folders_make_one_store_and_one_sweep_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import sys, pathlib; from benchmarks.tracking.mirror import mirror; "
    code += "_, results, *directories = map(pathlib.Path, sys.argv); print(mirror(directories, results))"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    folders = [tmp_path / "one", tmp_path / "other"]
    places = [ended(trained(started(folders[n % 2], str(n), "cifar10"), 2)) for n in range(8)]
    root = Path(__file__).parents[2]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folders[n % 2]), str(place)],
            cwd=root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for n, place in enumerate(places)
    ]
    assert [process.communicate(timeout=800)[0] for process in processes] == ["None\n"] * 8
    assert [the_run(tmp_path, str(n)).info.status for n in range(8)] == ["FINISHED"] * 8
    assert len(found(tmp_path, "tags.`snn.kind` = 'sweep'")) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mlflow.db", "mlflow.lock", "one", "other"]


@needs_mlflow
def test_when_the_store_is_gone_what_was_settled_in_it_is_mirrored_again(tmp_path: Path) -> None:
    settled = ended(started(tmp_path, "settled"))
    marker: dict[str, Any] = {
        "uri": f"sqlite:///{tmp_path / 'mlflow.db'}",
        "run_id": "in a database that somebody has deleted",
    }
    marker["ended"] = int(1000 * (settled / "result.json").stat().st_mtime)
    (settled / "mlflow.json").write_text(json.dumps(marker))
    assert mirror.mirror([started(tmp_path, "new")], tmp_path) is None, "makes a new store"
    assert mirror.mirror([settled], tmp_path) is None
    assert the_run(tmp_path, "settled").info.status == "FINISHED"


@needs_mlflow
def test_a_results_folder_may_have_any_name(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    results = tmp_path / "what?now, 100%20 [it's] #1"
    assert mirror.mirror([started(results, "a"), ended(started(results, "b"), top1=5.0)], results) is None
    assert mirror.close_stale(results, set()) is None
    assert sorted(p.name for p in results.iterdir()) == ["mlflow.db", "mlflow.lock", "runs"]
    assert [p.name for p in tmp_path.iterdir()] == [results.name], "nothing beside it"
    runs = MlflowClient(addresses.of_file(results / "mlflow.db")).search_runs(["1"])
    assert sorted(run.info.status for run in runs) == ["FINISHED", "KILLED"]


@needs_mlflow
@pytest.mark.parametrize("uri", ["sqlite:///:memory:", "sqlite://"])
def test_a_database_in_memory_is_refused_and_is_no_file(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    for trouble in (mirror.mirror([started(tmp_path, "a")], tmp_path), mirror.close_stale(tmp_path, set())):
        assert trouble == f"MLflow at {uri}: a database in memory ends with this process; name a file, as in {NAMED}"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mlflow.lock", "runs"]


@pytest.mark.parametrize("uri", ["http://me:secret@127.0.0.1:9/?token=secret", "http://secret pass@127.0.0.1:9"])
def test_neither_a_line_nor_a_marker_tells_a_secret(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    there = connection.Connection(tmp_path)
    said = there.said(ValueError(f"no route to {uri}"))
    assert "127.0.0.1:9" in said
    assert "secret" not in said


def test_a_deleted_experiment_is_said_with_what_to_do(store: Path) -> None:
    run = replace(RUN, dataset="cifar100")
    assert mirror.mirror([started(store, "first", run=run)], store) is None
    number = client(store).get_experiment_by_name("dsr-bench/cifar100").experiment_id
    client(store).delete_experiment(number)
    trouble = mirror.mirror([started(store, "second", run=run)], store) or ""
    assert "the experiment dsr-bench/cifar100 is deleted there" in trouble
    assert f"`mlflow experiments restore --experiment-id {number}` brings it back" in trouble
    assert "\n" not in trouble
    client(store).restore_experiment(number)
    assert mirror.mirror([store / "runs" / "second"], store) is None
    (second,) = found(store, "tags.`snn.run_key` = 'second'", "cifar100")
    assert second.info.status == "RUNNING"


def test_a_run_that_somebody_deletes_meanwhile_is_begun_anew(store: Path) -> None:
    directory = trained(started(store, "deleted"), 1)
    assert mirror.mirror([directory], store) is None
    before = the_run(store, "deleted").info.run_id
    client(store).delete_run(before)
    assert mirror.mirror([ended(trained(directory, 2))], store) is None
    after = the_run(store, "deleted")
    assert after.info.run_id != before
    assert after.info.status == "FINISHED"


@pytest.mark.parametrize(
    ("version", "said"),
    [("0584bdc529eb", "is older than MLflow"), ("ffffffffffff", "is of a newer MLflow than MLflow")],
)
def test_a_database_of_another_mlflow_is_said_with_what_to_do(
    version: str, said: str, store: Path, tmp_path: Path
) -> None:
    copyfile(store / "mlflow.db", tmp_path / "mlflow.db")
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = ?", (version,))
        database.commit()
    trouble = mirror.mirror([started(tmp_path, "a")], tmp_path) or ""
    assert f"sqlite:///{tmp_path}/mlflow.db: the database {said}" in trouble
    assert "\n" not in trouble


@needs_mlflow
def test_a_store_that_cannot_be_made_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    def full(uri: str) -> None:
        (tmp_path / "mlflow.db.partial-journal").touch()
        raise OSError("(sqlite3.OperationalError) database or disk is full\n[SQL: CREATE TABLE a (b INTEGER)]")

    monkeypatch.setattr(mlflow, "MlflowClient", full)
    trouble = mirror.mirror([started(tmp_path, "a")], tmp_path)
    assert trouble == f"MLflow at sqlite:///{tmp_path}/mlflow.db: (sqlite3.OperationalError) database or disk is full"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mlflow.lock", "runs"]
