"""Two launchers on this machine stand for two nodes: a process that is killed ends its run, which is resumed later."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.runs import store
from benchmarks.runs.record import read_csv
from benchmarks.spec import Run

EPOCHS = 3
RUN = Run("digits", "preact-resnet-tiny", f"dsr-if@epochs={EPOCHS}", 2, 0, "smoke")
PATIENCE_SECONDS = 300.0


Node = tuple[subprocess.Popen[bytes], Path]
"""torchrun on a node, and what it prints."""


def started(results: Path) -> list[Node]:
    """torchrun on each of two nodes."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    words = f"--nnodes 2 --nproc-per-node 1 --rdzv-backend c10d --rdzv-id test --rdzv-endpoint 127.0.0.1:{port}"
    run = f"run --dataset {RUN.dataset} --network {RUN.network} --method {RUN.method} -T 2 --scale smoke"
    command = [sys.executable, "-m", "torch.distributed.run", *words.split(), "-m", "benchmarks", *run.split()]
    settings = {"DSR_RESULTS": str(results), "DSR_TRACKING": "off", "DSR_WORKERS": "0", "OMP_NUM_THREADS": "1"}
    nodes = []
    for number in range(2):
        printed = results / f"node-{number}-{port}"
        with printed.open("wb") as file:
            node = subprocess.Popen(command, env=os.environ | settings, stdout=file, stderr=file)
        nodes.append((node, printed))
    return nodes


def children(process: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def rank(process: int) -> str:
    """What torchrun has told a process of its place."""
    settings = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    return next((one.decode().partition("=")[2] for one in settings if one.startswith(b"RANK=")), "")


def trains(node: int) -> tuple[str, int]:
    """The rank on a node, and the process that trains: torchrun's child's child's youngest child."""
    (command,) = children(node)
    server = children(command)[-1]
    return rank(command), children(server)[-1]


def wait(until: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not until():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slurm
@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the processes under /proc")
def test_a_killed_process_ends_the_run_on_both_nodes_and_the_same_commands_go_on(tmp_path: Path) -> None:
    place = store.directory(tmp_path, RUN)
    nodes = started(tmp_path)
    try:
        wait((place / store.CHECKPOINT).exists)
        (second,) = (process for number, process in (trains(node.pid) for node, _ in nodes) if number == "1")
        os.kill(second, signal.SIGKILL)
        wait(lambda: any(node.poll() is not None for node, _ in nodes))
        ((first, printed),) = ((node, printed) for node, printed in nodes if node.poll() is not None)
        said = " ".join(printed.read_text().split())
        assert first.returncode == 1, said
        assert f"failed: {RUN.method} T=2 seed 0" in said
    finally:
        for node, _ in nodes:  # as srun does with the other node, whose torchrun would wait five minutes
            node.kill()
        for node, _ in nodes:
            node.wait(PATIENCE_SECONDS)
    failed = store.result(tmp_path, RUN)
    assert failed is not None
    assert (failed.status, (place / store.CHECKPOINT).exists()) == ("failed", True)
    assert len(read_csv(place / store.CURVES)) < EPOCHS

    nodes = started(tmp_path)
    assert [node.wait(PATIENCE_SECONDS) for node, _ in nodes] == [0, 0]
    assert "1 of them partly done" in "".join(printed.read_text() for _, printed in nodes)
    done = store.result(tmp_path, RUN)
    assert done is not None
    assert (done.status, done.epochs) == ("done", EPOCHS)
    assert [int(row["epoch"]) for row in read_csv(place / store.CURVES)] == [*range(1, EPOCHS + 1)]
