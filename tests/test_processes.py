"""One process and two train to the same parameters; torchrun starts the two as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from image_folder import make
from torch import distributed, multiprocessing, nn

import dsr
from benchmarks.data import Dataset, Split
from benchmarks.data.inputs import Pixels
from benchmarks.distributed.processes import ALONE, Team, joined
from benchmarks.measurement.metering import Memory
from benchmarks.methods import backward
from benchmarks.networks import build
from benchmarks.networks.parts import DirectCoding
from benchmarks.runs import store
from benchmarks.runs.identity import parent
from benchmarks.runs.record import read_csv
from benchmarks.spec import BadInput, Recipe, Run
from benchmarks.training.loop import Trainer, Training

NETWORK = "preact-resnet-imagenet-tiny"
METHODS = ("dsr-ann", "dsr-if", "exact", "dsr-if-rep", "stbp-tdbn", "tandem", "rate-bp")
"""Double precision is trained by the network's own modules in `dsr-if`; `exact` is the same by DSR's engine."""
WITH_THRESHOLDS = ("dsr-if", "exact", "dsr-if-rep")
BY_STEP: dict[str, dict[str, Any]] = {"sltt-k": {"loss": "tet", "trained_steps": 2}}
"""Those that go backward behind single steps: of two processes, behind the same ones."""
COUNT, STEPS = 22, 3  # batches of 8, 8 and 6: no two processes' shares of all of them are alike
PATIENCE_SECONDS = 800


def made(method: str, recipe: Recipe | None = None) -> nn.Module:
    """A fresh tiny network in double precision."""
    steps = 1 if method == "dsr-ann" else STEPS
    network = build(NETWORK, "dsr-if" if method == "exact" else method, steps, 10, recipe=recipe).double()
    if method == "exact":
        assert isinstance(network, dsr.Exact)
        return dsr.Exact(network._hidden[0], DirectCoding, always=True)
    return network


def trained(method: str, team: Team = ALONE) -> tuple[dict[str, Any], Training]:
    """A tiny network after three steps in double precision, and its curves."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (COUNT, 3, 32, 32), generator=generator).to(torch.uint8)
    split = Split(images, torch.arange(COUNT) % 10)
    data = Dataset("noise", 10, split, None, split, _DoublePixels((0.5,) * 3, (0.25,) * 3), "", "")
    neuron = {"threshold": 0.3} if method in WITH_THRESHOLDS else {}
    recipe = Recipe(1, 8, 0.05, warmup_iterations=1, neuron=neuron, **BY_STEP.get(method, {}))
    torch.manual_seed(team.rank)  # all take over the first one's
    network = made(method, recipe)
    by_step = backward(method, recipe) if method in BY_STEP else None
    trainer = Trainer(network, data, recipe, 0, STEPS, team, by_step)
    training = Training(Memory(0))
    trainer.run(training, lambda training: None)
    return network.state_dict(), training


class _DoublePixels(Pixels):
    def scaled(self, images: torch.Tensor) -> torch.Tensor:
        return super().scaled(images).double()


def _of_two(rank: int, port: int, to: str) -> None:
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "True"
    for method in METHODS:
        with joined(method) as team:
            torch.save(trained(method, team), f"{to}/{method}-{rank}.pt")


@pytest.fixture(scope="module")
def by_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes made of every method's network."""
    store, place = distributed.TCPStore("127.0.0.1", 0, is_master=True), tmp_path_factory.mktemp("two")
    multiprocessing.start_processes(_of_two, (store.port, str(place)), nprocs=2, start_method="spawn")
    return place


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_two_processes_train_the_network_that_one_trains(method: str, by_two: Path) -> None:
    start = made(method).state_dict()
    alone, curve = trained(method)
    for rank in (0, 1):
        together, their_curve = torch.load(by_two / f"{method}-{rank}.pt", weights_only=False)
        assert together.keys() == alone.keys() == start.keys()
        for name, value in alone.items():
            assert torch.allclose(together[name], value, rtol=1e-9, atol=1e-11), name
        (ours,), (theirs,) = curve.epochs, their_curve.epochs
        assert theirs.train_loss == pytest.approx(ours.train_loss, rel=1e-9)
        assert theirs.test_loss == pytest.approx(ours.test_loss, rel=1e-9)
        assert (theirs.train_top1, theirs.test_top1) == pytest.approx((ours.train_top1, ours.test_top1))
        assert not torch.equal(alone["stages.0.0.conv1.weight"], start["stages.0.0.conv1.weight"])
    moved = [name for name in alone if name.endswith("threshold") and abs(alone[name].item() - 0.3) > 1e-6]
    assert len(moved) > 5 or method not in WITH_THRESHOLDS, "thresholds have not moved: nothing is shown of them"


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(BadInput, match="7 processes cannot share a batch of 6 images"):
        trained("dsr-ann", Team(0, 7))


