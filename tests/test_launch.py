"""Runs beside other processes: waited for, let go, and what they say printed as it is."""

from __future__ import annotations

import io
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ended_runs import ended, finish
from filelock import FileLock
from rich.console import Console
from torch import distributed

from benchmarks.cli.display import Display, packing
from benchmarks.distributed import processes
from benchmarks.distributed.processes import release
from benchmarks.files import partials
from benchmarks.files.claims import Claims
from benchmarks.launching import crew, launch, out_of_memory, pool, process, stopping
from benchmarks.launching.crew import Processes
from benchmarks.launching.workers import Workers
from benchmarks.measurement.provenance import Code
from benchmarks.runs import attempts, store
from benchmarks.runs.job import job_of, jobs_of
from benchmarks.runs.order import after, longer, passing
from benchmarks.runs.record import Epoch, read_csv
from benchmarks.spec import Run

RUN = Run("digits", "preact-resnet-tiny", "ann", 1, 0, "smoke")


class Seen:
    """An observer that ends `run` as another launcher would, and opens `lock`, when it hears of waiting."""

    def __init__(self, results: Path, run: Run) -> None:
        self.results, self.run, self.heard = results, run, list[str]()
        (store.directory(results, run)).mkdir(parents=True)
        self.lock = FileLock(store.directory(results, run) / ".lock")
        self.lock.acquire()

    def started(self, *_: Any) -> None: ...
    def simulated(self, *_: Any) -> None: ...
    def epoch(self, *_: Any) -> None:
        self.heard.append("epoch")

    def waiting(self, run: Run) -> None:
        assert run == self.run
        self.heard.append("waiting")
        finish(self.results, run, top1=12.5)
        self.lock.release()

    def ended(self, run: Run, result: Any) -> None:
        self.heard.append(result.method)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "SECONDS_BETWEEN_LOOKS", 0.01)


@pytest.mark.usefixtures("impatient")
def test_what_another_launcher_works_on_comes_last_is_waited_for_and_its_result_kept(tmp_path: Path) -> None:
    others = [replace(RUN, method="qcfs", timesteps=2), replace(RUN, method="qcfs-ann")]
    for run in others:
        finish(tmp_path, run)
    seen = Seen(tmp_path, RUN)
    runs = [RUN, others[1], others[0]]
    results = launch.local(runs, tmp_path, "quick", seen)
    assert [result.method for result in results] == [run.method for run in runs]
    assert seen.heard == ["qcfs-ann", "qcfs", "waiting", "ann"]
    assert results[0] == store.result(tmp_path, RUN) == ended(RUN, top1=12.5)


def test_a_launch_without_patience_leaves_what_is_elsewhere_and_tells_of_nothing_that_others_did(
    tmp_path: Path,
) -> None:
    seen = Seen(tmp_path, RUN)
    child = replace(RUN, method="calibration", timesteps=2)
    finish(tmp_path, done := replace(RUN, seed=1))
    assert launch.local([RUN, done, child], tmp_path, "quick", seen, patient=False) == [None] * 3
    assert seen.heard == []


def failing(run: Run, place: Path, results: Path, sweep: str, running: Code, progress: Any, *rest: Any) -> None:
    """In a run's process: fail, and count how often."""
    with (place / "tries").open("a") as tries:
        tries.write("I")
    process._fail(run, results, running, "failed", "as always")


