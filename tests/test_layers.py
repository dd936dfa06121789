"""Layers of exported runs: the ledgers' numbers per image, merged run by run."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from ended_runs import CLEAN, finish

from benchmarks.export.layers import COLUMNS
from benchmarks.export.rows import export
from benchmarks.operations.ledger_rows import LedgerRow
from benchmarks.runs import store
from benchmarks.runs.identity import key
from benchmarks.runs.record import read_csv
from benchmarks.spec import Run

DSR = Run("digits", "preact-resnet-tiny", "dsr-if", 4, 0, "laptop")
ANN = replace(DSR, method="ann", timesteps=1)
SIZES = {"operation": "conv", "in_channels": 2, "out_channels": 4, "kernel": 3, "stride": 1, "groups": 1}
FIRST = LedgerRow(
    layer="stem", origin="input", kind="mac", **SIZES, out_height=8, out_width=8, weights=72, biases=4, timesteps=4,
    analog_repeats=1, images=8, dense_macs_per_step=100, padded_macs_per_step=120, operations=800, input_nonzero=60,
    neuron="n0", output_neurons=256, output_nonzero=4, neuron_updates=8192, neuron_leaks=16384,
)  # fmt: skip
SECOND = LedgerRow(
    layer="conv", origin="n0", kind="ac", **SIZES, out_height=4, out_width=4, weights=72, biases=0, timesteps=4,
    images=8, dense_macs_per_step=50, padded_macs_per_step=60, operations=9, operations_graded_pool=5, input_nonzero=4,
    neuron="relu", output_neurons=64, output_nonzero=33,
)  # fmt: skip


def record(results: Path, run: Run, *ledger: LedgerRow, **changes: object) -> Path:
    place = finish(results, run, **changes)
    store.write_table(place / store.LEDGER, ledger)
    return place


def exported(results: Path, *runs: Run) -> list[dict[str, str]]:
    export("quick", runs, "laptop", results)
    return read_csv(results / "quick-layers.csv")


def test_rows_are_the_ledgers_per_image(tmp_path):
    record(tmp_path, DSR, FIRST, SECOND)
    first, second = exported(tmp_path, DSR)
    assert list(first) == COLUMNS
    assert first == {
        "key": key(DSR), "layer": "stem", "origin": "input", "kind": "mac", "operation": "conv", "in_channels": "2",
        "out_channels": "4", "kernel": "3", "stride": "1", "groups": "1", "out_height": "8", "out_width": "8",
        "weights": "72", "biases": "4", "dense_macs_per_step": "100", "padded_macs_per_step": "120",
        "operations": "100.0", "operations_graded_pool": "", "input_nonzero": "7.5", "output_spikes": "0.5",
        "output_neurons": "256", "timesteps": "4", "analog_repeats": "1", "neuron_updates": "1024.0",
        "neuron_leaks": "2048.0",
    }  # fmt: skip
    assert (second["operations"], second["operations_graded_pool"], second["analog_repeats"]) == ("1.125", "0.625", "")
    assert (second["output_neurons"], second["output_spikes"]) == ("64", "")  # graded neurons emit no spikes
    assert (second["neuron_updates"], second["neuron_leaks"]) == ("", "")


def test_rows_of_runs_that_are_not_on_this_disk_stay_and_those_of_stale_runs_go(tmp_path):
    record(tmp_path, DSR, FIRST)
    place = record(tmp_path, ANN, SECOND)
    both = exported(tmp_path, DSR, ANN)
    assert [row["layer"] for row in both] == ["conv", "stem"]  # as the runs stand in the sweep's own CSV
    (place / store.RESULT).unlink()
    record(tmp_path, DSR, replace(FIRST, operations=1600))
    assert [row["operations"] for row in exported(tmp_path, DSR, ANN)] == ["1.125", "200.0"]

    with (tmp_path / "quick-layers.csv").open("a", newline="") as file:
        csv.DictWriter(file, COLUMNS).writerow(both[0] | {"key": "0" * 16})
    assert {row["key"] for row in exported(tmp_path, DSR)} == {key(DSR), key(ANN)}


def test_a_ledger_of_an_older_format_leaves_what_stands_there(tmp_path):
    place = record(tmp_path, DSR, FIRST)
    before = exported(tmp_path, DSR)
    (place / store.LEDGER).write_text("layer,origin,kind,operations,images\nstem,input,mac,1,1\n")
    assert exported(tmp_path, DSR) == before
    (tmp_path / "quick-layers.csv").unlink()
    export("quick", [DSR], "laptop", tmp_path)
    assert not (tmp_path / "quick-layers.csv").exists()


@pytest.mark.parametrize("changes", [{"provenance": replace(CLEAN, dirty=True)}, {"status": "failed"}])
def test_what_is_not_exported_has_no_layers(tmp_path, changes):
    record(tmp_path, DSR, FIRST, **changes)
    export("quick", [DSR], "laptop", tmp_path)
    assert not (tmp_path / "quick-layers.csv").exists()


def test_rows_of_layers_are_no_rows_of_runs(tmp_path):
    names = ("cifar10.csv", "cifar10-layers.csv", "published.csv", *store.STUDIES)
    assert [store.holds_rows(tmp_path / name) for name in names] == [True, False, False, True, True]
    record(tmp_path, DSR, FIRST)
    exported(tmp_path, DSR)
    assert store.committed(tmp_path).keys() == {key(DSR)}


def test_words_in_a_runs_ledger_refuse_that_run_in_one_line(tmp_path):
    place = record(tmp_path, DSR, FIRST, SECOND)
    path = place / store.LEDGER
    path.write_text(path.read_text().replace(",800,", ",many,"))
    (line,) = export("quick", [DSR], "laptop", tmp_path).refused
    assert line.endswith(f"not exported: {path}: column operations: 'many' is not a number")
