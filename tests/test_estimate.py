"""How long a plan's estimate may take, counted in probes, and what becomes of their times."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from ended_runs import finish
from rich.console import Console
from torch import nn

from benchmarks.campaigns import NAMED
from benchmarks.cli import estimate, notices
from benchmarks.cli.display import duration
from benchmarks.cli.estimate import FEW, MANY, Body, Cost
from benchmarks.cli.preparation import Estimate, meant_for_gpu
from benchmarks.data import packed, published
from benchmarks.recipes import resolve
from benchmarks.runs import pace, store
from benchmarks.runs.identity import in_order
from benchmarks.runs.job import job_of, jobs_of
from benchmarks.spec import BadInput, Run

MACS = {
    "preact-resnet18": 480_000_000,
    "preact-resnet18-narrow": 30_000_000,
    "preact-resnet18-imagenet": 1_700_000_000,
    "preact-resnet18-imagenet-narrow": 105_000_000,
    "vgg11": 250_000_000,
    "vgg11-narrow": 17_000_000,
    "sew-resnet18-narrow": 35_000_000,
} | {f"preact-resnet{depth}": 2_000_000 * depth for depth in (20, 32, 44, 56, 110)}


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch, tmp_path):
    """Every probe's network, batch and steps; a step takes a nanosecond per multiply-accumulate, training three."""
    seen: list[tuple[Body, int, int]] = []

    def macs(body: Body) -> int:
        whole = 224 if "imagenet" in body.network else 32
        return MACS[body.network] * body.edge**2 // whole**2

    def step(model: nn.Module, batch: int, body: Body, trains: bool, device: torch.device) -> float:
        seen.append((body, batch, model.steps))
        return 1e-9 * macs(body) * batch * model.steps * (3 if trains else 1)

    def build(network: str, method: str, timesteps: int, classes: int, channels: int) -> nn.Module:
        made = nn.Identity()
        made.steps = timesteps
        return made

    for name in ("_probed", "_costs", "_sizes"):
        getattr(estimate, name).cache_clear()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(estimate, "_macs", macs)
    monkeypatch.setattr(estimate, "_step", step)
    monkeypatch.setattr(estimate, "build", build)
    monkeypatch.setenv("DSR_DATA", str(tmp_path))  # no data: a plan needs none
    yield seen
    for name in ("_probed", "_costs", "_sizes"):
        getattr(estimate, name).cache_clear()


SEVERAL = ["cifar10", "depth", "conversion", "imagenet", "cifar10dvs"]


@pytest.mark.parametrize(
    ("name", "scale"), [*product(SEVERAL, ["paper", "short", "laptop"]), ("workstation", "workstation")]
)
def test_probes_are_few_and_small_whatever_the_scale(name: str, scale: str, probes) -> None:
    runs = in_order(NAMED[name].runs(scale))
    assert None not in estimate.seconds(jobs_of(runs, Path())).values()
    methods, networks = {run.method for run in runs}, {run.network for run in runs}
    assert 0 < len(probes) <= 6 * len(methods) + 3 * (len(networks) + 1)
    several = [(body, batch, steps) for body, batch, steps in probes if steps > 1]
    assert max(steps for *_, steps in several) == MANY
    assert max(estimate._macs(body) for body, *_ in several) <= estimate.LARGE["cpu"]
    assert max(estimate._macs(body) * batch * steps for body, batch, steps in several) <= estimate.WORK["cpu"]


def test_more_seeds_and_steps_need_no_more_probes(probes) -> None:
    estimate.seconds([job_of(Run("cifar10", "preact-resnet18", "dsr-if", 5, 0, "paper"), Path())])
    count = len(probes)
    many = [Run("cifar10", "preact-resnet18", "dsr-if", t, seed, "paper") for t in (2, 20, 500) for seed in (0, 1)]
    estimate.seconds(jobs_of(many, Path()))
    assert len(probes) == count


def test_a_method_that_passes_images_once_is_probed_once(probes) -> None:
    jobs = [job_of(Run("cifar10", "preact-resnet18-narrow", "dsr-quantized", T, 0, "laptop"), Path()) for T in (5, 20)]
    five, twenty = estimate.seconds(jobs).values()
    assert five == twenty
    assert [steps for *_, steps in probes] == [FEW] * 3  # one to warm up, training, inference


def test_a_large_networks_time_is_scaled_from_a_narrow_ones(probes) -> None:
    job = job_of(Run("cifar10", "preact-resnet18", "dsr-if", 5, 0, "paper"), Path())
    recipe = job.recipe
    # 1 ns per multiply-accumulate and step, three times that in training; 480e6 in the network that is meant
    image = 1e-9 * 480e6 * 5
    trained, tested = recipe.epochs * 50_000 * 3 * image, (recipe.epochs + 2) * 10_000 * image
    assert estimate.seconds([job])[job] == pytest.approx(trained + tested, rel=1e-3)


def test_a_line_goes_through_both_times_and_never_below_nothing() -> None:
    line = estimate._line(3.0, 5.0)
    assert (line.at(FEW), line.at(MANY), line.at(20)) == pytest.approx((3.0, 5.0, 12.0))
    assert estimate._line(6.0, 5.0) == Cost(5.0, 0.0)
    assert estimate._line(0.5, 6.0) == Cost(0.0, 1.0)