def test_a_failed_run_is_tried_once_per_launch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "work", failing)
    finish(tmp_path, RUN, status="failed", top1=None)
    tries = store.directory(tmp_path, RUN) / "tries"

    def tried(name: str, began: float | None = None) -> str:
        now = attempts.launch(tmp_path, name)
        launch.local([RUN], tmp_path, "quick", Log(), launch=now if began is None else attempts.Launch(began, name))
        return tries.read_text()

    assert tried("") == "I", "what failed before is tried again"
    assert tried("", began=0.0) == "I", "another worker has tried it since this one began"
    assert tried("slurm 7") == "II"
    assert tried("slurm 7") == "II", "a later worker of the same job"
    assert tried("slurm 8") == "III"
    assert tried("") == "IIII"


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, ""),
        ({"SLURM_JOB_ID": "12", "SLURM_ARRAY_JOB_ID": "7"}, "SLURM 7"),
        ({"SLURM_JOB_ID": "12"}, "SLURM 12"),
        ({"PBS_JOBID": "1234[5].server"}, "PBS 1234"),
        ({"LSB_JOBID": "9", "DSR_LAUNCH": "mine"}, "mine"),
    ],
)
def test_workers_of_one_job_know_each_other(
    variables: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in (*attempts.JOBS, attempts.NAME):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    assert attempts.name_of_launch() == name


def test_a_run_waits_for_its_parent_and_for_a_longer_one_that_measures_it(tmp_path: Path) -> None:
    origin, short, middle, long = (
        replace(RUN, method=method, timesteps=steps)
        for method, steps in (("ann", 1), *(("threshold-balancing", steps) for steps in (2, 4, 8)))
    )
    jobs = {job.run: job for job in jobs_of([long, middle, short], tmp_path)}
    assert after(jobs.values()) == {
        origin: set(),
        long: {origin},
        middle: {origin, long},
        short: {origin, long, middle},
    }
    assert after([jobs[short]]) == {short: set()}
    for job in jobs.values():
        assert passing(jobs.values())[job] == [other for other in longer(job) if other in jobs.values()][::-1]


class Log:
    """An observer that notes who starts and who ends."""

    def __init__(self) -> None:
        self.heard = list[tuple[str, Run]]()

    def started(self, run: Run) -> None:
        self.heard.append(("started", run))

    def ended(self, run: Run, result: Any) -> None:
        self.heard.append((result.status, run))

    def waiting(self, *_: Any) -> None: ...
    def simulated(self, *_: Any) -> None: ...
    def epoch(self, *_: Any) -> None: ...


def share(
    run: Run, place: Path, results: Path, sweep: str, running: Code, progress: Any, settings: Any, *rest: Any
) -> None:
    """In a run's process: note what it has been given, or die."""
    if run.seed == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    (place / "share").write_text(f"{sorted(settings.items())}")
    process._fail(run, results, running, "failed", "nothing was done")


def test_runs_that_go_on_at_once_share_the_machine_and_one_that_dies_costs_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "work", share)
    monkeypatch.setattr(out_of_memory, "kills", lambda: 0)
    for name in ("OMP_NUM_THREADS", "DSR_WORKERS"):
        monkeypatch.delenv(name, raising=False)
    runs = [replace(RUN, seed=seed) for seed in range(5)]
    child = replace(RUN, method="calibration", timesteps=2)
    log = Log()
    results = launch.local([*runs, child], tmp_path, "quick", log, Workers(3, 1))
    assert [found and found.status for found in results] == ["failed"] * 6
    assert [found.reason for found in results] == [
        *["nothing was done"] * 3,
        "the run's process was ended by SIGKILL, and not by the kernel for want of memory",
        "nothing was done",
        f"its parent did not finish: {RUN}",
    ]
    assert [run for word, run in log.heard[:3]] == runs[:3], "three start before any ends"
    given = [(store.directory(tmp_path, run) / "share").read_text() for run in runs if run.seed != 3]
    assert all("('OMP_NUM_THREADS', '1')" in one for one in given)


