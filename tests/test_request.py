"""The command line, called as a user calls it: every mistake is one line on stderr, code 2, and no run directory."""

from __future__ import annotations

import io
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from called import Bench, Ending, calling
from ended_runs import finish
from recorded import write_bin
from rich.console import Console

from benchmarks import __main__ as command_line
from benchmarks.campaigns import NAMED
from benchmarks.cli import commands, estimate
from benchmarks.cli.arguments import integers, seconds_of
from benchmarks.cli.spelling import spell
from benchmarks.data import DATASETS
from benchmarks.distributed import torchrun
from benchmarks.launching import launch
from benchmarks.methods import METHODS
from benchmarks.networks import NETWORKS
from benchmarks.runs import store
from benchmarks.runs.identity import key
from benchmarks.runs.job import job_of
from benchmarks.spec import MAX_SEED, BadInput, Run

RUN = "run --dataset digits --network preact-resnet-tiny --method dsr-if --timesteps 2 --seed 0 --scale smoke"
"""A good request; an option that follows once more takes the earlier one's place."""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Bench]:
    """Calls `dsr-bench WORDS` in this process; results go to tmp_path/results, data are looked for in tmp_path/data."""
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("DSR_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("DSR_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DSR_TRACKING", "off")
    monkeypatch.setattr(command_line, "console", Console(width=200))
    monkeypatch.setattr(launch, "local", _never)
    with calling(monkeypatch, capsys) as bench:
        yield bench


def _never(*arguments: object) -> NoReturn:
    raise AssertionError("nothing may be run")


def assert_refused(ending: Ending, said: str, tmp_path: Path) -> None:
    """Code 2, one line on stderr that says so, and nothing under the results folder."""
    assert ending.code == 2
    (line,) = ending.err.splitlines()
    assert line.startswith("dsr-bench: ")
    assert said in line
    assert not list(tmp_path.glob("results/*"))


MISTAKES: list[tuple[str, str]] = [
    (f"{RUN} --dataset cifar11", "unknown dataset 'cifar11' (did you mean 'cifar10'?); allowed: digits, cifar10"),
    (f"{RUN} --method dsr-of", "unknown method 'dsr-of' (did you mean 'dsr-if'?); allowed: ann, dsr-if"),
    (f"{RUN} --network preact-resnet81", "unknown network 'preact-resnet81' (did you mean 'preact-resnet18'?)"),
    (
        f"{RUN} --scale labtop",
        "unknown scale 'labtop' (did you mean 'laptop'?); allowed: paper, short, workstation, laptop",
    ),
    (f"{RUN} --method zebra", "unknown method 'zebra'; allowed: ann"),
    (f"{RUN} --timesteps 0", "timesteps must be at least 1, not 0"),
    (f"{RUN} --seed -1", "seed must be at least 0, not -1"),
    (f"{RUN} --timesteps two", "'--timesteps'"),
    (f"{RUN} --seed x", "'--seed'"),
    (f"{RUN} --method ann", "ann has no time axis: its timesteps are 1, not 2"),
    (
        f"{RUN} --method ide",
        "ide runs on networks with a feedback loop only, not on preact-resnet-tiny; allowed: cifarnet-f, cifarnet-f-",
    ),
    (
        f"{RUN} --network cifarnet-f-tiny",
        "cifarnet-f-tiny feeds back from its last layer to its first, which dsr-if cannot run; methods: ide, ide-publ",
    ),
    ("sweep quick --methods ann,ide@leak=1", "ide@leak=1 runs on networks with a feedback loop only, not on preact-"),
    ("sweep quick --methods ann --network cifarnet-f-tiny", "cifarnet-f-tiny feeds back from its last layer to its"),
    ("perf --methods ide", "ide runs on networks with a feedback loop only, not on preact-resnet18-narrow; allowed: "),
    (f"{RUN} --method qcfs-ann --timesteps 4", "qcfs-ann has no time axis: its timesteps are 1, not 4"),
    ("run --dataset digits", "Missing option '--network'"),
    ("sweep", "Missing argument"),
    ("sweep quick --fast", "No such option: --fast"),
    ("swep quick", "No such command 'swep'"),
    ("sweep quik", "unknown sweep 'quik' (did you mean 'quick'?); allowed: quick"),
    ("sweep workstatoin", "unknown sweep 'workstatoin' (did you mean 'workstation'?)"),
    ("sweep workstation --scale laptop", "unknown scale for this sweep 'laptop'; allowed: workstation"),
    ("sweep workstation --timesteps 7", "no run of workstation has --timesteps 7; `dsr-bench list` shows which runs"),
    (
        "sweep workstation --methods stbp-tdbn,ann --timesteps 20 --seeds 0-2",
        "no run of workstation has --methods stbp-tdbn,ann --timesteps 20 --seeds 0-2; `dsr-bench list`",
    ),
    ("sweep workstation --methods stbp-tdbm", "unknown method 'stbp-tdbm' (did you mean 'stbp-tdbn'?)"),
    ("sweep quick --scale smok", "unknown scale 'smok' (did you mean 'smoke'?)"),
    ("sweep quick --scale paper", "unknown scale for this sweep 'paper'; allowed: smoke"),
    ("sweep quick --methods ann,dsr-fi", "unknown method 'dsr-fi' (did you mean 'dsr-if'?)"),
    ("sweep quick --network preact-tiny", "unknown network 'preact-tiny' (did you mean 'preact-resnet-tiny'?)"),
    ("sweep quick --timesteps 2,0", "timesteps must be at least 1, not 0"),
    (
        "sweep quick --timesteps 2;4",
        "timesteps must be whole numbers or ranges separated by commas, as in 0,1 or 0-2, not '2;4'",
    ),
    ("sweep quick --jobs 0", "--jobs must be auto or a whole number of at least 1, not '0'"),
    ("sweep quick --jobs many", "--jobs must be auto or a whole number of at least 1, not 'many'"),
    *(
        (f"sweep quick --budget {text}", f"a number above 0 with s, m or h, as in 90m or 1.5h, not '{text}'")
        for text in ("3", "h", "0m", "0.0h", "1e3s", "3d", "1.h", ".5h", "3h30m", "3H", "٣h", f"{'9' * 400}h")
    ),
    ("sweep quick --seeds -1", "seeds must be at least 0, not -1"),
    ("sweep quick --seeds ,", "seeds must be whole numbers or ranges separated by commas"),
    (
        "sweep quick --seeds 2-0",
        "seeds must be whole numbers or ranges separated by commas, as in 0,1 or 0-2, not '2-0'",
    ),
    ("sweep quick --timesteps 0-2", "timesteps must be at least 1, not 0"),
    ("sweep quick --timesteps 1-100000000000", "are 100000000000 numbers, at most 1000 are allowed"),
    ("sweep quick --seeds 0,4294967296", "seeds must be at most 4294967295, not 4294967296"),
    (f"{RUN} --seed 92233720368547758080", "seed must be at most 4294967295, not 92233720368547758080"),
    ("sweep quick --methods ANN", "unknown method 'ANN' (did you mean 'ann'?)"),
    (f"{RUN} --network PreAct-ResNet-tiny", "(did you mean 'preact-resnet-tiny'?)"),
    ("sweep quick --methods ann,", "one of the names in 'ann,' is empty: separate names by single commas"),
    ("sweep quick --methods dsr-if@beta=1", "unknown parameter of dsr-if 'beta'; allowed: threshold, alpha"),
    ("sweep quick --methods dsr-if@alpha=2", "dsr-if@alpha=2: alpha must be in (0, 1], not 2"),
    ("sweep quick --methods dsr-if@alpha=nan", "dsr-if@alpha=nan: alpha takes a number, not 'nan'"),
    ("sweep quick --methods dsr-if@threshold=NaN", "a parameter of a neuron is finite, not NaN"),
    ("sweep quick --methods dsr-if@threshold=1e999", "a parameter of a neuron is finite, not 1e999"),
    ("report --to pyproject.toml", "folder pyproject.toml cannot be created: File exists"),
    ("sweep quick --methods dsr-if@alpha", "a variant is written method@name=value, not 'dsr-if@alpha'"),
    ("sweep quick --methods qcfs@threshold=3", "the thresholds of qcfs come from its parent (qcfs-ann): they cannot"),
    (
        "sweep quick --methods ann@alpha=1",
        "the neurons of ann have no alpha; its recipe can vary in batch_size, epochs, label_smoothing, learning_rate",
    ),
    (
        "sweep quick --methods lsq-ann@bits=3",
        "have no bits; its recipe can vary in batch_size, epochs, label_smoothing, learning_rate, loss, precision",
    ),
    (f"{RUN} --method lsq-ann --timesteps 65536", "lsq-ann: T must be at most 65535 (16 bits), not 65536"),
    (
        "sweep quick --methods ann@precision=half",
        "ann@precision=half: precision is float32 or bfloat16, not 'half'",
    ),
    (
        "sweep quick --methods qcfs@precision=bfloat16",
        "qcfs@precision=bfloat16 is not trained, so its precision cannot be varied",
    ),
    ("export quik", "unknown sweep 'quik' (did you mean 'quick'?)"),
]


@pytest.mark.parametrize(("words", "said"), MISTAKES, ids=[words[-30:] for words, _ in MISTAKES])
def test_a_mistake_is_one_line(words: str, said: str, bench: Bench, tmp_path: Path) -> None:
    assert_refused(bench(words), said, tmp_path)


@pytest.mark.parametrize("name", ["quick.csv", "other.csv", "smoke/quick.csv"])
@pytest.mark.parametrize("words", ["sweep quick --methods ann --seeds 0", "sweep quick --methods ann --plan"])
def test_rows_that_cannot_be_read_are_one_line_before_anything_runs(
    words: str, name: str, bench: Bench, tmp_path: Path
) -> None:
    (path := tmp_path / "results" / name).parent.mkdir(parents=True)
    path.write_text("key;status\n0123456789abcdef;done\n", encoding="utf-8-sig")
    ending = bench(words)
    assert (ending.code, ending.out) == (2, "")
    (line,) = ending.err.splitlines()
    assert line.startswith(f"dsr-bench: cannot read {path}: values are separated by ';'")


@pytest.mark.parametrize("words", [f"{RUN} --dataset cifar10", "sweep cifar10 --scale smoke", "sweep cifar10 --plan"])
@pytest.mark.parametrize(
    ("trouble", "said"),
    [("no root", "not found or not a folder"), ("cut", "truncated"), ("few", "cifar10: the recipe needs ")],
)
def test_bad_data_are_one_line(words: str, trouble: str, said: str, bench: Bench, tmp_path: Path) -> None:
    (folder := tmp_path / "data" / "cifar10").mkdir()
    for split in ("train", "test"):
        np.save(folder / f"{split}-images.npy", np.full((40, 8, 8, 3), len(split), np.uint8))
        np.save(folder / f"{split}-labels.npy", np.zeros(40, np.int64))
    if trouble == "no root":
        (tmp_path / "data").rename(tmp_path / "moved")
    elif trouble == "cut":
        (folder / "test-images.npy").write_bytes((folder / "test-images.npy").read_bytes()[:-1])
    assert_refused(bench(words), said, tmp_path)


@pytest.mark.parametrize("words", [RUN, "sweep quick", "sweep quick --plan"])
@pytest.mark.parametrize("place", ["file", "file/results"])
def test_results_that_cannot_be_written_are_one_line(
    words: str, place: str, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("DSR_RESULTS", str(tmp_path / place))
    assert_refused(bench(words), f"results folder {tmp_path / place} cannot be written (", tmp_path)
    assert (tmp_path / "file").read_text() == "mine"


def test_numbers_may_be_ranges() -> None:
    assert integers("0-2", "seeds", 0) == (0, 1, 2)
    assert integers("8, 2-4,3", "timesteps", 1) == (8, 2, 3, 4)
    assert integers("7", "seeds", 0) == (7,)


def test_the_largest_seed_is_one_that_torch_takes() -> None:
    latest = (
        MAX_SEED * 100_003 + 1000 + 1_000_000_007 * 1000
    )  # of an epoch in a process, as in benchmarks.training.loop
    torch.Generator().manual_seed(latest)
    assert latest < 2**63


def test_a_plan_runs_nothing(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "seconds", lambda runs, ended: dict.fromkeys(runs, 60.0))
    ending = bench("sweep quick --plan")
    assert (ending.code, ending.err) == (0, "")
    assert "18 runs · 0 cached · 18 missing" in ending.out  # ann, qcfs's parent, 8 methods x 2 T
    assert "about 18 min 00 s" in ending.out
    assert not list((tmp_path / "results").iterdir())


def test_of_a_campaign_runs_are_selected_and_their_parents_come_along(bench: Bench, monkeypatch) -> None:
    seen = list[Run]()
    monkeypatch.setattr(
        estimate, "seconds", lambda jobs, ended: dict.fromkeys(seen.extend(j.run for j in jobs) or jobs, 50.0)
    )
    words = "sweep workstation --methods qcfs,stbp-tdbn --timesteps 5,64 --seeds 1 --jobs 1 --plan --budget 3m"
    ending = bench(words)
    assert (ending.code, ending.err) == (0, "")
    assert "workstation · scale workstation" in ending.out
    facts = [(run.method, run.timesteps, run.seed, run.scale) for run in seen]
    assert facts == [
        ("qcfs-ann", 1, 1, "workstation"),
        ("qcfs", 64, 1, "workstation"),
        ("qcfs", 5, 1, "workstation"),
        ("stbp-tdbn", 5, 1, "workstation"),
    ]
    assert " budget 3 min 00 s: 3 runs fit, 1 begun, 0 left" in ending.out
    assert "qcfs T=5,64 seed 1, preact-resnet18-narrow on cifar10" in ending.out


def test_runs_that_are_done_here_are_asked_how_long_the_others_take(bench: Bench, tmp_path: Path, monkeypatch) -> None:
    done = list[Run]()

    def seconds(jobs: list[Any], ended: list[Any]) -> dict[Any, float]:
        done.extend(job.run for job in ended)
        return dict.fromkeys(jobs, 60.0)

    monkeypatch.setattr(estimate, "seconds", seconds)
    finish(tmp_path / "results", Run("digits", "preact-resnet-tiny", "ann", 1, 1, "smoke"))
    assert "3 runs · 1 cached · 2 missing" in bench("sweep quick --methods ann --seeds 0-2 --plan").out
    assert [run.seed for run in done] == [1]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_terminal_that_is_not_utf8_is_told_all_the_same(
    encoding: str, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "seconds", lambda runs, ended: dict.fromkeys(runs, 60.0))
    said = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdout", said)
    assert bench("sweep quick --plan").code == 0
    command_line.console.print("✓ ± \udcff ünï 雪")
    said.flush()
    text = said.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    assert f"18 runs {'-' if encoding == 'ascii' else '·'} 0 cached" in text
    signs = {"ascii": "+ +- ? uni ?", "latin-1": "+ ± ? ünï ?", "cp1252": "+ ± ? ünï ?"}
    assert signs[encoding] in text


def test_marks_are_spelled_out_in_ascii() -> None:
    assert spell("✓ 54.1 ± 0.2 µJ → Größe ≥ 3 × 10² …") == "+ 54.1 +- 0.2 uJ -> Gro?e >= 3 x 102 ..."


def test_a_plan_times_small_steps(bench: Bench, tmp_path: Path) -> None:
    ending = bench("sweep quick --plan --methods qcfs --timesteps 2 --seeds 7")
    assert ending.code == 0
    assert "2 runs · 0 cached · 2 missing" in ending.out
    assert " time   about " in ending.out
    assert not list((tmp_path / "results").iterdir())


def test_a_plan_packs_no_recordings(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "seconds", lambda runs, ended: dict.fromkeys(runs, 60.0))
    for split, count in (("Train", 39), ("Test", 10)):
        for digit, number in product(range(10), range(count)):
            write_bin(tmp_path / "data" / "nmnist" / "NMNIST" / split / str(digit) / f"{number}.bin", [(0, 1, 2, 1)])
    ending = bench("sweep nmnist --scale smoke --methods dsr-if,lsq-ann --timesteps 3 --seeds 0 --plan")
    assert (ending.code, ending.err) == (0, "")
    assert " data   nmnist, 3 frames: packed before the first run (3.4 MB), not" in ending.out
    assert " data   nmnist, 1 frame: packed before the first run (" in ending.out
    assert not (tmp_path / "data" / "nmnist" / "frames").exists()


@pytest.mark.parametrize("variables", [{"RANK": "3"}, {"RANK": "none", "LOCAL_RANK": "x"}, {"WORLD_SIZE": "1"}])
def test_what_a_batch_system_says_of_processes_is_nothing_to_one_alone(
    variables: dict[str, str], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert (torchrun.rank(), torchrun.size(), torchrun.rank_here(), torchrun.size_here()) == (0, 1, 0, 1)
    monkeypatch.setattr(launch, "assist", lambda *arguments: pytest.fail("it records nothing"))
    with pytest.raises(AssertionError, match="nothing may be run"):
        bench(RUN)


def test_the_first_process_lets_the_others_end_however_its_runs_have_ended(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = {"RANK": "0", "WORLD_SIZE": "2", "TORCHELASTIC_USE_AGENT_STORE": "True"}
    for name, value in theirs.items():
        monkeypatch.setenv(name, value)
    dismissed = list[bool]()
    monkeypatch.setattr(launch, "dismiss", lambda: dismissed.append(True))
    bench("sweep quick --plan")
    assert dismissed == [], "a plan starts nothing"
    with pytest.raises(AssertionError, match="nothing may be run"):
        bench(RUN)
    assert dismissed == [True]


@pytest.mark.parametrize("count", ["4", "two"])
@pytest.mark.parametrize("rank", ["0", "1"])
def test_several_processes_that_nobody_joins_are_refused(
    count: str, rank: str, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", count)
    monkeypatch.setenv("RANK", rank)
    assert_refused(bench(RUN), f"WORLD_SIZE is '{count}': this process was not started by torchrun", tmp_path)


def test_torchruns_processes_know_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}
    for name, value in (theirs | {"TORCHELASTIC_USE_AGENT_STORE": "True"}).items():
        monkeypatch.setenv(name, value)
    assert (torchrun.rank(), torchrun.size(), torchrun.rank_here(), torchrun.size_here()) == (5, 8, 1, 4)
    assert torchrun.only_assists()
    torchrun.check()
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "False")
    with pytest.raises(BadInput, match="--rdzv-backend c10d"):
        torchrun.check()


@pytest.mark.parametrize(("gpu", "said"), [(True, "paper, because there is a"), (False, "laptop, because there is no")])
def test_the_scale_that_is_chosen_is_said(gpu: bool, said: str, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setenv("DSR_DATA", "/nowhere")
    ending = bench("sweep cifar10 --plan")
    assert f"scale  {said} GPU; choose with --scale paper|short|workstation|laptop|smoke" in ending.out


def test_a_data_root_that_is_missing_stops_no_sweep_that_needs_none(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSR_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setattr(estimate, "seconds", lambda runs, ended: dict.fromkeys(runs, 60.0))
    assert bench("sweep quick --methods ann --plan").code == 0
    refused = bench("sweep cifar10 --scale smoke --methods ann")
    assert_refused(refused, "nowhere (DSR_DATA) not found or not a folder", tmp_path)
    with pytest.raises(AssertionError, match="nothing may be run"):
        bench("sweep quick --methods ann")


def test_so_many_jobs_go_on_at_once_and_the_command_says_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = list[int]()

    def local(*arguments: Any) -> NoReturn:
        seen.append(arguments[4].count)
        raise KeyboardInterrupt

    monkeypatch.setattr(launch, "local", local)
    assert " jobs   3 runs at once" in bench("sweep quick --methods ann --jobs 3").out
    assert " jobs " not in bench("sweep quick --methods ann --jobs 1").out
    assert seen == [3, 1]


def test_a_budget_is_a_number_with_a_unit() -> None:
    assert [seconds_of(text) for text in ("90m", "3h", "1.5h", "45s")] == [5400.0, 10800.0, 5400.0, 45.0]


def test_a_plan_with_a_budget_names_what_fits_what_is_begun_and_what_is_left(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    minutes = {"ann": 4, "dsr-if": 7, "dsr-lif": 20, "qcfs-ann": 3, "qcfs": 1}
    monkeypatch.setattr(estimate, "seconds", lambda jobs, ended: {job: 60.0 * minutes[job.run.method] for job in jobs})
    words = "sweep quick --methods dsr-lif,ann,dsr-if,qcfs --timesteps 2 --jobs 1 --plan --budget"
    ending = bench(f"{words} 16m")
    assert (ending.code, ending.err) == (0, "")
    said = ending.out[ending.out.index(" budget ") :].splitlines()
    of = "seed 0, preact-resnet-tiny on digits"
    assert said == [
        " budget 16 min 00 s: 4 runs fit, 1 begun, 0 left",
        *(f"        {run} {of}" for run in ("ann T=1", "dsr-if T=2", "qcfs-ann T=1", "qcfs T=2")),
        f"        dsr-lif T=2 {of} (begun)",
    ]
    assert " budget 1 min 00 s: 0 runs fit, 1 begun, 4 left" in bench(f"{words} 1m").out
    assert " budget 0.0 s: 0 runs fit, 0 begun, 5 left" in bench(f"{words} 0.01s").out, "planning took longer"
    assert " budget " not in bench(words.removesuffix(" --budget")).out
    assert not list((tmp_path / "results").iterdir())


def test_a_budget_ends_the_work_with_code_0_and_says_how_far_it_came(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (Run("digits", "preact-resnet-tiny", "ann", 1, seed, "smoke") for seed in range(3))

    def local(runs: Sequence[Run], results: Path, sweep: str, observer: Any, crew: Any, limit: Any) -> list[Any]:
        assert [limit.needed(run) for run in runs] == [0.0, 60.0, 60.0], "0 where nobody knows"
        assert 90.0 * 60 - 50 < limit.left() < 90.0 * 60
        finish(results, first, top1=90.0)
        (half := job_of(second, results)).describe(sweep)
        (half.place / store.CHECKPOINT).touch()
        return [store.result(results, first), None, None]

    times = {first: None, second: 60.0, third: 60.0}
    monkeypatch.setattr(estimate, "seconds", lambda jobs, ended: {job: times[job.run] for job in jobs})
    monkeypatch.setattr(launch, "local", local)
    ending = bench("sweep quick --methods ann --seeds 0-2 --jobs 1 --budget 1.5h")
    assert (ending.code, ending.err) == (0, "")
    assert " budget of 1 h 30 min used: 1 run done, 1 begun, 1 left; the same command goes on" in ending.out
    assert (tmp_path / "results" / "smoke" / "quick.csv").exists()


def test_torchruns_processes_take_no_budget(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchrun, "size", lambda: 2)
    assert_refused(bench("sweep quick --budget 1h"), "--budget: torchrun's processes take all runs in one", tmp_path)


def test_an_interruption_is_said_and_ends_with_130(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object) -> NoReturn:
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError("SIGTERM must interrupt")

    monkeypatch.setattr(commands, "_run", interrupted)
    ending = bench("sweep quick --methods qcfs")
    assert (ending.code, ending.err) == (130, "")
    assert "interrupted: 0 of " in ending.out
    monkeypatch.setattr(commands, "listing", interrupted)
    assert bench("list") == Ending(130, "", "")


@pytest.mark.parametrize(("words", "code"), [("", 2), ("--help", 0), ("sweep --help", 0)])
def test_help_goes_to_stdout_and_is_no_mistake(words: str, code: int, bench: Bench) -> None:
    ending = bench(words)
    assert (ending.code, ending.err) == (code, "")
    assert "Usage: " in ending.out


def test_list_names_everything(bench: Bench) -> None:
    ending = bench("list")
    assert (ending.code, ending.err) == (0, "")
    listed = {line.split()[0] for line in ending.out.splitlines() if line.strip()}
    assert {*NAMED, *DATASETS, *METHODS, *NETWORKS} <= listed


def test_folders_of_any_name_are_printed_as_they_are_and_dot_files_are_no_results(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, root = tmp_path / "out [red]what?now *#%20", tmp_path / "in [bold]*?"
    root.mkdir()
    monkeypatch.setenv("DSR_RESULTS", str(results))
    monkeypatch.setenv("DSR_DATA", str(root))
    run = Run("cifar10", "preact-resnet18-narrow", "ann", 1, 0, "laptop")
    finish(results, run, top1=90.0, test_images=10_000)
    (results / "._cifar10.csv").write_bytes(b"\0\5\26\7\xff")
    assert f" csv    {results}/cifar10.csv\n" in bench("export cifar10 --scale laptop").out
    assert f" page   {results}/reports/all/index.html\n" in bench("report").out
    assert f"{key(run)}, {results}/runs/" in bench(f"why {key(run)}").out
    said = bench("doctor").out
    assert f"{root} (DSR_DATA)" in said
    assert f"{results}, " in said
    assert f"Data root: {root}\n" in "".join(f"{line.rstrip()}\n" for line in bench("data list").out.splitlines())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", root.name, results.name]


def test_doctor_says_how_bfloat16_is_multiplied(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSR_BFLOAT16", "rounding")
    said = bench("doctor").out
    assert re.search(r"ok +bfloat16 +by rounding and float32 convolutions: [\d.]+ ms .* float32 [\d.]+ ms", said)


@pytest.mark.parametrize("words", ["doctor", "run --dataset digits --network preact-resnet-tiny --method ann -T 1"])
def test_an_unknown_way_of_multiplying_bfloat16_is_one_line(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setenv("DSR_BFLOAT16", "avx")
    done = bench(words)
    assert done.code != 0
    assert "DSR_BFLOAT16 must be hardware or rounding, not 'avx'" in done.out + done.err


def test_doctor_masks_an_address(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@host/?token=secret")
    said = bench("doctor").out
    assert "https://***@host/?***" in said
    assert "secret" not in said


def test_doctor_finds_all_well(bench: Bench, tmp_path: Path) -> None:
    ending = bench("doctor")
    assert (ending.code, ending.err) == (0, "")
    assert f"{tmp_path}/data (DSR_DATA): digits\n" in ending.out
    assert f"{tmp_path}/results" in ending.out


def test_doctor_names_the_data_sets_that_data_list_finds(bench: Bench, tmp_path: Path) -> None:
    for folder in ("cifar10", "nmnist/NMNIST/Train/0"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    listed = [line.split()[:2] for line in bench("data list").out.splitlines() if line.split()[:1]]
    found = [name for name, *state in listed if name in DATASETS and state != ["not"]]
    assert found == ["digits", "cifar10", "nmnist", "cifar10dvs-sim"]
    (line,) = [line for line in bench("doctor").out.splitlines() if "(DSR_DATA)" in line]
    assert sorted(line.rpartition(": ")[2].split(", ")) == sorted(found)


def test_doctor_says_what_is_broken(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSR_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setitem(sys.modules, "torchvision", None)
    ending = bench("doctor")
    assert (ending.code, ending.err) == (1, "")
    bad = [line.split()[1] for line in ending.out.splitlines() if line.startswith(" bad")]
    assert bad == ["torchvision", "data"]
