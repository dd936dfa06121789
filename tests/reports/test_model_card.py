"""Model cards: their numbers worked out by hand, and a head that YAML reads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from invented import ORIGIN

from benchmarks.runs.record import Result
from reports import model_card

RECIPE = {"sources": "DSR | ours", "epochs": 8, "conversion": {}, "classes": None, "neuron": {"alpha": 1}}


def given(**changes: Any) -> Result:
    facts: dict[str, Any] = {
        "key": "0123456789abcdef", "parent_key": None, "dataset": "cifar10", "network": "resnet20", "method": "dsr-if",
        "timesteps": 4, "seed": 0, "scale": "laptop", "status": "done", "top1": 50.0, "top1_best": 51.5,
        "test_images": 100, "dense_macs_per_step": 1_000_000, "acs": 1e6, "analog_macs": 1000.0,
        "analog_macs_every_step": 4000.0,
        "peak_step_bytes": 3 * 2**20, "idle_bytes": 2**20, "other_load_cores": 1.5, "train_seconds": 12.0,
        "provenance": ORIGIN,
    }  # fmt: skip
    return Result(**facts | changes)


def rendered(result: Result) -> str:
    return model_card.render(result, RECIPE, "A title", "pixels", (1, 3, 32, 32), "No graph.")


def test_numbers_are_those_of_the_records() -> None:
    text = rendered(given())
    # Wilson, 50 of 100: 50 +- 100 * 1.96 * sqrt(.25 / 100 + 1.96^2 / 4e4) / (1 + 1.96^2 / 100) = 50 +- 9.62
    assert "50.00 % (95 % Wilson interval 40.38 to 59.62 %)" in text
    assert "| 0.905 µJ |" in text, "1e6 * 0.9 pJ + 1000 * 4.6 pJ"
    assert "| 0.918 µJ |" in text, "and 4000 * 4.6 pJ"
    assert "| 2.0 MiB |" in text
    assert "by the clock | – (other processes took 1.5 cores meanwhile) |" in text
    assert "12.0 s" not in text
    quiet = rendered(given(other_load_cores=0.0, train_cpu_seconds=20.4))
    assert "| training, evaluation excluded | 20 core-seconds |" in quiet
    assert "| the same, by the clock | 12.0 s |" in quiet
    assert "dense | 3.615 µJ |" in quiet, "4000 * 4.6 pJ and (4 * 1e6 - 4000) * 0.9 pJ"
    assert "working tree as committed" in text


def test_the_energy_of_activations_of_few_bits_follows_from_the_lines_of_the_card() -> None:
    counts = {
        "acs": 0.0,
        "neuron_updates": 0,
        "analog_macs": 60_000.0,
        "quantized_macs": 50_000.0,
        "activation_bits": 2,
    }
    text = rendered(given(method="lsq-ann", timesteps=2, **counts))
    assert "once (45 nm fp32 (Horowitz 2014), 4.6 pJ per MAC, 0.9 pJ per AC) | 0.136 µJ |" in text, (
        "10,000 * 4.6 pJ + 50,000 * 2 * 0.9 pJ"
    )
    assert "| of these with an activation of 2 bits, each billed as 2 accumulates, " in text
    assert "one multiply-accumulate | 50,000 |" in text
    assert "of these" not in rendered(given(method="ann", acs=0.0, neuron_updates=0))


def test_what_was_not_recorded_is_a_dash_and_what_is_not_set_is_left_out() -> None:
    text = rendered(given(top1=None, acs=None, dense_macs_per_step=None, train_seconds=None, peak_step_bytes=None))
    assert "| joules of training | – |" in text
    assert text.count("| – |") >= 8
    assert "µJ |" not in text
    assert "| sources | DSR \\| ours |" in text
    assert "| neuron | alpha 1 |" in text
    assert "| classes" not in text


def test_parents_and_changed_code_are_told() -> None:
    text = rendered(given(parent_key="0" * 16, provenance=replace(ORIGIN, dirty=True)))
    assert "working tree changed" in text
    assert "does not make this run again" in text
    assert "the run of key `0000000000000000`" in text
    assert "does not make this run again" not in rendered(given())


def test_the_head_is_yaml_with_the_accuracy_unless_it_is_smoke() -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    head = yaml.safe_load(rendered(given()).split("---\n")[1])
    assert head["model-index"][0]["results"][0]["metrics"] == [{"type": "accuracy", "value": 0.5}]
    assert (head["datasets"], head["library_name"]) == (["cifar10"], "dsr-bench")
    variant = rendered(given(method="stbp-tdbn@reset=soft: #1", scale="smoke"))
    head = yaml.safe_load(variant.split("---\n")[1])
    assert "stbp-tdbn@reset=soft: #1" in head["tags"]
    assert "model-index" not in head
    assert "Never evidence" in variant
