"""What a row is evidence of: digests, predictions, the kernels that ran, layers that emit nothing."""

from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ended_runs import ended, finish
from torch import nn

import dsr.engine.kernels
from benchmarks import execution
from benchmarks.execution import execute
from benchmarks.export import prediction_files
from benchmarks.export.rows import export, look
from benchmarks.files import csv_files
from benchmarks.measurement import digests, predictions
from benchmarks.methods import kernels_for, kernels_of
from benchmarks.networks import build
from benchmarks.operations import silence
from benchmarks.operations.ledger_rows import LedgerRow
from benchmarks.recipes import resolve
from benchmarks.runs import store
from benchmarks.runs.identity import key
from benchmarks.runs.job import job_of
from benchmarks.runs.record import row, save, write_csv
from benchmarks.spec import BadInput, Run
from benchmarks.training import loop

ANN = Run("digits", "preact-resnet-tiny", "ann", 1, 0, "laptop")
CHILD = replace(ANN, method="threshold-balancing", timesteps=4)
SMOKE_ANN, SMOKE_CHILD = replace(ANN, scale="smoke"), replace(CHILD, scale="smoke")


def test_a_digest_is_of_names_types_shapes_and_bytes_in_order() -> None:
    """By hand: a header line and little-endian bytes for each tensor."""
    state = {"w": torch.tensor([[1.0, 2.0]]), "steps": torch.tensor(3), "half": torch.ones(1, dtype=torch.bfloat16)}
    by_hand = b'["w", "torch.float32", [1, 2]]\n' + b"\0\0\x80\x3f\0\0\0\x40"
    by_hand += b'["steps", "torch.int64", []]\n' + b"\3" + 7 * b"\0"
    by_hand += b'["half", "torch.bfloat16", [1]]\n' + b"\x80\x3f"
    assert digests.of_state(state) == hashlib.sha256(by_hand).hexdigest()


def test_every_change_of_a_state_changes_its_digest_and_a_file_does_not(tmp_path: Path) -> None:
    state = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).state_dict()
    known = digests.of_state(state)
    torch.save(state, tmp_path / "a.pt")
    assert digests.of_state(torch.load(tmp_path / "a.pt", weights_only=True)) == known
    other_strides = state["0.weight"].to(memory_format=torch.channels_last)
    assert digests.of_state(state | {"0.weight": other_strides}) == known
    changed = [
        state | {"0.bias": state["0.bias"] + 1e-7},
        state | {"0.bias": state["0.bias"].double()},
        state | {"0.bias": state["0.bias"][None]},
        {name.replace("1.", "2."): value for name, value in state.items()},
        dict(reversed(state.items())),
    ]
    assert len({known, *map(digests.of_state, changed)}) == 6


def test_predictions_are_class_correctness_and_margin(tmp_path: Path) -> None:
    """Probabilities 0.6, 0.4, 0 (margin 51 of 255); 0, 0.25, 0.75 (127.5 to even: 128); all equal (0); no numbers."""
    logits = torch.tensor([[0.6, 0.4, 0.0], [0.0, 0.25, 0.75], [1.0, 1.0, 1.0]]).log()
    logits = torch.cat([logits, torch.full((1, 3), float("nan"))])
    found = predictions.joined([predictions.of(some, labels) for some, labels in (
        (logits[:2], torch.tensor([0, 1])), (logits[2:], torch.tensor([0, 2])))])  # fmt: skip
    digest = predictions.write(found, tmp_path / "a.npz")
    arrays = np.load(tmp_path / "a.npz")
    assert arrays["predicted"].tolist()[:2] == [0, 2]
    assert arrays["correct"].tolist() == [0b10100000]
    assert arrays["margin"].tolist() == [51, 128, 0, 0]
    assert (arrays["images"], arrays["predicted"].dtype) == (4, np.uint8)
    assert digest == hashlib.sha256((tmp_path / "a.npz").read_bytes()).hexdigest()


def test_equal_predictions_are_equal_bytes_and_many_classes_take_two(tmp_path: Path, monkeypatch) -> None:
    logits = torch.randn(50, 1000, generator=torch.Generator().manual_seed(0))
    found = predictions.joined([predictions.of(logits, logits.argmax(1))])
    first = predictions.write(found, tmp_path / "a.npz")
    monkeypatch.setattr(time, "time", lambda: 2e9)
    assert predictions.write(found, tmp_path / "b.npz") == first
    arrays = np.load(tmp_path / "a.npz")
    assert arrays["predicted"].dtype == np.uint16
    assert (arrays["predicted"] == logits.argmax(1).numpy()).all()


