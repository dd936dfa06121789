"""Runs as a user starts them: recorded, interrupted, resumed, failed; on the embedded digits."""

from __future__ import annotations

import csv
import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.__main__ import app
from benchmarks.data import DATASETS, Split, load
from benchmarks.execution import execute
from benchmarks.measurement import digests, yardstick
from benchmarks.measurement.provenance import Code
from benchmarks.methods import kernels_for
from benchmarks.networks import build
from benchmarks.recipes import resolve
from benchmarks.runs import store
from benchmarks.runs.identity import key, parent
from benchmarks.runs.record import Epoch, read_csv
from benchmarks.spec import BadInput, Run
from benchmarks.training.thresholds import set_start

RUN = Run("digits", "preact-resnet-tiny", "dsr-if", 4, 0, "smoke")
PATIENCE_SECONDS = 800
"""For programs that hang; a busy machine needs minutes."""
REAL = Path(os.environ.get("DSR_DATA", "/nowhere")) / "cifar10"


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks", *words]


def start(results: Path, *words: str) -> subprocess.Popen[str]:
    environment = os.environ | {"DSR_RESULTS": str(results), "DSR_TRACKING": "off", "NO_COLOR": "1"}
    return subprocess.Popen(
        command(*words), env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, process_group=0
    )


def finish(results: Path, *words: str) -> tuple[int, str]:
    process = start(results, *words)
    output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, output


def one_run(run: Run) -> list[str]:
    fields = {"dataset": run.dataset, "network": run.network, "method": run.method, "timesteps": run.timesteps}
    words = [word for name, value in fields.items() for word in (f"--{name}", str(value))]
    return ["run", *words, "--seed", str(run.seed), "--scale", run.scale]


def epochs_done(place: Path) -> int:
    path = place / store.CURVES
    return len(path.read_text().splitlines()) - 1 if path.exists() else 0


def wait_for_epochs(place: Path, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while epochs_done(place) < count:
        assert time.monotonic() < deadline, "no progress"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    results = tmp_path_factory.mktemp("uninterrupted")
    return execute(RUN, results), store.directory(results, RUN)


def test_a_run_leaves_everything_that_its_directory_promises(uninterrupted):
    result, place = uninterrupted
    assert {path.name for path in place.iterdir()} == {
        "run.json",
        "curves.csv",
        "network.pt",
        "predictions.npz",
        "ledger.csv",
        "rates.csv",
        "neurobench.json",
        "result.json",
    }
    assert result.status == "done"
    assert result.key == key(RUN)
    assert result.provenance.data_sha256
    assert result.epochs == epochs_done(place) == 10
    assert (result.train_images, result.test_images) == (1437, 360)
    assert result.peak_step_bytes is not None
    assert result.top1_best is not None
    assert result.top1 is not None
    assert 10 < result.top1 <= result.top1_best <= 100
    assert result.firing_rate is not None
    assert 0 < result.firing_rate < 1
    assert result.initial_threshold == pytest.approx(started_from(RUN))


def started_from(run: Run) -> float | None:
    """The threshold that a network fresh from the run's seed starts from."""
    recipe = resolve(run)
    data = load(run.dataset, recipe)
    torch.manual_seed(run.seed)
    return set_start(run, recipe, build(run.network, run.method, run.timesteps, 10, 1, recipe), data)


def test_the_ledger_adds_up_to_the_row(uninterrupted):
    result, place = uninterrupted
    with (place / store.LEDGER).open() as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row["operations"]) for row in rows if row["kind"] == "ac") / 360 == pytest.approx(result.acs)
    assert sum(int(row["dense_macs_per_step"]) for row in rows) == result.dense_macs_per_step
    assert {row["images"] for row in rows} == {"360"}


def test_the_last_epoch_on_the_curve_is_the_headline(uninterrupted):
    result, place = uninterrupted
    curve = read_csv(place / store.CURVES)
    assert float(curve[-1]["test_top1"]) == result.top1
    assert max(float(epoch["test_top1"]) for epoch in curve) == result.top1_best
    for column in ("train_seconds", "train_cpu_seconds"):
        spent = [float(epoch[column]) for epoch in curve]
        assert spent[0] > 0
        assert spent == sorted(spent)
    assert float(curve[-1]["train_cpu_seconds"]) == result.train_cpu_seconds


def test_the_speed_of_a_core_is_measured_after_epochs_that_are_worth_it(uninterrupted, tmp_path, monkeypatch):
    result, place = uninterrupted
    assert {epoch["core_gflops"] for epoch in read_csv(place / store.CURVES)} == {""}
    assert result.core_gflops is None
    monkeypatch.setattr(yardstick, "SHORT", 0.0)
    ann = Run("digits", "preact-resnet-tiny", "ann", 1, 0, "smoke")
    assert execute(ann, tmp_path).core_gflops > 0.1


