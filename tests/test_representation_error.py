"""The representation error in its two parts: worked out by hand, in a trained network, on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

import dsr
from benchmarks.__main__ import app
from benchmarks.execution import execute
from benchmarks.quantization import command
from benchmarks.quantization.split import layer_errors, split
from benchmarks.quantization.studies import IF, LIF, Row, drives, measure
from benchmarks.runs import store
from benchmarks.runs.record import read_csv
from benchmarks.spec import BadInput, Run

COMMITTED = Path(__file__).parent.parent / "results" / store.QUANTIZATION


def over_time(*currents: float) -> Tensor:
    """One neuron, T steps: `(T, 1)`."""
    return torch.tensor(currents, dtype=torch.float64).unsqueeze(1)


def test_a_positive_start_leaves_a_rate_where_the_mean_is_zero():
    # the paper's example: fires at 1 and 1, then only falls
    found = split(dsr.IF(5, 1.0, 0.5), over_time(1, 1, -1, -1, 0))
    assert [rate.item() for rate in found] == pytest.approx([0.4, 0, 0])
    assert found.deviation.item() == pytest.approx(0.4)


def test_both_parts_of_an_error_worked_out_by_hand():
    # mean .32; one late spike makes .2, the steady current makes 2 of 5
    found = split(dsr.IF(5, 1.0, 0.5), over_time(0, 0, 0, 0, 1.6))
    assert found.representation.item() == pytest.approx(-0.12)
    assert found.quantization.item() == pytest.approx(0.08)
    assert found.deviation.item() == pytest.approx(-0.2)


@pytest.mark.parametrize("alpha", [0.3, 0.5, 1.0])
def test_if_has_no_deviation_while_currents_stay_in_the_range(alpha):
    currents = drives(20, 509)
    assert (measure(IF, 20, alpha, currents["inside"]).deviation.abs() < 1e-12).all()
    assert measure(IF, 20, alpha, currents["beyond"]).deviation.abs().mean() > 0.01
    assert measure(LIF, 20, alpha, currents["inside"]).deviation.abs().mean() > 0.001


@pytest.fixture(scope="module", params=["dsr-if", "dsr-lif"])
def trained(request, tmp_path_factory) -> Path:
    results = tmp_path_factory.mktemp("trained")
    run = Run("digits", "preact-resnet-tiny", request.param, 4, 0, "smoke")
    execute(run, results)
    return store.directory(results, run)


@pytest.mark.slow
def test_a_trained_network_has_its_error_split_in_every_layer(trained):
    _, result, layers = command.of_run(trained)
    assert [row["layer"] for row in layers] == [
        *(f"stages.{stage}.0.neuron{place}" for stage in range(3) for place in (1, 2)),
        "neuron",
        "readout.pooled_neuron",
        "readout.neuron",
    ]
    # 8 x 8 pixels: 8 channels, then 16 of 4 x 4, then 32 of 2 x 2
    assert [row["neurons"] for row in layers] == [512, 512, 512, 256, 256, 128, 128, 32, 10]
    assert {(row["key"], row["images"]) for row in layers} == {(result.key, 360)}
    # a still image gives the first neurons the same current at every step
    assert layers[0]["deviation_error"] == layers[0]["deviation_bias"] == 0
    for row in layers:
        assert row["representation_bias"] == pytest.approx(row["quantization_bias"] + row["deviation_bias"], abs=1e-9)
        assert row["representation_error"] <= row["quantization_error"] + row["deviation_error"] + 1e-9
        assert 0 < row["representation_error"] < row["ceiling"] / 4
        assert 0 < row["outside"] < 1
    assert all(row["deviation_error"] > 0 for row in layers[1:7])


@pytest.mark.parametrize("neuron", [dsr.IF(4, 1.3, 0.5), dsr.LIF(4, 0.13, 0.5, 1.0, 0.1)])
def test_layers_are_measured_on_the_currents_that_reach_them(neuron):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(6, 5), neuron, torch.nn.Linear(5, 3), type(neuron)(4, 0.5)).train()
    images = torch.randn(4 * 7, 6)
    first, second = layer_errors(network, [images])
    x = network[0](images)
    r = neuron.rate()
    error = r(neuron(x)) - (r(x) / (getattr(neuron, "tau", 1.0))).clamp(0, 1.3)
    assert (first.layer, second.layer) == ("1", "3")
    assert (first.neurons, first.images, second.neurons) == (5, 7, 3)
    assert first.ceiling == pytest.approx(1.3)
    assert first.representation_error == pytest.approx(error.abs().mean().item(), rel=1e-5)
    assert first.representation_bias == pytest.approx(error.mean().item(), rel=1e-5)
    assert first.outside == pytest.approx(((x < 0) | (x > 1.3)).double().mean().item())
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())


def test_batches_make_no_difference():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(6, 5), dsr.IF(2, 1.0))
    steps = torch.randn(2, 9, 6)
    (whole,) = layer_errors(network, [steps.flatten(0, 1)])
    (apart,) = layer_errors(network, [part.flatten(0, 1) for part in steps.split(4, dim=1)])
    assert list(vars(whole).values())[1:] == pytest.approx(list(vars(apart).values())[1:])


def called(monkeypatch: pytest.MonkeyPatch, results: Path, *words: str) -> None:
    monkeypatch.setenv("DSR_RESULTS", str(results))
    assert app([*words], standalone_mode=False) == 0


def committed() -> list[Row]:
    """The committed rows instead of measuring them again: `test_quantization.py` does that."""
    return [Row(**{name: value(text) for name, text in row.items()}) for row in read_csv(COMMITTED)]  # type: ignore


def value(text: str) -> float | str | None:
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        return text or None


@pytest.mark.slow
@pytest.mark.parametrize("trained", ["dsr-if"], indirect=True)
def test_the_command_writes_rows_and_a_page_and_a_run_is_there_once(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "studies", committed)
    called(monkeypatch, tmp_path, "quantization")
    assert (tmp_path / store.QUANTIZATION).read_text() == COMMITTED.read_text()
    assert "LIF, dt = 0.05" in capsys.readouterr().out
    assert (tmp_path / "reports" / "quantization" / "index.html").read_text().count("<figure>") == 9
    for _ in range(2):
        called(monkeypatch, tmp_path, "quantization", "--run", str(trained))
    assert len(read_csv(tmp_path / "smoke" / store.QUANTIZATION_LAYERS)) == 9
    assert "never evidence" in (tmp_path / "reports" / "quantization-smoke" / "index.html").read_text().lower()


@pytest.mark.slow
def test_a_report_of_all_there_is_takes_the_studies_in(tmp_path, monkeypatch, capsys):
    (tmp_path / store.QUANTIZATION).write_text(COMMITTED.read_text())
    called(monkeypatch, tmp_path, "report")
    assert "Quantisation error of single neurons" in capsys.readouterr().out
    assert (tmp_path / "reports" / "all" / "quantization-rate-if.svg").exists()


@pytest.mark.slow
def test_what_is_no_finished_run_of_dsr_neurons_is_named(tmp_path):
    with pytest.raises(BadInput, match="nowhere is not the directory of a finished run"):
        command.of_run(tmp_path / "nowhere")
    run = Run("digits", "preact-resnet-tiny", "ann", 1, 0, "smoke")
    execute(run, tmp_path)
    with pytest.raises(BadInput, match="the network has no DSR neuron"):
        command.of_run(store.directory(tmp_path, run))
