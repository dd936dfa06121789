"""`sweep --launcher slurm` and `cancel`: what Slurm is asked for, with invented commands in Slurm's place."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from called import Bench, calling
from ended_runs import finish
from rich.console import Console

from benchmarks import __main__ as command_line
from benchmarks.cli import launchers, preparation
from benchmarks.cli.preparation import Estimate
from benchmarks.distributed import torchrun
from benchmarks.launching import launch
from benchmarks.slurm import queue
from benchmarks.slurm.settings import Settings
from benchmarks.slurm.submission import carried, submissions, submit
from benchmarks.slurm.worker import Worker

QUICK = "sweep quick --launcher slurm --methods ann,dsr-if --seeds 0"
"""Three runs: the ANN, and DSR at two T."""


def _never(*arguments: object) -> NoReturn:
    raise AssertionError("nothing may be run here")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Bench]:
    """Calls `dsr-bench WORDS` in this process and in an empty folder; results go to its folder `results`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DSR_RESULTS", "results")
    monkeypatch.setattr(command_line, "console", Console(width=300))
    monkeypatch.setattr(launchers, "console", Console(width=300))
    monkeypatch.setattr(launch, "local", _never)
    with calling(monkeypatch, capsys) as bench:
        yield bench


def script(folder: Path) -> list[str]:
    """The batch script of the only submission, without blank lines."""
    (path,) = folder.glob("results/slurm/*/*_submission.sh")
    return [line for line in path.read_text().splitlines() if line]


def test_a_batch_script_asks_for_what_was_asked_for(bench: Bench, tmp_path: Path, slurm) -> None:
    done = bench(
        f"{QUICK} --workers 2 --time 90m --gpus 1 --cpus 8 --memory 32G --partition gpu --slurm account=lab42 "
        "--slurm exclusive=true"
    )
    assert (done.code, done.err) == (0, "")
    (record,) = submissions(Path("results"), "quick")
    assert record.job_name == f"dsr-bench-{record.folder.name}"
    logs = f"{record.folder}/%A_%a_0_log"
    assert script(tmp_path) == [
        "#!/bin/bash",
        "# Parameters",
        "#SBATCH --account=lab42",
        "#SBATCH --array=0-1%2",
        "#SBATCH --cpus-per-task=8",
        f"#SBATCH --error={logs}.err",
        "#SBATCH --exclusive",
        "#SBATCH --gpus-per-node=1",
        f"#SBATCH --job-name={record.job_name}",
        "#SBATCH --mem=32G",
        "#SBATCH --nodes=1",
        "#SBATCH --open-mode=append",
        f"#SBATCH --output={logs}.out",
        "#SBATCH --partition=gpu",
        "#SBATCH --requeue",
        "#SBATCH --signal=B:USR1@120",
        "#SBATCH --time=90",
        "# command",
        "export SUBMITIT_EXECUTOR=slurm",
        f"exec {sys.executable} -u -m submitit.core._submit {record.folder}",
    ]


def test_workers_carry_out_the_same_selection_in_the_same_results_folder(bench: Bench, tmp_path: Path, slurm) -> None:
    assert bench(f"{QUICK} --workers 2 --gpus 2 --timesteps 2,4").code == 0
    (record,) = submissions(Path("results"), "quick")
    words = "work quick --scale smoke --methods ann,dsr-if --timesteps 2,4 --seeds 0 --jobs 2"
    assert " ".join(record.words) == words
    for index in range(2):
        worker = pickle.loads((record.folder / f"41_{index}_submitted.pkl").read_bytes()).function
        assert worker == Worker(record.words, worker.environment, 2, 20)
        assert worker.environment["DSR_RESULTS"] == str(tmp_path / "results")
        assert worker.environment["DSR_LAUNCH"] == record.job_name


def test_what_was_submitted_is_recorded_and_the_next_commands_are_named(bench: Bench, slurm) -> None:
    out = bench(f"{QUICK} --workers 2").out
    (record,) = submissions(Path("results"), "quick")
    assert (record.cluster, record.job_ids) == ("invented", ("41",))
    assert "2 workers submitted to invented, up to 4 h 00 min each: job 41" in out
    assert f" logs   {record.folder}/*_log.*" in out
    assert "`dsr-bench status quick`, `dsr-bench cancel quick`" in out
    assert submissions(Path("results"), "cifar10") == []