def test_a_row_names_its_weights_and_predictions(uninterrupted):
    result, place = uninterrupted
    weights = torch.load(place / store.NETWORK, weights_only=True)
    assert result.weights_sha256 == digests.of_state(weights)
    assert result.parent_sha256 is None
    assert result.provenance.kernels in ("torch", f"compiled ({kernels_for()})")
    packed = (place / store.PREDICTIONS).read_bytes()
    assert result.predictions_sha256 == hashlib.sha256(packed).hexdigest()
    found = np.load(place / store.PREDICTIONS)
    labels, predicted = DATASETS["digits"].read().test.labels.numpy(), found["predicted"]
    assert (predicted.dtype, found["margin"].dtype, found["images"]) == (np.uint8, np.uint8, 360)
    correct = np.unpackbits(found["correct"])[:360].astype(bool)
    assert (correct == (predicted == labels)).all(), "in the order of the test split"
    assert 100 * correct.mean() == pytest.approx(result.top1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "blow", [signal.SIGKILL, *(pytest.param(blow, marks=pytest.mark.long) for blow in (signal.SIGINT, signal.SIGTERM))]
)
def test_a_run_that_is_cut_goes_on_to_the_result_it_would_have_had(blow, tmp_path, uninterrupted):
    expected, finished = uninterrupted
    place = store.directory(tmp_path, RUN)
    process = start(tmp_path, *one_run(RUN))
    wait_for_epochs(place, 3)
    os.killpg(process.pid, blow)
    output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert not (place / store.RESULT).exists()
    assert 3 <= epochs_done(place) < 10
    if blow != signal.SIGKILL:
        assert process.returncode == 130
        assert "the same command resumes the rest" in " ".join(output.split())

    code, output = finish(tmp_path, *one_run(RUN))
    assert code == 0, output
    assert "1 of them partly done" in output
    resumed = store.result(tmp_path, RUN)
    assert resumed is not None
    assert (resumed.top1, resumed.test_loss, resumed.acs) == (expected.top1, expected.test_loss, expected.acs)
    ours, theirs = (torch.load(folder / store.NETWORK, weights_only=True) for folder in (place, finished))
    for name in theirs:
        assert torch.equal(ours[name], theirs[name]), name


class Cut(RuntimeError): ...


