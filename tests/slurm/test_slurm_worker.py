"""What a job does with its worker, with invented workers: scripts that end, or stop when they are warned."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from submitit import LocalExecutor

from benchmarks.launching.stopping import EARLY
from benchmarks.slurm.worker import Worker

WARNED = "trap 'exit 75' USR1; kill -USR1 $PPID; while :; do sleep 0.05; done"
"""Warns the job, as Slurm does, and stops when the job passes the warning on."""
CANCELLED = "exit 75"
WORKER = Worker(("work", "quick"), requeues=2)


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Carries out a job with these lines of shell in Python's place; its exit code, and what it printed."""

    def call(lines: str, worker: Worker = WORKER) -> tuple[int, str]:
        (tmp_path / "python").write_text(f"#!/bin/sh\n{lines}\n")
        (tmp_path / "python").chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
        code = 0
        try:
            worker()
        except SystemExit as ended:
            code = int(str(ended.code))
        return code, capsys.readouterr().out

    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.delenv("SLURM_RESTART_COUNT", raising=False)
    return call


@pytest.mark.parametrize(("lines", "code"), [("exit 0", 0), ("exit 1", 1), ("kill -KILL $$", 137), (CANCELLED, 75)])
def test_a_job_ends_as_its_worker_does_and_is_not_requeued_unless_warned(job, slurm, lines: str, code: int) -> None:
    assert job(lines) == (code, "")
    assert slurm.calls("scontrol") == [], "a cancelled job that is requeued would rise from the dead"


def test_a_worker_that_a_warning_has_stopped_is_requeued(job, slurm, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "dsr-bench: time is up: the job is requeued (1 of at most 2 times)\n"
    assert job(WARNED) == (EARLY, said)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert "(2 of at most 2 times)" in job(WARNED)[1]
    assert slurm.calls("scontrol") == ["requeue 17"] * 2


def test_a_worker_that_has_done_all_or_failed_when_it_is_warned_is_not_requeued(job, slurm) -> None:
    for code in (0, 1):
        assert job(WARNED.replace("75", str(code))) == (code, "")
    assert slurm.calls("scontrol") == []


def test_a_worker_that_does_not_handle_the_warning_yet_is_requeued(job, slurm) -> None:
    assert job("kill -USR1 $PPID; while :; do sleep 0.05; done")[0] == EARLY
    assert slurm.calls("scontrol") == ["requeue 17"]


def test_a_job_is_requeued_so_often_and_no_more(job, slurm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    code, out = job(WARNED)
    assert (code, slurm.calls("scontrol")) == (EARLY, [])
    assert "has been requeued 2 times, which is the most: submit the sweep again" in out


def test_a_job_that_cannot_be_requeued_says_so(job, slurm) -> None:
    slurm.fails("scontrol", "Requested operation is presently disabled for job 17")
    code, out = job(WARNED)
    assert code == EARLY
    assert "could not be requeued (Requested operation is presently disabled for job 17): submit the sweep" in out


def test_a_worker_is_called_by_its_words_in_its_environment(
    job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "8")
    monkeypatch.setenv("DSR_DATA", "/set/in/the/job")
    note = f'echo "$*" "$OMP_NUM_THREADS" "$DSR_DATA" "$DSR_RESULTS" > {tmp_path}/note'
    environment = {"DSR_DATA": "/carried", "DSR_RESULTS": "/results"}
    assert job(note, Worker(("work", "quick", "--seeds", "0"), environment, 2))[0] == 0
    expected = "-m benchmarks work quick --seeds 0 4 /set/in/the/job /results\n"
    assert (tmp_path / "note").read_text() == expected
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    job(note, Worker(("work",)))
    assert (tmp_path / "note").read_text().split()[3] == "3", "what is stated counts"


@pytest.mark.slow
def test_submitit_carries_a_worker_out_in_a_process_of_its_own(tmp_path: Path) -> None:
    executor = LocalExecutor(tmp_path)
    jobs = [executor.submit(Worker(words)) for words in (("--help",), ("no-command",))]
    assert [one.exception() is None for one in jobs] == [True, False]
    assert "Train and convert spiking networks" in (jobs[0].stdout() or "")
    assert "No such command 'no-command'" in (jobs[1].stderr() or "")