def test_small_predictions_are_committed_and_leave_with_their_rows(tmp_path: Path) -> None:
    packed = b"predictions"
    other, large, smoke = replace(ANN, seed=1), replace(ANN, seed=2), replace(ANN, scale="smoke")
    for run, held in ((ANN, packed), (other, packed), (large, prediction_files.LARGEST_BYTES * b"x"), (smoke, packed)):
        place = finish(tmp_path, run, predictions_sha256=hashlib.sha256(held).hexdigest())
        (place / store.PREDICTIONS).write_bytes(held)
    export("quick", [ANN, other, large], "laptop", tmp_path)
    export("quick", [smoke], "smoke", tmp_path)
    folder = tmp_path / "predictions"
    (folder / "mine.npz").touch()
    assert {path.name for path in folder.iterdir()} == {f"{key(ANN)}.npz", f"{key(other)}.npz", "mine.npz"}
    assert (folder / f"{key(ANN)}.npz").read_bytes() == packed
    write_csv([row(ended(other, predictions_sha256=hashlib.sha256(packed).hexdigest()))], tmp_path / "quick.csv")
    export("quick", [], "laptop", tmp_path)
    assert {path.name for path in folder.iterdir()} == {f"{key(other)}.npz", "mine.npz"}
    write_csv([row(ended(other, predictions_sha256="f" * 64))], tmp_path / "quick.csv")
    (line,) = export("quick", [], "laptop", tmp_path).refused
    digest = hashlib.sha256(packed).hexdigest()[:16]
    said = f"has SHA-256 {digest}..., its row names ffffffffffffffff...: restore it from git, or remove it"
    assert line == f"{folder / key(other)}.npz {said}"
    assert {path.name for path in folder.iterdir()} == {f"{key(other)}.npz", "mine.npz"}, "nobody asked to remove it"


def test_predictions_of_a_replaced_row_leave_where_the_new_ones_are_too_large(tmp_path: Path) -> None:
    place = finish(tmp_path, ANN, predictions_sha256=hashlib.sha256(b"small").hexdigest())
    (place / store.PREDICTIONS).write_bytes(b"small")
    export("quick", [ANN], "laptop", tmp_path)
    large = prediction_files.LARGEST_BYTES * b"x"
    finish(tmp_path, ANN, predictions_sha256=hashlib.sha256(large).hexdigest(), top1=50.0)
    (place / store.PREDICTIONS).write_bytes(large)
    exported = export("quick", [ANN], "laptop", tmp_path, replace=True)
    assert (len(exported.changes), exported.refused) == (1, ())
    assert not list((tmp_path / "predictions").iterdir())


def test_predictions_of_a_stale_row_stay_while_the_row_does(tmp_path: Path) -> None:
    packed, folder = b"predictions", tmp_path / "predictions"
    folder.mkdir()
    parent = row(ended(ANN, weights_sha256="a" * 64))
    digest = hashlib.sha256(packed).hexdigest()
    child = row(ended(CHILD, parent_key=key(ANN), parent_sha256="b" * 64, predictions_sha256=digest))
    write_csv([parent, child], tmp_path / "quick.csv")
    (folder / f"{key(CHILD)}.npz").write_bytes(packed)
    assert key(CHILD) not in store.committed(tmp_path)
    assert not export("quick", [], "laptop", tmp_path).refused
    assert [line["key"] for line in csv_files.rows(tmp_path / "quick.csv")] == [key(ANN), key(CHILD)]
    assert (folder / f"{key(CHILD)}.npz").read_bytes() == packed


@pytest.mark.parametrize("method", ["dsr-if", "dsr-lif-rep", "stbp-tdbn", "threshold-balancing", "ann", "qcfs-ann"])
def test_a_row_says_which_kernels_ran(method: str, monkeypatch) -> None:
    def kernels() -> str:
        network = build(ANN.network, method, 4, 10, 1, resolve(replace(ANN, method=method, timesteps=4))).eval()
        return kernels_of(network, torch.zeros(1, 1, 8, 8))

    spikes = method not in ("ann", "qcfs-ann")
    assert kernels() == (f"compiled ({kernels_for()})" if spikes and kernels_for() else "torch")
    monkeypatch.setattr(dsr.engine.kernels, "load", lambda *_: (None, "off"))
    assert kernels() == "torch"


def ledger(place: Path, **emitted: int) -> None:
    counts = {"origin": "", "kind": "mac", "images": 8, "dense_macs_per_step": 1, "padded_macs_per_step": 1}
    counts["operations"] = 1
    of = {f"behind {name}": (name, count) for name, count in emitted.items()}
    rows = [LedgerRow(layer=layer, neuron=name, output_nonzero=n, **counts) for layer, (name, n) in of.items()]
    store.write_table(place / store.LEDGER, [*rows, LedgerRow(layer="linear", **counts)])