def test_sizes_come_from_headers_and_published_counts(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSR_DATA", str(tmp_path))
    (tmp_path / "cifar10").mkdir()
    for split, count in (("train", 50), ("test", 10)):
        np.save(tmp_path / "cifar10" / f"{split}-images.npy", np.zeros((count, 32, 32, 3), np.uint8))
    assert packed.head("cifar10") == (3, 32, 50, 10)
    path = tmp_path / "cifar10" / "test-images.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BadInput, match="damaged or truncated"):
        packed.head("cifar10")
    laptop = resolve(Run("cifar10", "preact-resnet18-narrow", "ann", 1, 0, "laptop"))
    assert published("cifar10", laptop) == (3, 32, 10_000, 2_000, 10_000)
    events = resolve(Run("cifar10dvs", "vgg11", "ann", 1, 0, "paper"))
    assert published("cifar10dvs", events) == (2, 48, 9_000, 0, 1_000)


def test_long_times_are_said_in_days_and_years() -> None:
    said = {3.14: "3.1 s", 245: "4 min 05 s", 9000: "2 h 30 min", 172_000: "47 h 46 min", 1_036_800: "12 days"}
    assert {seconds: duration(seconds) for seconds in said} == said
    assert duration(164_642 * 3600) == "19 years"


GPU_FOR = [(False, "paper", "is meant for one"), (True, "paper", ""), (False, "laptop", "")]


@pytest.mark.parametrize(("gpu", "scale", "said"), GPU_FOR)
def test_it_is_said_which_machine_a_scale_is_meant_for(gpu: bool, scale: str, said: str, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    job = job_of(Run("cifar10", "preact-resnet18", "ann", 1, 0, scale), Path())
    console = Console(record=True, width=200)
    notices.time(console, Estimate(60.0, 0, meant_for_gpu([job])))
    told = console.export_text()
    assert said in told
    assert ("which has no GPU" in told) == bool(said)


def test_of_a_half_done_run_the_epochs_that_are_left_are_estimated(probes, tmp_path: Path) -> None:
    job = job_of(Run("cifar10", "preact-resnet18-narrow", "dsr-if", 5, 0, "laptop"), tmp_path)
    whole = estimate.seconds([job])[job]
    job.describe("cifar10")
    (job.place / store.CURVES).write_text("epoch,train_loss\n1,2.0\n2,1.9\n3,1.8\n")  # no times: by small steps
    assert (pace.epochs_done(job), estimate.seconds([job])[job]) == (0, whole), "nothing to go on from"
    (job.place / store.CHECKPOINT).touch()
    assert pace.epochs_done(job) == 3
    image = 1e-9 * MACS["preact-resnet18-narrow"] * 5
    recipe = job.recipe  # 3 epochs train on so many images, evaluate on 2,000 of them and on the test split
    saved = 3 * image * (3 * recipe.train_images + recipe.validation_images + 10_000)
    assert whole is not None
    assert estimate.seconds([job])[job] == pytest.approx(whole - saved, rel=1e-6)
    for damaged in (b"", b"\0", None):
        (job.place / store.CURVES).unlink() if damaged is None else (job.place / store.CURVES).write_bytes(damaged)
        assert pace.epochs_done(job) == 0


def test_a_half_done_run_goes_on_at_its_own_pace(probes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    job = job_of(Run("cifar10", "preact-resnet18-narrow", "dsr-if", 5, 0, "laptop"), tmp_path)
    job.describe("cifar10")
    (job.place / store.CHECKPOINT).touch()
    (job.place / store.CURVES).write_text("epoch,train_seconds,train_cpu_seconds\n1,90,100\n2,150,180\n")
    # 6 of 8 epochs are left, of 180 / 2 epochs / 2 threads = 45 s each; they evaluate 12,000 images, and the end 20,000
    evaluated = 1e-9 * MACS["preact-resnet18-narrow"] * 5 * (6 * 12_000 + 20_000)
    assert estimate.seconds([job])[job] == pytest.approx(6 * 45 + evaluated + estimate.START_SECONDS)
    monkeypatch.setattr(estimate, "_device", lambda: torch.device("cuda"))  # where the clock counts: 75 s
    assert pace.seconds_per_epoch(job, {}, None) == 75


def test_another_seed_says_how_long_an_epoch_takes(probes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    run = Run("cifar10", "preact-resnet18-narrow", "dsr-if", 5, 0, "laptop")
    job, others = job_of(run, tmp_path), (replace(run, seed=1), replace(run, timesteps=4), replace(run, method="ann"))
    evaluated = 1e-9 * MACS[run.network] * 5 * (8 * 12_000 + 20_000)
    for other, spent in zip(others, (400.0, 7.0, 9.0), strict=True):
        finish(tmp_path, other, epochs=8, train_seconds=800.0, train_cpu_seconds=spent)
    ended = [job_of(other, tmp_path) for other in others]
    assert estimate.seconds([job], ended)[job] == pytest.approx(400 + evaluated + estimate.START_SECONDS)
    assert estimate.seconds([job], ended[1:]) == estimate.seconds([job])
    finish(tmp_path, others[0], epochs=8, train_seconds=800.0, train_cpu_seconds=None)
    assert estimate.seconds([job], ended) == estimate.seconds([job]), "an older row has no core-seconds"
    assert pace.seconds_per_epoch(job, pace.alike(ended), None) == 100


def test_the_test_split_is_read_once_where_the_recipe_says_so(probes) -> None:
    job = job_of(Run("cifar10", "preact-resnet18-narrow", "dsr-if", 5, 0, "workstation"), Path())
    image = 1e-9 * MACS["preact-resnet18-narrow"] * 5
    # 20 epochs of 45,000 images and 5,000 held out; then the test split for accuracy and again for operations
    expected = 20 * (45_000 * 3 * image + 5_000 * image) + 2 * 10_000 * image
    assert estimate.seconds([job])[job] == pytest.approx(expected, rel=1e-3)