def asleep(run: Run, *rest: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    time.sleep(600)


def test_an_interruption_ends_the_processes_of_all_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupting(Log):
        def started(self, run: Run) -> None:
            if run.seed == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr(process, "work", asleep)
    runs = [replace(RUN, seed=seed) for seed in range(3)]
    known = {run: job_of(run, tmp_path) for run in runs}
    crew = Processes(
        known, tmp_path, "quick", Interrupting(), Workers(3, 1), Claims(tmp_path), attempts.launch(tmp_path)
    )
    with pytest.raises(KeyboardInterrupt):
        pool.carry_out(runs, 3, {}, crew)
    assert [one.process.exitcode for one in crew.started.values()] == [-signal.SIGTERM] * 2
    assert not list(tmp_path.rglob("result.json")), "what was interrupted has no result and goes on the next time"


def test_when_the_time_is_over_what_goes_on_is_stopped_and_has_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([60.0, 60.0, 60.0, 60.0, 0.05, 0.0])  # what is left, each time that it is asked for
    monkeypatch.setattr(process, "work", asleep)
    crews = list[Any]()
    monkeypatch.setattr(launch, "Processes", lambda *words: crews.append(Processes(*words)) or crews[-1])
    runs, log = [replace(RUN, seed=seed) for seed in range(3)], Log()
    limit = pool.Limit(lambda: next(times, 0.0), lambda run: 99.0)
    assert launch.local(runs, tmp_path, "quick", log, Workers(2, 1), limit) == [None] * 3
    assert log.heard == [("started", run) for run in runs[:2]]
    assert [one.process.exitcode for one in crews[0].started.values()] == [-signal.SIGTERM] * 2
    assert not list(tmp_path.rglob("result.json")), "what was stopped goes on the next time"


def ended_from_outside(run: Run, place: Path, results: Path, *rest: Any) -> None:
    """In a run's process: be ended by a signal to the whole group the first time, ignore another one, and end well."""
    os.kill(os.getpid(), signal.SIGUSR1)
    if not (place / "ended").exists():
        (place / "ended").touch()
        os.kill(os.getpid(), signal.SIGTERM)
    finish(results, run)


def test_a_process_that_a_signal_to_all_ends_has_not_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "work", ended_from_outside)
    monkeypatch.setattr(crew, "GRACE_SECONDS", 0.0)
    with stopping.heard() as stop:
        stop.name = "SIGTERM"
        (result,) = launch.local([RUN], tmp_path, "quick", Log(), patient=False, stop=stop)
    assert result.status == "done"
    (failed,) = launch.local([replace(RUN, seed=1)], tmp_path, "quick", Log())
    assert (failed.status, failed.reason) == ("failed", "the run's process was ended by SIGTERM")


def robbed(run: Run, place: Path, results: Path, *rest: Any) -> None:
    """In a run's process: find that the claim is gone the first time, and end well the second time."""
    if (place / "robbed").exists():
        finish(results, run)
        return
    (place / "robbed").touch()
    partials.fences[place] = rest[-1]
    shutil.rmtree(rest[-1])
    process._fail(run, results, rest[1], "failed", "the weights could not be written")


def test_a_run_that_was_lost_is_no_failure_and_is_taken_again_when_it_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "work", robbed)
    console = Console(file=io.StringIO(), width=200)
    with Display(console, 1) as display:
        (result,) = launch.local([RUN], tmp_path, "quick", display)
    assert result.status == "done"
    lost, ended = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lost.startswith(" lost   ann T=1 seed 0: another process has taken this run over")
    assert ended.startswith(" ✓ 1/1  ann T=1 seed 0")


@pytest.mark.slow
@pytest.mark.long
def test_a_budget_ends_a_sweep_and_the_same_command_goes_on(tmp_path: Path) -> None:
    words = "-m benchmarks sweep quick --methods ann,dsr-if --timesteps 2 --seeds 0-2 --jobs 2"
    environment = {**os.environ, "DSR_RESULTS": str(tmp_path), "DSR_TRACKING": "off", "OMP_NUM_THREADS": "1"}
    said = list[str]()
    for budget in ("--budget 10s", ""):
        asked = [sys.executable, *words.split(), *budget.split()]
        done = subprocess.run(asked, env=environment, capture_output=True, text=True, timeout=800)
        assert (done.returncode, done.stderr) == (0, "")
        said += [line for line in done.stdout.splitlines() if line.startswith(" budget ")]
    total = 6
    for line in said:
        ended, begun, left = map(int, re.findall(r"(\d+) (?:runs? done|begun|left)", line))
        total -= ended
        assert begun + left == total
        assert begun <= 2
    assert len(read_csv(tmp_path / "smoke" / "quick.csv")) == 6
    assert not list(tmp_path.rglob(store.CHECKPOINT))
    logs = [path.read_text() for path in tmp_path.rglob("log.txt")]
    assert not any("Traceback" in log for log in logs)