def test_a_silent_layer_of_a_run_or_of_its_parent_is_said_in_log_and_record(tmp_path: Path, capsys) -> None:
    above, place = finish(tmp_path, ANN), finish(tmp_path, CHILD)
    assert silence.mention(job_of(CHILD, tmp_path)) is None
    ledger(above, relu1=5, relu2=0, relu3=0)
    ledger(place, relu1=5, relu2=0, relu3=1)
    nothing = "emits nothing on any test image in"
    said = silence.mention(job_of(CHILD, tmp_path))
    assert said == f"parent ann {nothing} relu2, relu3; it {nothing} relu2"
    assert said in capsys.readouterr().out
    assert silence.mention(job_of(ANN, tmp_path)) == f"it {nothing} relu2, relu3"


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path) -> Path:
    """A results folder with a trained ANN."""
    shutil.copytree(trained_once, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory) -> Path:
    execute(SMOKE_ANN, results := tmp_path_factory.mktemp("trained"))
    return results


def test_a_converted_parent_with_a_dead_layer_is_done_with_a_reason(trained: Path) -> None:
    """A norm whose scale is 0 and whose shift is negative: the ReLU behind it gets nothing above 0."""
    before, place = store.result(trained, SMOKE_ANN), store.directory(trained, SMOKE_ANN)
    assert before is not None
    assert before.reason is None
    weights = torch.load(place / store.NETWORK, weights_only=True)
    scale = next(name for name, value in weights.items() if name.endswith("weight") and value.dim() == 1)
    weights[scale].zero_()
    weights[scale.replace("weight", "bias")].fill_(-1.0)
    torch.save(weights, place / store.NETWORK)
    with pytest.raises(BadInput, match="has weights of SHA-256"):
        execute(SMOKE_CHILD, trained)
    save(replace(before, weights_sha256=digests.of_state(weights)), place / store.RESULT)
    result = execute(SMOKE_CHILD, trained)
    assert result.status == "done"
    assert result.reason is not None
    assert result.reason.startswith("it emits nothing on any test image in ")
    assert result.parent_sha256 == digests.of_state(weights) != before.weights_sha256


def test_half_a_simulation_of_other_weights_begins_anew(trained: Path, capsys) -> None:
    expected = execute(SMOKE_CHILD, trained)
    place = store.directory(trained, SMOKE_CHILD)
    data = execution.load("digits", resolve(SMOKE_CHILD), torch.device("cpu"), None)
    torch.save({"images": 360, "parent_sha256": "f" * 64, "data_sha256": data.sha256}, place / store.CHECKPOINT)
    assert execute(SMOKE_CHILD, trained).top1 == expected.top1
    assert "started from other weights than its parent has now: the run begins anew" in capsys.readouterr().out


def test_core_seconds_are_those_of_training_and_not_of_evaluation(tmp_path: Path, monkeypatch) -> None:
    """A clock that only moves in the pass over the training split: 3 s an epoch."""
    clock = [100.0]

    def passed(self, number, memory):
        clock[0] += 3.0
        return 1.0, 50.0

    def evaluated(self, split):
        clock[0] += 1000.0
        return execution.Evaluation(1.0, 50.0, None)

    monkeypatch.setattr(loop, "cpu_seconds", lambda: clock[0])
    monkeypatch.setattr(loop.Trainer, "_pass", passed)
    monkeypatch.setattr(loop.Trainer, "_evaluate", evaluated)
    recipe = resolve(SMOKE_ANN)
    data, network, memory, *_ = execution._prepare(job_of(SMOKE_ANN, tmp_path))
    found = loop.Training(memory)
    loop.Trainer(network, data, replace(recipe, epochs=2), 0, 1).run(found, lambda _: None)
    assert [epoch.train_cpu_seconds for epoch in found.epochs] == [3.0, 6.0]


def test_a_file_in_place_of_the_folder_of_predictions_is_named_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "predictions").write_text("mine")
    with pytest.raises(BadInput, match="predictions is not a folder"):
        look("quick", "laptop", tmp_path)
    look("quick", "smoke", tmp_path)


def test_a_folder_among_predictions_is_left_alone(tmp_path: Path) -> None:
    (mine := tmp_path / "predictions" / f"{key(ANN)}.npz").mkdir(parents=True)
    export("quick", [ANN], "laptop", tmp_path)
    assert mine.is_dir()