def cut_after_two_epochs(results: Path, run: Run = RUN, code: Code | None = None) -> Path:
    def cut(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise Cut

    with pytest.raises(Cut):
        execute(run, results, cut, code=code)
    return store.directory(results, run)


@pytest.mark.slow
def test_a_run_that_is_cut_between_its_last_checkpoint_and_its_curve_has_a_whole_curve(tmp_path, uninterrupted):
    def cut(epoch: Epoch) -> None:
        if epoch.epoch == 10:
            raise Cut

    with pytest.raises(Cut):
        execute(RUN, tmp_path, cut)
    path = store.directory(tmp_path, RUN) / store.CURVES
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert execute(RUN, tmp_path).top1 == uninterrupted[0].top1
    assert epochs_done(path.parent) == 10


@pytest.mark.slow
def test_core_seconds_of_epochs_that_did_not_count_them_are_unknown(tmp_path):
    """A checkpoint of an older version has none."""
    path = cut_after_two_epochs(tmp_path) / store.CHECKPOINT
    saved = torch.load(path, weights_only=True)
    del saved["parent_sha256"]
    for epoch in saved["training"]["epochs"]:
        del epoch["train_cpu_seconds"]
    torch.save(saved, path)
    result = execute(RUN, tmp_path)
    assert result.train_cpu_seconds is None
    assert result.train_seconds > 0


@pytest.mark.slow
def test_a_damaged_checkpoint_costs_what_was_done_and_no_more(tmp_path, uninterrupted, capsys):
    expected, _ = uninterrupted
    path = cut_after_two_epochs(tmp_path) / store.CHECKPOINT
    for damaged in (path.read_bytes()[:-100], b""):
        path.write_bytes(damaged)
        assert execute(RUN, tmp_path).top1 == expected.top1
        assert "checkpoint.pt cannot be read" in capsys.readouterr().out
        cut_after_two_epochs(tmp_path)


@pytest.mark.slow
def test_epochs_of_uncommitted_code_mark_the_whole_run(tmp_path):
    cut_after_two_epochs(tmp_path, code=Code("a" * 40, True))
    assert execute(RUN, tmp_path, code=Code("b" * 40, False)).provenance.dirty is True


@pytest.fixture
def other_digits(monkeypatch):
    """Another set of the same name: its labels are moved by one."""
    whole = DATASETS["digits"].read()
    moved = Split(whole.train.images, (whole.train.labels + 1) % 10)
    other = replace(DATASETS["digits"], read=lambda: replace(whole, train=moved, sha256="0" * 64))
    return lambda: monkeypatch.setitem(DATASETS, "digits", other)


@pytest.mark.slow
def test_what_is_half_done_or_inherited_of_other_data_is_refused(tmp_path, other_digits):
    child = Run("digits", "preact-resnet-tiny", "threshold-balancing", 4, 0, "smoke")
    origin = parent(child)
    execute(origin, tmp_path)
    place = cut_after_two_epochs(tmp_path)
    other_digits()
    said = r"other digits data than those here \(SHA-256 \w{12}\.\.\. and 000000000000\.\.\.\): remove"
    with pytest.raises(BadInput, match=f"half done on {said} {re.escape(str(place))}"):
        execute(RUN, tmp_path)
    with pytest.raises(BadInput, match=f"{re.escape(str(origin))} was trained on {said}"):
        execute(child, tmp_path)


@pytest.mark.slow
def test_a_plan_says_of_how_many_cached_runs_the_data_are_other_ones(tmp_path, other_digits, monkeypatch, capsys):
    monkeypatch.setenv("DSR_RESULTS", str(tmp_path))
    run = Run("digits", "preact-resnet-tiny", "ann", 1, 0, "smoke")
    execute(run, tmp_path)
    words = ["sweep", "quick", "--methods", "ann", "--seeds", "0", "--scale", "smoke", "--plan"]
    assert app(words, standalone_mode=False) == 0
    assert "other digits" not in capsys.readouterr().out
    other_digits()
    assert app(words, standalone_mode=False) == 0
    assert "1 cached run used other digits images than those here" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.long
def test_a_failed_run_is_recorded_with_its_reason_and_the_others_go_on(tmp_path):
    doomed = Run("digits", "preact-resnet-tiny", "ann", 1, 0, "smoke")
    (store.directory(tmp_path, doomed) / store.NETWORK).mkdir(parents=True)  # its weights cannot be saved

    words = ["sweep", "quick", "--methods", "ann,dsr-if", "--timesteps", "2", "--seeds", "0"]
    code, output = finish(tmp_path, *words)
    assert code == 1, output
    rows = {row["method"]: row for row in read_csv(tmp_path / "smoke" / "quick.csv")}
    assert rows["ann"]["status"] == "failed"
    assert rows["ann"]["reason"].endswith("network.pt cannot be written: Is a directory")
    assert rows["dsr-if"]["status"] == "done"
    assert "log.txt" in output

    (store.directory(tmp_path, doomed) / store.NETWORK).rmdir()
    code, output = finish(tmp_path, *words)
    assert code == 0, output
    assert "1 cached · 1 missing" in output
    assert {row["status"] for row in read_csv(tmp_path / "smoke" / "quick.csv")} == {"done"}


@pytest.mark.slow
def test_a_child_runs_after_its_parent_and_with_its_weights(tmp_path):
    child = Run("digits", "preact-resnet-tiny", "qcfs", 4, 0, "smoke")
    origin = parent(child)
    assert origin is not None
    code, output = finish(tmp_path, *one_run(child))
    assert code == 0, output
    result, trained = store.result(tmp_path, child), store.result(tmp_path, origin)
    assert result is not None
    assert trained is not None
    assert result.parent_key == trained.key
    assert result.parent_sha256 == trained.weights_sha256
    assert result.weights_sha256 != trained.weights_sha256, "thresholds are part of it"
    assert result.train_cpu_seconds == 0.0 < trained.train_cpu_seconds
    assert (result.train_seconds, result.epochs, result.peak_step_bytes) == (0.0, 0, None)
    assert result.top1 > 50  # converted from a trained network, not from a fresh one
    ours, theirs = (
        torch.load(store.directory(tmp_path, r) / store.NETWORK, weights_only=True) for r in (child, origin)
    )
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="no CIFAR-10: DSR_DATA names no folder that holds cifar10")
@pytest.mark.parametrize("method", ["dsr-lif", "stbp-tdbn"])
def test_it_runs_on_real_cifar10(method, tmp_path):
    result = execute(Run("cifar10", "preact-resnet-tiny", method, 3, 0, "smoke"), tmp_path)
    assert result.status == "done"
    assert (result.train_images, result.test_images) == (320, 320)
    assert result.top1_validation_selected is not None
    assert result.firing_rate is not None
    assert result.firing_rate > 0


@pytest.mark.slow
@pytest.mark.long
def test_a_finished_sweep_does_nothing_the_second_time(tmp_path):
    words = ["sweep", "quick", "--methods", "qcfs", "--timesteps", "2,4", "--seeds", "0"]
    code, first = finish(tmp_path, *words)
    assert code == 0, first
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/*/*")}
    code, second = finish(tmp_path, *words)
    assert code == 0
    assert "3 runs · 3 cached · 0 missing" in second
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/*/*")} == written