def test_no_more_workers_than_missing_runs(bench: Bench, tmp_path: Path, slurm) -> None:
    assert "3 workers submitted" in bench(f"{QUICK} --workers 50").out
    assert "#SBATCH --array=0-2%3" in script(tmp_path)


def test_workers_that_carry_out_several_runs_at_once_are_fewer(bench: Bench, tmp_path: Path, slurm) -> None:
    assert "2 workers submitted" in bench(f"{QUICK} --workers 50 --jobs 2").out


def test_where_nothing_is_missing_nothing_is_submitted(bench: Bench, tmp_path: Path, slurm) -> None:
    from benchmarks.cli import arguments

    for run in arguments.sweep_request("quick", None, None, "ann,dsr-if", None, "0", False).runs:
        finish(tmp_path / "results", run)
    done = bench(QUICK)
    assert done.code == 0
    assert "nothing is missing, so nothing is submitted" in done.out
    assert slurm.calls("sbatch") == []
    assert submissions(Path("results"), "quick") == []


def test_workers_of_the_same_command_that_wait_or_run_already_count(bench: Bench, slurm) -> None:
    bench(f"{QUICK} --workers 2")
    (first,) = submissions(Path("results"), "quick")
    slurm.says("squeue", f"{first.job_name} None\n{first.job_name} BeginTime\n")
    assert (
        "2 workers of this command waiting or running already, 2 wanted: nothing" in bench(f"{QUICK} --workers 2").out
    )
    assert "1 worker submitted to invented (besides 2 that wait or run already)" in bench(f"{QUICK} --workers 9").out
    assert len(slurm.calls("sbatch")) == 2
    (added,) = (one for one in submissions(Path("results"), "quick") if one != first)
    assert len(list(added.folder.glob("*_submitted.pkl"))) == 1
    (query, _) = slurm.calls("squeue")
    assert f"--name={first.job_name} " in query
    assert "--array" in query
    bench("sweep quick --launcher slurm --methods ann --seeds 0-1 --workers 2")
    assert len(slurm.calls("sbatch")) == 3, "another selection has workers of its own"
    assert len(slurm.calls("squeue")) == 2


def test_one_array_has_no_more_jobs_than_the_cluster_allows(tmp_path: Path, slurm) -> None:
    record = submit("quick", ("work", "quick"), 5, 1, Settings(), tmp_path / "r", queue.Cluster("invented", 2))
    assert len(slurm.calls("sbatch")) == 3
    assert record.job_ids == ("41", "41", "41")
    assert submissions(tmp_path / "r", "quick") == [record]


def test_what_slurm_refuses_is_one_line_and_recorded_without_a_job(bench: Bench, slurm) -> None:
    slurm.fails(
        "sbatch", "sbatch: error: invalid partition specified: gpux\nsbatch: error: Batch job submission failed"
    )
    done = bench(f"{QUICK} --partition gpux")
    assert done.code == 2
    (line,) = done.err.splitlines()
    assert "invalid partition specified: gpux" in line
    assert [one.job_ids for one in submissions(Path("results"), "quick")] == [()]


