"""Workers under a real Slurm (`tox -e slurm`): whatever happens, no run is lost and none is carried out twice."""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from host import Host, free_port, lacking, slurm_in

from benchmarks.cli import arguments
from benchmarks.runs import store
from benchmarks.runs.plan import plan
from benchmarks.runs.record import read_csv
from benchmarks.spec import Run

WHY_NOT = lacking() or (os.environ.get("PYTEST_XDIST_WORKER", "") and "tests on Slurm want the machine: `tox -e slurm`")
pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]

METHODS, RUNS = "ann,qcfs", 4
"""ann, qcfs's parent, and qcfs at two T."""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with slurm_in(tmp_path_factory.mktemp("slurm")) as started:
        yield started


class Bench:
    """`dsr-bench sweep quick` with these methods, on a results folder of its own, on Slurm or here."""

    def __init__(self, host: Host, results: Path, methods: str = METHODS, timesteps: str = "2,4") -> None:
        self.host, self.results = host, results
        self.selection = f"--scale smoke --methods {methods} --timesteps {timesteps} --seeds 0"
        self.runs = arguments.sweep_request("quick", "smoke", None, methods, timesteps, "0", False).runs
        results.mkdir(exist_ok=True)

    def call(self, words: str) -> str:
        settings = {"DSR_RESULTS": str(self.results), "DSR_TRACKING": "off", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks", *words.split()],
            env=self.host.environment | settings,
            cwd=self.results,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        return done.stdout

    def submit(self, options: str = "--workers 2") -> str:
        return self.call(f"sweep quick {self.selection} --launcher slurm --cpus 1 {options}")

    def missing(self) -> int:
        return len(plan(self.runs, self.results).missing)

    def begun(self) -> int:
        """How many runs have a checkpoint now."""
        return len(list(self.results.rglob(store.CHECKPOINT)))

    def logs(self) -> str:
        return "".join(path.read_text() for path in sorted(self.results.glob("slurm/*/*_log.*")))

    def ended(self) -> Counter[str]:
        """How often each run has been carried out, by what the workers have printed."""
        return Counter(re.findall(r"^ [✓✗] +\d+/\d+ +(.*? seed \d+)", self.logs(), re.MULTILINE))

    def finish(self) -> None:
        """Wait until no job is left; submit again for what is missing then, as a user would."""
        self.host.wait(lambda: not self.host.jobs())
        if self.missing():
            self.submit()
            self.host.wait(lambda: not self.host.jobs())

    def assert_all_done_once(self, runs: int = RUNS) -> None:
        assert self.missing() == 0, self.logs()
        assert len(self.ended()) == runs, self.logs()
        assert set(self.ended().values()) == {1}, self.logs()
        results = [store.result(self.results, run) for run in self.runs]
        assert [found and found.status for found in results] == ["done"] * len(results)


@pytest.fixture(autouse=True)
def idle(host: Host) -> Iterator[None]:
    """Whatever a test has left is gone before the next one."""
    yield
    host.said("scancel", "--user=root")
    host.said("scontrol", "update", "node=ALL", "state=resume", check=False)
    host.wait(lambda: not host.jobs() and host.is_idle(), 120)


@pytest.fixture
def bench(host: Host, tmp_path: Path) -> Bench:
    return Bench(host, tmp_path)


def test_a_sweep_is_submitted_and_finished_and_submitting_again_does_nothing(bench: Bench) -> None:
    assert "2 workers submitted to dsr-test, up to 4 h 00 min each, 1 CPU: job" in bench.submit()
    assert "2 workers of this command waiting or running already, 2 wanted: nothing submitted" in bench.submit()
    bench.finish()
    bench.assert_all_done_once()
    assert "nothing is missing, so nothing is submitted" in bench.submit()
    bench.call(f"sweep quick {bench.selection}")
    assert len(read_csv(bench.results / "smoke" / "quick.csv")) == RUNS


def test_a_killed_worker_costs_no_run(bench: Bench) -> None:
    bench.submit()
    bench.host.wait(bench.begun)
    for process in bench.host.processes(bench.host.jobs("RUNNING")[0]):
        os.kill(process, signal.SIGKILL)
    bench.finish()
    bench.assert_all_done_once()


def test_a_node_that_goes_down_costs_no_run_and_a_drained_one_gets_none(bench: Bench) -> None:
    for node in ("n1", "n2"):
        bench.host.said("scontrol", "update", f"node={node}", "state=drain", "reason=test")
    bench.submit()
    assert len(bench.host.jobs("PENDING")) == 2
    for node in ("n1", "n2"):
        bench.host.said("scontrol", "update", f"node={node}", "state=resume")
    bench.host.wait(lambda: bench.begun() and len(bench.host.jobs("RUNNING")) == 2)
    bench.host.said("scontrol", "update", "node=n1", "state=down", "reason=test")
    bench.host.wait(lambda: len(bench.host.jobs("PENDING")) == 1)
    bench.finish()  # with the two minutes for which Slurm holds the job, until its old processes are surely gone
    bench.assert_all_done_once()


def test_a_controller_that_is_restarted_costs_nothing(bench: Bench) -> None:
    bench.submit()
    bench.host.wait(bench.begun)
    bench.host.restart_controller(meanwhile_seconds=3)
    bench.finish()
    bench.assert_all_done_once()


def test_workers_are_added_while_others_work(bench: Bench) -> None:
    bench.submit("--workers 1")
    bench.host.wait(bench.begun)
    assert "1 worker submitted to dsr-test (besides 1 that wait or run already)" in bench.submit("--workers 2")
    bench.finish()
    bench.assert_all_done_once()


def test_cancelled_workers_record_no_failure_and_the_same_command_goes_on(bench: Bench) -> None:
    bench.submit()
    bench.host.wait(lambda: bench.begun() and len(bench.host.jobs("RUNNING")) == 2)
    assert "2 workers cancelled (job " in bench.call("cancel quick")
    bench.host.wait(lambda: not bench.host.jobs())
    assert bench.missing()
    assert "no job of quick waits or runs on dsr-test" in bench.call("cancel quick")
    results = [store.result(bench.results, run) for run in bench.runs]
    assert {result.status for result in results if result} <= {"done"}
    bench.submit()
    bench.finish()
    bench.assert_all_done_once()


def epochs_of(seconds: float, probe: Bench) -> int:
    """How many epochs are trained in about so many seconds on this machine, whatever else it does now."""
    probe.submit("--workers 1")
    probe.finish()
    *_, last = read_csv(store.directory(probe.results, probe.runs[0]) / store.CURVES)
    return math.ceil(seconds / (float(last["train_seconds"]) / int(last["epoch"])))


def test_a_run_whose_time_is_up_is_resumed_by_the_requeued_job_to_the_same_weights(host: Host, tmp_path: Path) -> None:
    method = f"dsr-if@epochs={epochs_of(150.0, Bench(host, tmp_path / 'probe', 'dsr-if@epochs=10', '2'))}"
    timed, alone = (Bench(host, tmp_path / name, method, "2") for name in ("timed", "alone"))
    (timed.results / "dsr-bench.toml").write_text('[slurm]\nwarning = "30s"\n')
    timed.submit("--workers 1 --time 2m")
    alone.submit("--workers 1")
    host.wait(lambda: not host.released(), 2400)
    assert "the job is requeued (1 of at most 20 times)" in timed.logs()
    assert "1 of them partly done" in timed.logs()
    for one in (timed, alone):
        one.assert_all_done_once(1)
    ours, theirs = (torch.load(store.directory(one.results, one.runs[0]) / store.NETWORK) for one in (timed, alone))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


SCRIPT = Path(__file__).parents[2] / "docs" / "torchrun.sbatch"
EPOCHS = 3


def test_a_run_on_two_nodes_ends_when_a_process_is_killed_and_goes_on_in_the_next_job(
    host: Host, tmp_path: Path
) -> None:
    run = Run("digits", "preact-resnet-tiny", f"dsr-if@epochs={EPOCHS}", 2, 0, "smoke")
    place = store.directory(tmp_path, run)
    words = f"run --dataset {run.dataset} --network {run.network} --method {run.method} -T 2 --scale smoke"
    asked = "--parsable --gpus-per-node=0 --cpus-per-task=1 --time=30 --output=log-%j"

    def submit() -> str:
        settings = {"DSR_RESULTS": str(tmp_path), "DSR_TRACKING": "off", "DSR_WORKERS": "0", "OMP_NUM_THREADS": "1"}
        here = {"PROCESSES_PER_NODE": "1", "RENDEZVOUS": f"127.0.0.1:{free_port()}"}
        path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        command = ["sbatch", *asked.split(), str(SCRIPT), *words.split()]
        environment = host.environment | settings | here | path
        return subprocess.run(
            command, env=environment, cwd=tmp_path, check=True, stdout=subprocess.PIPE, text=True
        ).stdout.strip()

    job = submit()
    host.wait((place / store.CHECKPOINT).exists)
    for process in host.processes(job):
        if b"\0RANK=1\0" in Path(f"/proc/{process}/environ").read_bytes():
            os.kill(process, signal.SIGKILL)
    host.wait(lambda: not host.jobs(), 200)  # torchrun on the other node alone would wait for five minutes
    assert "FAILED" in host.said("scontrol", "show", "job", job)
    assert (place / store.CHECKPOINT).exists()
    result = store.result(tmp_path, run)
    assert result is None or result.status == "failed"
    job = submit()
    host.wait(lambda: not host.jobs())
    result = store.result(tmp_path, run)
    assert result is not None, (tmp_path / f"log-{job}").read_text()
    assert (result.status, result.epochs) == ("done", EPOCHS)
    assert [int(row["epoch"]) for row in read_csv(place / store.CURVES)] == [*range(1, EPOCHS + 1)]
