"""Bad input: one line on stderr (what, where, what is allowed), exit code 2, before anything expensive starts."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import main


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DSR_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("DSR_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DSR_TRACKING", "off")
    (tmp_path / "data").mkdir()
    return tmp_path


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["dsr-bench", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


FIELDS = {"--dataset": "digits", "--network": "preact-resnet-tiny", "--method": "dsr-if", "-T": "2", "--scale": "smoke"}


def run(**changed: str) -> list[str]:
    return ["run", *(word for pair in (FIELDS | {f"--{k}": v for k, v in changed.items()}).items() for word in pair)]


MISTAKES = [
    (run(dataset="cifar01"), "unknown dataset 'cifar01' (did you mean 'cifar10'?); there are: digits, cifar10"),
    (run(network="preact-resnet19"), "unknown network 'preact-resnet19' (did you mean 'preact-resnet18'?)"),
    (run(method="dsr"), "unknown method 'dsr'"),
    (run(scale="large"), "unknown scale 'large'; there are: paper, short, laptop, smoke"),
    (["run", "--dataset", "digits", "--network", "preact-resnet-tiny", "--method", "dsr-if", "-T", "0"], "at least 1"),
    (
        ["run", "--dataset", "digits", "--network", "preact-resnet-tiny", "--method", "dsr-if", "-T", "two"],
        "Invalid value for '--timesteps'",
    ),
    (["run", "--dataset", "digits"], "Missing option"),
    (run(seed="-1"), "seed at least 0"),
    (run(method="ann"), "ann has no time axis: its timesteps are 1, not 2"),
    (["sweep", "quik"], "unknown sweep 'quik' (did you mean 'quick'?)"),
    (["sweep", "quick", "--scale", "paper"], "unknown scale for this sweep 'paper'; there are: smoke"),
    (["sweep", "quick", "--methods", "ann,dsr"], "unknown method 'dsr'"),
    (["sweep", "quick", "--timesteps", "2,x"], "timesteps must be whole numbers separated by commas, not '2,x'"),
    (["sweep", "quick", "--timesteps", "0"], "timesteps must be at least 1, not 0"),
    (["sweep", "quick", "--seeds", "-1"], "seeds must be at least 0, not -1"),
    (["sweep", "quick", "--network", "vgg"], "unknown network 'vgg'"),
    (["swep", "quick"], "swep"),
    (["report", "nowhere.csv"], "nowhere.csv"),
]


@pytest.mark.parametrize(("words", "expected"), MISTAKES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_mistake_in_the_words_is_one_line_and_nothing_is_made(words, expected, places, monkeypatch, capsys):
    assert call(monkeypatch, *words) == 2
    said = capsys.readouterr().err
    assert said.startswith("dsr-bench: ")
    assert said.count("\n") == 1
    assert expected in said
    assert not list(places.glob("results/runs/**"))


def refused(places: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert call(monkeypatch, *words) == 2
    said: str = capsys.readouterr().err
    assert said.count("\n") == 1
    assert not list(places.glob("results/runs/**"))
    return said


def test_a_data_root_that_is_not_there_is_named(places, monkeypatch, capsys):
    (places / "data").rmdir()
    said = refused(places, monkeypatch, capsys, "sweep", "cifar10", "--scale", "smoke")
    assert f"data root {places / 'data'} (DSR_DATA) does not exist" in said


def test_damaged_data_are_found_before_any_training(places, monkeypatch, capsys):
    folder = places / "data" / "cifar10"
    folder.mkdir()
    for split in ("train", "test"):
        np.save(folder / f"{split}-images.npy", np.zeros((500, 32, 32, 3), np.uint8))
        np.save(folder / f"{split}-labels.npy", np.full(500, 10))
    said = refused(places, monkeypatch, capsys, "sweep", "cifar10", "--scale", "smoke")
    assert "train-labels.npy: labels 10 to 10, allowed are 0 to 9" in said


def test_a_results_folder_that_cannot_be_written_is_named(places, monkeypatch, capsys):
    (places / "results").write_text("a file in its place")
    said = refused(places, monkeypatch, capsys, "sweep", "quick")
    assert f"results folder {places / 'results'} cannot be written" in said


def test_a_plan_runs_nothing(places, monkeypatch, capsys):
    assert call(monkeypatch, "sweep", "quick", "--plan", "--methods", "ann,qcfs", "--timesteps", "2") == 0
    said = capsys.readouterr().out
    assert "6 runs · 0 cached · 6 missing" in said  # two seeds of ann, qcfs and qcfs's parent
    assert "on this machine" in said
    assert not list(places.glob("results/runs/**"))


def test_list_names_everything_and_the_papers_network_has_its_size(places, monkeypatch, capsys):
    assert call(monkeypatch, "list") == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("cifar100", "stbp-tdbn", "qcfs-ann", "11.177 M", "555.42 M"))


def test_doctor_says_where_things_are(places, monkeypatch, capsys):
    call(monkeypatch, "doctor")
    said = capsys.readouterr().out
    assert str(places / "data") in said
    assert str(places / "results") in said