@pytest.mark.slow
def test_ctrl_c_prints_nothing_but_how_to_go_on(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "benchmarks", "sweep", "quick", "--methods", "dsr-if", "--timesteps", "2"]
    environment = {**os.environ, "DSR_RESULTS": str(tmp_path), "DSR_TRACKING": "off"}
    sweep = subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    end = time.monotonic() + 120
    while not list(tmp_path.rglob(store.CHECKPOINT)):
        assert sweep.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    os.killpg(sweep.pid, signal.SIGINT)  # as a terminal does it: to every process of the group
    out, err = sweep.communicate(timeout=60)
    assert (sweep.returncode, err) == (130, "")
    assert "interrupted: 0 of 1 runs are done; the same command resumes the rest" in out


def test_a_launcher_hears_of_an_epoch_without_importing_torch() -> None:
    """An import of seconds amid a run: a Ctrl-C that came meanwhile ended Python by the signal, not with code 130."""
    told = pickle.dumps(Epoch(1, 0.1, 0.5, 80.0, 0.5, 81.0, None, None, 1.0, None, None))
    hearing = f"import pickle, sys; pickle.loads({told!r}); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", hearing]).returncode == 0


@pytest.mark.slow
@pytest.mark.long
def test_two_launchers_share_a_sweep(tmp_path: Path) -> None:
    words = "-m benchmarks sweep quick --scale smoke --methods ann,dsr-if,stbp-tdbn,qcfs --timesteps 2,4 --seeds 0"
    environment = os.environ | {"DSR_RESULTS": str(tmp_path), "DSR_TRACKING": "off", "OMP_NUM_THREADS": "1"}
    launchers = [
        subprocess.Popen([sys.executable, *words.split()], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [launcher.communicate(timeout=800)[0] for launcher in launchers]
    assert [launcher.returncode for launcher in launchers] == [0, 0], said
    rows = read_csv(tmp_path / "smoke" / "quick.csv")
    assert len(rows) == 8  # ann, qcfs's parent, and three methods at two T
    assert {row["status"] for row in rows} == {"done"}
    logs = [path.read_text() for path in tmp_path.rglob("log.txt")]
    assert not any("Traceback" in log for log in logs)


def test_what_an_exception_says_is_no_markup() -> None:
    console = Console(file=io.StringIO(), width=200)
    reason = "[/src/gloo/pair.cc:553] Connection closed [enforce fail at alloc_cpu.cpp:117]"
    display = Display(console, 1)
    display.started(RUN)
    display.ended(RUN, ended(RUN, status="failed", reason=reason, top1=None))
    assert reason in console.file.getvalue()  # type: ignore[attr-defined]


def be_torchruns(monkeypatch: pytest.MonkeyPatch, rank: int, port: int) -> None:
    """Let this process be one of two that torchrun has started, with the store at which they meet at this port."""
    variables = {"WORLD_SIZE": "2", "RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    for name, value in (variables | {"TORCHELASTIC_USE_AGENT_STORE": "True"}).items():
        monkeypatch.setenv(name, value)


def test_the_others_are_let_go_when_the_first_process_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    met = distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # type: ignore[attr-defined]
    be_torchruns(monkeypatch, 0, met.port)
    release("a run")
    assert distributed.PrefixStore("a run", met).check(["begun", "ended"])  # type: ignore[attr-defined]
    monkeypatch.setenv("RANK", "1")
    release("another")
    assert not distributed.PrefixStore("another", met).check(["ended"])  # type: ignore[attr-defined]


class Assistants:
    """Processes of an assisting process, invented: they end at once, with these exit codes. `names`: as started."""

    def __init__(self, *codes: int) -> None:
        self.codes, self.names = [*codes], list[str]()

    def Process(self, target: Any, args: Any, name: str) -> Any:  # noqa: N802
        def start() -> None:
            self.names.append(name)

        return SimpleNamespace(start=start, join=lambda: None, exitcode=self.codes.pop(0))


@pytest.mark.parametrize(("codes", "code"), [((0, 0), 0), ((1, 0), 1), ((0, -9), 1)])
def test_an_assistant_that_fails_costs_no_other_run_and_ends_in_1(
    codes: tuple[int, int], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(process, "server", lambda: assistants)
    assistants, runs = Assistants(*codes), [RUN, replace(RUN, seed=1)]
    assert launch.assist(runs, tmp_path) == code
    assert assistants.names == [str(run) for run in runs]
    failed = [run for run, its_code in zip(runs, codes, strict=True) if its_code]
    for line, run in zip(said(capsys), failed, strict=True):
        assert line.startswith(f"dsr-bench: {run}: ")


def test_an_assistant_of_a_run_that_another_launcher_has_carried_out_has_not_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(process, "server", lambda: Assistants(1))
    finish(tmp_path, RUN)
    assert launch.assist([RUN], tmp_path) == 0
    assert said(capsys) == []


def test_an_assistant_that_has_failed_ends_after_the_first_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """torchrun ends all of its processes as soon as one has failed, and the first still has rows to write."""
    met = distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # type: ignore[attr-defined]
    be_torchruns(monkeypatch, 1, met.port)
    monkeypatch.setattr(process, "server", lambda: Assistants(1))
    monkeypatch.setattr(processes, "SECONDS_TO_END", 0.0)
    waits = list[float]()

    def look(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            monkeypatch.setenv("RANK", "0")
            launch.dismiss()

    monkeypatch.setattr(processes.time, "sleep", look)
    assert launch.assist([RUN], tmp_path) == 1
    assert waits == [processes.SECONDS_BETWEEN_LOOKS] * 3 + [0.0]
    (line,) = said(capsys)
    assert line.endswith(f"process 1 of torchrun failed; log: {store.directory(tmp_path, RUN) / 'log-1.txt'}")


def said(capsys: Any) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_every_run_that_goes_on_has_a_bar_and_the_sweep_has_one() -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    first, second = (replace(RUN, seed=seed) for seed in (1, 2))
    epoch = Epoch(4, 0.1, 0.5, 80.0, 0.5, 81.0, None, None, 1.0, None, None)
    with Display(console, 3) as display:
        display.started(first)
        display.started(second)
        display.epoch(second, epoch)
        assert [(bar.description, bar.completed, bar.total) for bar in display.progress.tasks] == [
            ("runs", 0, 3),
            ("ann T=1 seed 1", 0, 10),
            ("ann T=1 seed 2", 4, 10),
        ]
        display.ended(first, ended(first))
        assert [(bar.description, bar.completed) for bar in display.progress.tasks] == [
            ("runs", 1),
            ("ann T=1 seed 2", 4),
        ]
        display.ended(second, ended(second, status="failed", top1=None))
        assert [(bar.description, bar.completed) for bar in display.progress.tasks] == [("runs", 2)]


@pytest.mark.parametrize(("recordings", "said"), [(0, ""), (3, "packing nmnist ")])
def test_packing_says_something_only_where_something_is_packed(recordings, said):
    console = Console(file=io.StringIO(), width=80)
    with packing(console, "nmnist") as on_recording:
        for done in range(recordings):
            on_recording(done + 1, recordings)
    assert console.file.getvalue()[: len(said)] == said
    assert bool(console.file.getvalue()) == bool(said)