def test_a_job_that_slurm_holds_is_not_waited_for(bench: Bench, slurm) -> None:
    bench(f"{QUICK} --workers 2")
    (first,) = submissions(Path("results"), "quick")
    slurm.says("squeue", f"{first.job_name} None\n{first.job_name} launch failed requeued held\n")
    out = bench(f"{QUICK} --workers 2").out
    assert "1 worker held by Slurm and not counted: `scontrol release`, or `dsr-bench cancel`" in out
    assert "1 worker submitted to invented (besides 1 that wait or run already)" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--launcher slrm", "unknown launcher 'slrm' (did you mean 'slurm'?); allowed: local, slurm"),
        ("--workers 3", "--workers is for --launcher slurm"),
        ("--slurm account=a", "--slurm is for --launcher slurm"),
        ("--launcher slurm --budget 3h", "--budget: with --launcher slurm, --time says how long a job may take"),
        ("--launcher slurm --time 4", "--time must be a time above 0"),
        ("--launcher slurm --slurm output=x", "--slurm: output is set by the launcher"),
        ("--launcher slurm", "sbatch not found: Slurm's commands are needed here, as on a cluster's login node"),
    ],
)
def test_mistakes_cost_one_line_and_nothing_is_done(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, words: str, said: str
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    done = bench(f"sweep quick {words}")
    assert done.code == 2
    (line,) = done.err.splitlines()
    assert said in line
    assert not Path("results").exists()


def test_without_submitit_one_line_says_how_to_get_it(bench: Bench, slurm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "find_spec", lambda name: None)
    assert "--launcher slurm needs submitit: pip install 'dsr-bench[slurm]'" in bench(QUICK).err


def test_torchruns_processes_submit_nothing(bench: Bench, slurm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchrun, "size", lambda: 2)
    assert "this is one of torchrun's processes; submit from one process" in bench(QUICK).err


def test_a_results_folder_whose_name_slurm_would_take_for_a_pattern_is_refused(
    bench: Bench, slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSR_RESULTS", "50%j")
    assert "has a % in its name, which Slurm takes for a pattern" in bench(QUICK).err
    assert slurm.calls("sbatch") == []


def test_a_controller_that_does_not_answer_is_one_line(bench: Bench, slurm) -> None:
    slurm.fails("scontrol", "slurm_load_ctl_conf error: Unable to contact slurm controller")
    done = bench(QUICK)
    assert done.code == 2
    assert "scontrol: slurm_load_ctl_conf error: Unable to contact slurm controller" in done.err


def test_a_plan_needs_no_slurm_and_says_workers_hours_and_cost(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    Path("dsr-bench.toml").write_text('[slurm]\nworkers = 2\nprice = 1.5\ncurrency = "EUR"\n')
    monkeypatch.setattr(preparation, "estimated", lambda jobs, ended: Estimate(0, 0, None, hours_of(jobs)))

    def hours_of(jobs):
        return {job.run: 3600.0 * (1 + job.run.timesteps) for job in jobs}  # 2, 3 and 5 hours

    out = bench(f"{QUICK} --plan").out
    assert "2 workers, up to 4 h 00 min each" in out
    # the worker that ends the run of 2 hours takes that of 5
    assert "about 10 worker-hours, 7 h 00 min if all start at once, about 15.00 EUR; for nodes as fast as this" in out
    assert "about 10 worker-hours, 5 h 00 min" in bench(f"{QUICK} --plan --workers 3").out
    # two at once on one worker's CPUs: each takes twice as long
    assert "1 worker, up" in (two := bench(f"{QUICK} --plan --workers 1 --jobs 2").out)
    assert "about 10 worker-hours, 14 h 00 min" in two
    # two GPUs, two at once: each as fast as alone
    assert "about 5 worker-hours, 7 h 00 min" in bench(f"{QUICK} --plan --workers 1 --gpus 2").out


def test_cancel_ends_the_jobs_of_this_sweep_folder_and_cluster_and_no_others(bench: Bench, slurm) -> None:
    assert "no job of quick has been submitted from results" in bench("cancel quick").out
    assert slurm.calls("scancel") == slurm.calls("squeue") == []
    bench(f"{QUICK} --workers 2")
    bench("sweep quick --launcher slurm --methods ann")
    first, second = submissions(Path("results"), "quick")
    elsewhere = Path("results/slurm/quick-elsewhere")
    elsewhere.mkdir()
    stated = json.loads((first.folder / "submission.json").read_text())
    named = json.dumps(stated | {"cluster": "other", "job_name": "dsr-bench-quick-elsewhere"})
    (elsewhere / "submission.json").write_text(named)
    slurm.says("squeue", f"{second.job_name} launch failed requeued held\n")
    done = bench("cancel quick")
    assert done.code == 0
    (query,) = slurm.calls("squeue")[-1:]
    assert f"--name={first.job_name},{second.job_name} " in query
    (ended,) = slurm.calls("scancel")
    assert ended.endswith(f"--name={second.job_name}")
    assert f"1 worker cancelled (job 41, submitted {second.submitted})" in done.out
    assert "jobs were submitted to other, too: call `dsr-bench cancel quick` there" in done.out
    slurm.says("squeue", "")
    assert "no job of quick waits or runs on invented" in bench("cancel quick").out
    assert bench("cancel quik").code == 2


def test_variables_are_carried_with_whole_paths(tmp_path: Path) -> None:
    given = {"DSR_DATA": "data", "DSR_KERNELS": "off", "PYTHONPATH": "x", "HOME": "/root", "AWS_SECRET": "s"}
    assert carried(given, tmp_path, "dsr-bench-quick-1") == {
        "DSR_DATA": str(Path("data").absolute()),
        "DSR_KERNELS": "off",
        "PYTHONPATH": "x",
        "DSR_RESULTS": str(tmp_path),
        "DSR_LAUNCH": "dsr-bench-quick-1",
    }
