"""`dsr-bench card`: what it writes of a real run on digits, loaded again, against the run and its network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from ended_runs import ended, finish
from rich.console import Console
from torch import nn

from benchmarks.card import command, load, nir_simulation
from benchmarks.card.committed import result_of
from benchmarks.card.shapes import described
from benchmarks.data import evaluation_batches
from benchmarks.data import load as data_of
from benchmarks.execution import execute
from benchmarks.networks import build
from benchmarks.recipes import resolve
from benchmarks.runs import store
from benchmarks.runs.identity import key
from benchmarks.runs.record import Result, row, write_csv
from benchmarks.spec import BadInput, Run
from reports.queries.lookup import _typed

safetensors = pytest.importorskip("safetensors.torch", reason="safetensors is not installed (extra: export)")
nir = pytest.importorskip("nir", reason="nir is not installed (extra: export)")
RUN = Run("digits", "preact-resnet-tiny", "dsr-lif-rep", 2, 0, "smoke")
QUIET = Console(quiet=True)


def network_of(run: Run, place: Path) -> nn.Module:
    """As the run's process had it."""
    network = build(run.network, run.method, run.timesteps, 10, 1, resolve(run))
    network.load_state_dict(torch.load(place / store.NETWORK, weights_only=True))
    return network.eval()


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Result, Path, Path]:
    """A run, its directory, and its card's folder."""
    results = tmp_path_factory.mktemp("results")
    result = execute(RUN, results)
    place, target = store.directory(results, RUN), results / "card"
    assert command.command(command.Request(str(place), target), QUIET) == 0
    return result, place, target


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    data = data_of("digits", resolve(RUN))
    return next(evaluation_batches(data.test, data, 360))


def test_the_weights_are_the_runs_bit_by_bit_and_so_are_the_logits(made):
    _, place, target = made
    stored = torch.load(place / store.NETWORK, weights_only=True)
    exported = safetensors.load_file(target / "model.safetensors")
    assert stored.keys() == exported.keys()
    for name, value in stored.items():
        assert exported[name].dtype == value.dtype
        assert torch.equal(exported[name], value), name
    x, y = digits()
    with torch.no_grad():
        logits = load(target)(x)
        assert torch.equal(logits, network_of(RUN, place)(x))
    assert 100 * (logits.argmax(1) == y).double().mean().item() == pytest.approx(made[0].top1)


def test_metadata_say_what_the_weights_are_and_loading_moves_no_random_number(made):
    result, _, target = made
    with safetensors.safe_open(target / "model.safetensors", "pt") as file:
        about = file.metadata()
    expected = {"key": result.key, "method": "dsr-lif-rep", "network": RUN.network, "timesteps": "2", "scale": "smoke"}
    assert expected.items() <= about.items()
    assert (about["dataset"], about["commit"]) == ("digits", result.provenance.commit)
    torch.manual_seed(7)
    expected_number = torch.rand(1)
    torch.manual_seed(7)
    load(target)
    assert torch.equal(torch.rand(1), expected_number)


def test_the_graph_classifies_digits_as_the_network_does(made):
    result, place, target = made
    graph = nir.read(target / "network.nir")
    assert (graph.metadata["key"], graph.metadata["method"]) == (result.key, "dsr-lif-rep")
    assert {type(node).__name__ for node in graph.nodes.values()} >= {"LIF", "Conv2d", "AvgPool2d", "Affine", "Scale"}
    x, _ = digits()
    with torch.no_grad():
        ours, theirs = network_of(RUN, place)(x), nir_simulation.logits(graph, x)
    same = (ours - theirs).abs().amax(1) < 1e-4
    assert same.double().mean() > 0.98, "float32 rounds folded weights otherwise: a spike may move, but few do"
    assert ours.std() > 0.01


def test_the_card_says_what_the_records_say(made):
    result, _, target = made
    card = (target / "README.md").read_text()
    head = card.split("---\n")[1]
    assert "model-index" not in head, "smoke is no evidence"
    assert "Never evidence" in card
    assert f"{result.top1:.2f} % (95 % Wilson interval" in card
    for said in (result.key, result.provenance.commit, result.provenance.data_sha256, result.provenance.machine):
        assert said in card
    assert "ours: embedded digits" in card
    (code,) = [block.removeprefix("python\n") for block in card.split("```")[1::2]]
    done = subprocess.run([sys.executable, "-c", code + "\nprint(*logits.shape)"], cwd=target, capture_output=True,
                          text=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})  # fmt: skip
    assert done.stdout.split() == ["1", "10"], done.stderr


def recorded(results: Path, run: Run) -> Path:
    """The directory of a run with weights, but no training."""
    torch.manual_seed(0)
    network = build(run.network, run.method, run.timesteps, 10, 1, resolve(run))
    if hasattr(network.neuron, "correction"):
        network.neuron.correction = torch.rand(16)
    place = finish(results, run, test_images=360, train_images=1437)
    torch.save(network.state_dict(), place / store.NETWORK)
    return place


def test_a_run_is_found_by_its_key_and_an_ann_has_no_graph(tmp_path, monkeypatch):
    monkeypatch.setenv("DSR_RESULTS", str(tmp_path))
    run = Run("digits", "resnet20", "ann", 1, 0, "laptop")
    place = recorded(tmp_path, run)
    target = tmp_path / "cards" / place.name
    target.mkdir(parents=True)
    (target / "network.nir").touch()  # of an older version, say
    assert command.command(command.Request(key(run)), QUIET) == 0
    assert sorted(path.name for path in target.iterdir()) == ["README.md", "model.safetensors"]
    assert "`network.nir` was not written: not expressible in NIR: neuron (ReLU)" in (target / "README.md").read_text()


