"""How many runs go on at once, and what each one's process is told of its share."""

from __future__ import annotations

import os

import pytest
import torch

from benchmarks.distributed import torchrun
from benchmarks.launching import workers as shares
from benchmarks.launching.workers import Workers, take_share, workers
from benchmarks.measurement import joules
from benchmarks.spec import BadInput


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight cores, no GPU, and no variable that a user might have set."""
    monkeypatch.setattr(shares, "cores", lambda: 8)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    for name in (shares.THREADS, shares.GPUS, shares.DECODERS):
        monkeypatch.setenv(name, "noted, so that it is put back")
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("jobs", "scale", "threads", "count", "each"),
    [
        (None, "smoke", None, 8, "1"),
        (None, "laptop", None, 1, None),  # alone, so that its timings count
        (None, "laptop", "2", 4, None),  # the user's two threads are inherited
        (None, "smoke", "3", 2, None),
        (None, "smoke", "64", 1, None),
        (None, "laptop", "2,1", 4, None),
        (None, "laptop", "1", 8, None),  # a campaign: one run per core with one thread each
        (2, "laptop", None, 2, "4"),
        (3, "smoke", None, 3, "2"),
        (20, "laptop", None, 20, "1"),
        (2, "laptop", "8", 2, None),
        (1, "smoke", None, 1, None),
    ],
)
def test_runs_at_once_and_threads_of_each(
    jobs: int | None, scale: str, threads: str | None, count: int, each: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if threads:
        monkeypatch.setenv(shares.THREADS, threads)
    found = workers(jobs, scale)  # type: ignore[arg-type]
    assert found.count == count
    assert found.settings(0).get(shares.THREADS) == each


@pytest.mark.parametrize(
    ("jobs", "visible", "count", "places"),
    [
        (None, None, 3, ["0", "1", "2"]),
        (None, "5,GPU-a7,1", 3, ["5", "GPU-a7", "1"]),
        (4, None, 4, ["0", "1", "2", "0"]),
        (2, None, 2, ["0", "1"]),
    ],
)
def test_every_worker_has_a_gpu_of_its_own_while_they_last(
    jobs: int | None, visible: str | None, count: int, places: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    if visible:
        monkeypatch.setenv(shares.GPUS, visible)
    found = workers(jobs, "paper")
    assert found.count == count
    assert [found.settings(worker)[shares.GPUS] for worker in range(count)] == places


def test_one_gpu_has_one_run_at_a_time_which_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert workers(None, "smoke") == Workers()
    assert workers(None, "smoke").settings(0) == {}
    assert shares.GPUS not in workers(2, "paper").settings(1)


def test_decoders_are_shared_out_unless_the_user_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    assert workers(3, "laptop").settings(0)[shares.DECODERS] == "2"
    monkeypatch.setenv(shares.DECODERS, "0")
    assert shares.DECODERS not in workers(3, "laptop").settings(0)


def test_a_run_works_with_its_share_of_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    try:
        take_share({shares.THREADS: "3"})
        assert torch.get_num_threads() == 3
        assert os.environ[shares.THREADS] == "3"
        take_share({})
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_torchruns_processes_carry_one_run_out_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchrun, "size", lambda: 2)
    assert workers(None, "smoke") == workers(1, "smoke") == Workers()
    with pytest.raises(BadInput, match="--jobs 2: torchrun's processes carry one run out together"):
        workers(2, "smoke")


@pytest.mark.parametrize(
    ("gpus", "jobs", "gpu", "processor"),
    [
        (0, 1, None, "RAPL"),
        (0, 2, None, None),  # each would count what the other one draws
        (1, 1, "NVML", "RAPL"),
        (1, 2, None, None),
        (2, 2, "NVML", None),
        (2, 3, None, None),
    ],
)
def test_no_run_counts_the_joules_of_another_one_as_its_own(
    gpus: int, jobs: int, gpu: str | None, processor: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(joules, "_uuid", lambda device: "GPU-abc")
    monkeypatch.setattr(joules, "nvml", lambda uuid: joules.Meter([joules.Counter(lambda: 1, 1.0)], "NVML"))
    monkeypatch.setattr(joules, "rapl", lambda: joules.Meter([joules.Counter(lambda: 1, 1.0)], "RAPL"))
    for name, value in workers(jobs, "paper").settings(0).items():
        monkeypatch.setenv(name, value)
    device = torch.device("cuda", 0) if gpus else torch.device("cpu")
    assert joules.meter(device).source == (" + ".join(filter(None, (gpu, processor))) or None)


def test_runs_at_once_share_the_cores_and_need_longer_than_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert [Workers(count).crowding() for count in (1, 2, 4, 6)] == [1.0, 1.0, 1.0, 1.5]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [Workers(count, None, ("0", "1")).crowding() for count in (2, 3)] == [1.0, 1.5]
