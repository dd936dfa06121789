"""Out of memory is a row of its own: the errors that mean it, the kernel's kills, and the sweep that goes on."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ended_runs import finish

from benchmarks.export.rows import export
from benchmarks.launching import launch, out_of_memory, process
from benchmarks.runs import store
from benchmarks.runs.record import read_csv
from benchmarks.spec import Run
from benchmarks.training.loop import Trainer

DOOMED = Run("digits", "preact-resnet-tiny", "dsr-if", 2, 0, "smoke")
FINE = Run("digits", "preact-resnet-tiny", "ann", 1, 0, "smoke")
MUCH = 2**50
work = process.work


@pytest.mark.parametrize("allocate", [torch.empty, np.empty, bytearray])
def test_allocations_that_are_refused_mean_it(allocate: Callable[[int], Any]) -> None:
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        allocate(MUCH)
    assert out_of_memory.means(caught.value)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("a name that says out of memory"), False),
    ],
)
def test_errors_are_told_apart_by_class_and_words(error: Exception, expected: bool) -> None:
    assert out_of_memory.means(error) == expected


@pytest.mark.parametrize(
    ("code", "before", "after", "status", "words"),
    [
        (-signal.SIGKILL, 3, 4, "out-of-memory", "the kernel ended"),
        (-signal.SIGKILL, None, None, "out-of-memory", "SIGKILL, as the kernel does"),
        (-signal.SIGKILL, 3, 3, "failed", "not by the kernel"),
        (-signal.SIGSEGV, 3, 4, "failed", "SIGSEGV"),
        (7, 3, 4, "failed", "exited with 7"),
    ],
)
def test_a_killed_process_ran_out_of_memory_where_the_kernel_counts_it(
    code: int, before: int | None, after: int | None, status: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(out_of_memory, "kills", lambda: after)
    found, reason = out_of_memory.ending(code, before)
    assert found == status
    assert words in reason


def test_the_kernels_kills_are_read_from_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages, events = tmp_path / "vmstat", tmp_path / "memory.events"
    monkeypatch.setattr(out_of_memory, "COUNTERS", (pages, events))
    assert out_of_memory.kills() is None
    pages.write_text("nr_free_pages 5\noom_kill 3\n")
    assert out_of_memory.kills() == 3
    events.write_text("oom 9\noom_kill 1\noom_kill_disable 0\n")
    assert out_of_memory.kills() == 4


class Silent:
    def started(self, *_: Any) -> None: ...
    def epoch(self, *_: Any) -> None: ...
    def simulated(self, *_: Any) -> None: ...
    def ended(self, *_: Any) -> None: ...


def short_of_memory(run: Run, *rest: Any) -> None:
    """One run's training asks for more than there is: torch's own refusal, in the process of the run."""
    if run == DOOMED:
        setattr(Trainer, "run", lambda *_: torch.empty(MUCH))  # noqa: B010
    work(run, *rest)


def killed(run: Run, *rest: Any) -> None:
    """One run's process ends as the kernel ends it."""
    if run == DOOMED:
        os.kill(os.getpid(), signal.SIGKILL)
    work(run, *rest)


@pytest.mark.parametrize(("body", "words"), [(short_of_memory, "allocate memory"), (killed, "for want of memory")])
def test_a_run_out_of_memory_is_a_row_and_the_sweep_goes_on(
    body: Callable[..., None], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = iter(range(9))
    monkeypatch.setattr(out_of_memory, "kills", lambda: next(counts))
    monkeypatch.setattr(process, "work", body)
    finish(tmp_path, FINE)  # its process finds that nothing is left to do
    ended = launch.local([DOOMED, FINE], tmp_path, "quick", Silent())
    assert [result.status for result in ended] == ["out-of-memory", "done"]
    assert words in str(ended[0].reason)
    export("quick", [DOOMED, FINE], "smoke", tmp_path)
    rows = {row["method"]: row["status"] for row in read_csv(tmp_path / "smoke" / "quick.csv")}
    assert rows == {"dsr-if": "out-of-memory", "ann": "done"}
    assert store.result(tmp_path, DOOMED) == ended[0]