def test_a_conversion_keeps_its_corrections(tmp_path):
    run = Run("digits", "resnet20", "calibration", 4, 0, "laptop")
    place = recorded(tmp_path, run)
    command.command(command.Request(str(place), tmp_path / "card"), QUIET)
    stored = torch.load(place / store.NETWORK, weights_only=True)
    assert stored["neuron.correction"].shape == (16,)
    assert all(torch.equal(value, stored[name]) for name, value in load(tmp_path / "card").state_dict().items())


def test_what_is_no_finished_run_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("DSR_RESULTS", str(tmp_path))
    run = Run("digits", "resnet20", "qcfs", 4, 0, "laptop")
    place = finish(tmp_path, run)
    (place / store.NETWORK).unlink()
    with pytest.raises(BadInput, match=r"network.pt not found; a conversion read off a longer run"):
        command.command(command.Request(str(place)), QUIET)
    damaged = finish(tmp_path, replace(run, seed=2))  # an empty file
    with pytest.raises(BadInput, match=r"network.pt is damaged"):
        command.command(command.Request(str(damaged)), QUIET)
    assert not (tmp_path / "cards").exists()
    broken = finish(tmp_path, replace(run, seed=1), status="failed")
    with pytest.raises(BadInput, match=r"has not succeeded \(failed\)"):
        command.command(command.Request(str(broken)), QUIET)
    (broken / store.RESULT).unlink()
    with pytest.raises(BadInput, match=r"result.json not found: .* is not the directory of a finished run"):
        command.command(command.Request(str(broken)), QUIET)
    for name, said in (("no-such", "names no run"), ("", "is no directory of a run"), ("*", "names no run")):
        with pytest.raises(BadInput, match=said):
            command.command(command.Request(name), QUIET)
    with pytest.raises(BadInput, match="does not contain weights written by"):
        load(tmp_path)


def test_without_the_packages_one_line_says_what_to_install(made, monkeypatch):
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"needs safetensors and nir: pip install 'dsr-bench\[export\]'"):
        command.command(command.Request(str(made[1])), QUIET)


def test_a_committed_row_has_a_card_that_says_where_its_weights_are(tmp_path, monkeypatch):
    monkeypatch.setenv("DSR_RESULTS", str(tmp_path))
    monkeypatch.setattr(command, "find_spec", lambda name: None)  # no package is needed for it
    run = Run("cifar10", "preact-resnet18", "dsr-if", 20, 3, "paper")
    result = ended(run, top1=95.25, test_images=10_000, parameters=11_000_000, epochs=200)
    write_csv([row(result)], tmp_path / "cifar10.csv")
    console = Console(record=True, width=300)
    assert command.command(command.Request(key(run)[:9]), console) == 0
    assert f"{key(run)} is a row of {tmp_path}/cifar10.csv; the card names the machine" in console.export_text()
    (place,) = (tmp_path / "cards").iterdir()
    assert place.name == f"dsr-if-preact-resnet18-T20-s3-{key(run)}"
    assert [path.name for path in place.iterdir()] == ["README.md"]
    text = (place / "README.md").read_text()
    assert "| accuracy, last epoch, 10,000 test images | 95.25 % (95 % Wilson interval 94.82 to 95.65 %) |" in text
    assert "| parameters | 11,000,000 |" in text
    assert "| learning rate | 0.1 |" in text
    assert f"They are in `results/runs/cifar10-paper/{place.name}` on the machine that trained them" in text
    assert "--network preact-resnet18 --method dsr-if --timesteps 20 --seed 3 --scale paper` trains" in text
    assert "load(" not in text
    head = yaml_head(text)
    assert "value: 0.9525" in head


def yaml_head(text: str) -> str:
    return text.split("---")[1]


def test_a_row_without_a_result_or_of_another_recipe_has_no_card(tmp_path, monkeypatch):
    monkeypatch.setenv("DSR_RESULTS", str(tmp_path))
    run = Run("cifar10", "preact-resnet18", "dsr-if", 20, 3, "paper")
    failed, other = row(ended(run, status="failed")), row(ended(replace(run, seed=4))) | {"key": "abcdef"}
    write_csv([failed, other], tmp_path / "cifar10.csv")
    with pytest.raises(BadInput, match=rf"{key(run)}, a row of .*cifar10\.csv: the run has not succeeded \(failed\)"):
        command.command(command.Request(key(run)), QUIET)
    with pytest.raises(BadInput, match=r"abcdef, a row of .*: its recipe has changed since.*; check out commit \w+"):
        command.command(command.Request("abcdef"), QUIET)
    assert not (tmp_path / "cards").exists()


def test_a_row_comes_back_as_the_result_that_it_was_written_from():
    (result,) = (ended(RUN, top1=91.5, epochs=2, dense_macs_per_step=7, acs=1.5, parent_key="f" * 16),)
    stored = {name: "" if value is None else str(value) for name, value in row(result).items()}
    assert result_of(_typed(stored)) == result


def test_inputs_of_event_data_are_frames_and_an_anns_their_mean():
    run = Run("nmnist", "vgg11", "dsr-if", 10, 0, "paper")
    assert described(run, resolve(run), 2) == ("event counts of 10 frames, 34 x 34 pixels", (10, 1, 2, 34, 34))
    ann = replace(run, method="ann", timesteps=1)
    assert described(ann, resolve(ann), 2) == ("mean event counts, 34 x 34 pixels", (1, 2, 34, 34))
    tiny = Run("imagenet", "preact-resnet-imagenet-tiny", "dsr-ann", 1, 0, "laptop")
    assert described(tiny, resolve(tiny), 3)[1] == (1, 3, 64, 64)
    assert json.dumps(described(RUN, resolve(RUN), 1)) == '["(pixels / 255 - 0.3053) / 0.3761", [1, 1, 8, 8]]'