LAME = """
import os
from baselines.stbp import LIF
from benchmarks.method import Method

class Lame(LIF):
    def forward(self, x):
        if os.environ.get("RANK") == "1":
            raise RuntimeError("lame")
        return super().forward(x)

METHOD = Method("fails in the second process", Lame)
"""
SEVERAL = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def bench(start: list[str], words: str, data: Path, results: Path) -> subprocess.CompletedProcess[str]:
    settings = {"DSR_DATA": str(data), "DSR_TRACKING": "off", "DSR_WORKERS": "0", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *start, "-m", "benchmarks", *words.split()],
        env=os.environ | settings | {"DSR_RESULTS": str(results)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


@pytest.mark.slow
@pytest.mark.long
def test_torchrun_carries_a_run_and_its_parent_out_as_one_process_does(tmp_path: Path) -> None:
    make(tmp_path)
    child = Run("imagenet", NETWORK, "dsr-if-hybrid", 2, 0, "smoke")
    words = f"run --dataset imagenet --network {NETWORK} --method {child.method} --timesteps 2 --scale smoke"
    rows = {}
    for name, start in {"one": [], "two": SEVERAL}.items():
        done = bench(start, words, tmp_path, tmp_path / name)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count(" page ") == 1  # the second process is silent
        for run in (parent(child), child):
            assert run is not None
            found = store.result(tmp_path / name, run)
            assert found is not None
            assert (found.status, found.epochs, found.train_images, found.test_images) == ("done", 2, 100, 50)
            assert found.provenance.device == {"one": "cpu", "two": "2 processes, cpu"}[name]
            rows[run.method, name] = found
    for method in ("dsr-ann", "dsr-if-hybrid"):
        one, two = (rows[method, name] for name in ("one", "two"))
        assert two.key == one.key
        # float32, summed in another order; a spike that moves moves others
        assert two.train_loss == pytest.approx(one.train_loss, rel=1e-4 if method == "dsr-ann" else 0.05)
    assert (store.directory(tmp_path / "two", child) / "log-1.txt").exists()


@pytest.mark.slow
@pytest.mark.long
def test_a_parent_that_fails_in_two_processes_costs_its_children_and_no_other_run(tmp_path: Path) -> None:
    make(tmp_path)
    child, other = (
        Run("imagenet", NETWORK, method, steps, 0, "smoke") for method, steps in (("dsr-if-hybrid", 2), ("ann", 1))
    )
    origin = parent(child)
    assert origin is not None
    place = store.directory(tmp_path / "results", origin)
    place.mkdir(parents=True)
    (place / store.LEDGER).mkdir()  # it cannot be recorded, and its weights are saved after that
    words = "sweep imagenet --scale smoke --methods dsr-if-hybrid,ann --timesteps 2 --seeds 0"
    done = bench(SEVERAL, words, tmp_path, tmp_path / "results")
    assert done.returncode == 1, done.stdout + done.stderr
    results = [store.result(tmp_path / "results", run) for run in (origin, child, other)]
    assert [found and found.status for found in results] == ["failed", "failed", "done"]
    assert results[1] is not None
    assert results[1].reason == f"its parent did not finish: {origin}"


@pytest.mark.slow
@pytest.mark.long
def test_a_run_that_fails_in_the_second_process_alone_costs_no_other_run_and_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lame.py").write_text(LAME)
    monkeypatch.setenv("DSR_METHODS", str(tmp_path / "lame.py"))
    words = "sweep quick --methods lame,ann --timesteps 2 --seeds 0"
    done = bench(SEVERAL, words, tmp_path, tmp_path / "results")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "process 1 of torchrun failed; log: " in done.stderr
    assert done.stdout.count(" page ") == 1, "the first process was ended before it had written the report"
    rows = read_csv(tmp_path / "results" / "smoke" / "quick.csv")
    assert {row["method"]: row["status"] for row in rows} == {"lame": "failed", "ann": "done"}
    (log,) = tmp_path.glob("results/runs/*/lame-*/log-1.txt")
    assert "RuntimeError: lame" in log.read_text()
