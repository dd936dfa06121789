"""Energy with memory access, layer by layer, worked out by hand."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from invented import ann, result, write_rows

import reports
from benchmarks.spec import BadInput
from reports.energy import lemaire
from reports.energy.lemaire import COLUMNS, MemoryModel, microjoules
from reports.inputs import layers_and_curves

LINE, POINTS = MemoryModel(), MemoryModel(access="points")
# 10 spikes in, 5 out, over 2 steps; 2 channels to 3 by 3 x 3 on 4 x 4: 54 weights, 48 neurons
CONV = {
    "key": "k", "layer": "conv", "origin": "n", "kind": "ac", "operation": "conv", "in_channels": 2,
    "out_channels": 3, "kernel": 3, "stride": 1, "groups": 1, "out_height": 4, "out_width": 4, "weights": 54,
    "biases": 3, "dense_macs_per_step": 600, "padded_macs_per_step": 864, "operations": 250,
    "operations_graded_pool": None, "input_nonzero": 10, "output_spikes": 5, "output_neurons": 48, "timesteps": 2,
    "analog_repeats": None,
}  # fmt: skip
LINEAR = CONV | {
    "layer": "linear", "operation": "linear", "in_channels": 8, "out_channels": 4, "kernel": 1, "out_height": 1,
    "out_width": 1, "weights": 32, "biases": 4, "padded_macs_per_step": 32, "operations": 24, "input_nonzero": 6,
    "output_spikes": None, "output_neurons": None,
}  # fmt: skip
ADD = CONV | {"layer": "add", "operation": "add", "operations": 7, "input_nonzero": 7, "weights": 0, "biases": 0,
              "output_spikes": None, "output_neurons": None, "padded_macs_per_step": 0}  # fmt: skip
FIRST = CONV | {"layer": "first", "origin": "input", "kind": "mac", "input_nonzero": None, "analog_repeats": 1}
ALL = pd.Series([1.0])


def e(words: float) -> float:
    """An access by the authors' line, 32 bits a word."""
    return 13.2 + 1.09e-5 * 32 * words


def picojoules(*layers: dict[str, Any], model: MemoryModel = LINE, leaks: bool = False) -> pd.Series:
    columns = [*COLUMNS, *lemaire.LATER]
    frame = pd.DataFrame(layers, columns=columns).assign(leaks=leaks)
    numbers = [name for name in columns if name not in lemaire.TEXT]
    frame[numbers] = frame[numbers].astype("float64")
    return microjoules(frame, model).iloc[0] * 1e6


def test_a_convolution_of_spikes() -> None:
    # 10 spikes reach 3 channels x 9 taps = 270; 2 steps x 48 constants; 5 resets. Addresses: 10 x 9 adds, 20 MACs.
    found = picojoules(CONV)
    assert found["arithmetic"] == pytest.approx(0.1 * (270 + 96 + 5 + 90) + 3.2 * 20)
    queues, potentials = (10 + 5) * e(1000), 2 * (270 + 96) * e(48)
    assert found["memory"] == pytest.approx(queues + 270 * e(54) + 96 * e(3) + potentials)
    assert found["total"] == pytest.approx(found["arithmetic"] + found["memory"])


def test_a_layer_that_a_sum_of_spikes_enters_pays_for_each_of_them() -> None:
    assert picojoules(CONV | {"kind": "sum", "origin": "n + m"}).equals(picojoules(CONV))


def test_a_leak_is_one_mac_per_neuron_and_step() -> None:
    assert picojoules(CONV, leaks=True)["total"] - picojoules(CONV)["total"] == pytest.approx(3.2 * 96)


def test_what_the_network_has_counted_goes_before_what_its_method_is_called() -> None:
    """48 neurons at 2 steps: `sew@tau=2` leaks, whatever it is called; `stbp@decay=1` does not."""
    leaks, adds = CONV | {"neuron_updates": 96, "neuron_leaks": 96}, CONV | {"neuron_updates": 96, "neuron_leaks": 0}
    for called_leaky in (False, True):
        assert picojoules(leaks, leaks=called_leaky)["total"] == picojoules(CONV, leaks=True)["total"]
        assert picojoules(adds, leaks=called_leaky)["total"] == picojoules(CONV)["total"]


def test_a_synaptic_current_leaks_and_is_read_and_written_like_the_membrane() -> None:
    one = picojoules(CONV, leaks=True)
    two = picojoules(CONV | {"neuron_updates": 192, "neuron_leaks": 192})
    assert two["arithmetic"] - one["arithmetic"] == pytest.approx(3.2 * 96)
    assert two["memory"] - one["memory"] == pytest.approx(2 * 96 * e(48))


def test_a_transposed_convolution_lays_its_kernel_at_every_spike_whatever_its_stride() -> None:
    plain, transposed = picojoules(CONV), picojoules(CONV | {"operation": "transposed", "stride": 2})
    assert transposed["arithmetic"] == pytest.approx(plain["arithmetic"])
    assert transposed["memory"] == pytest.approx(plain["memory"])


def test_with_a_stride_a_spike_reaches_fewer_outputs_and_fetches_as_many_weights() -> None:
    # ceil(3 / 2)^2 = 4 taps instead of 9
    strided, plain = picojoules(CONV | {"stride": 2}), picojoules(CONV)
    assert plain["arithmetic"] - strided["arithmetic"] == pytest.approx(0.1 * 10 * 3 * 5)
    assert strided["memory"] == pytest.approx(plain["memory"])


def test_a_linear_layer_of_spikes_without_neurons() -> None:
    # 6 spikes x 4 outputs, 2 steps x 4 constants, 24 addresses; no potentials are updated but those reached
    found = picojoules(LINEAR)
    assert found["arithmetic"] == pytest.approx(0.1 * (24 + 8 + 24))
    assert found["memory"] == pytest.approx(6 * e(1000) + 24 * e(32) + 8 * e(4) + 2 * 24 * e(4))


def test_a_shortcut_reads_and_writes_a_potential_per_spike_and_no_weight() -> None:
    found = picojoules(ADD)
    assert found["arithmetic"] == pytest.approx(0.1 * (7 + 7))
    assert found["memory"] == pytest.approx(7 * e(1000) + 2 * 7 * e(48))
    assert found["dense"] == 0


def test_the_ann_of_the_same_layers() -> None:
    # 2 x 3 x 9 x 16 = 864 MACs; addresses 32 + 48 + 27; a linear layer: 32 MACs, inputs read once
    arithmetic = 3.2 * 864 + 0.1 * (48 + 32 + 48 + 27)
    memory = 864 * e(32) + 864 * e(54) + 48 * e(3) + 48 * e(48)
    assert picojoules(CONV)["dense"] == pytest.approx(arithmetic + memory)
    linear = 3.2 * 32 + 0.1 * (4 + 32) + 8 * e(8) + 32 * e(32) + 4 * e(4) + 4 * e(4)
    assert picojoules(CONV, LINEAR)["dense"] == pytest.approx(arithmetic + memory + linear)


def test_an_analog_layer_is_a_dense_one_as_often_as_its_input_changes() -> None:
    neurons = 0.1 * 5 + 2 * 96 * e(48) + 5 * e(1000)
    dense = picojoules(FIRST)["dense"]
    assert picojoules(FIRST)["total"] == pytest.approx(dense + neurons)
    assert picojoules(FIRST | {"analog_repeats": 2})["total"] == pytest.approx(2 * dense + neurons)


def test_weighed_steps_are_a_layer_of_few_weights_that_no_ann_has() -> None:
    """Per step of 2, 48 neurons weigh 2 currents each: 96 MACs and as many weights and addresses."""
    sizes = {"layer": "n.temporal", "origin": "", "kind": "mac", "operation": "temporal", "in_channels": 3}
    sizes |= {"kernel": 1, "groups": 3, "weights": 4, "biases": 0, "dense_macs_per_step": 96}
    sizes |= {"padded_macs_per_step": 96, "operations": 192, "input_nonzero": None, "analog_repeats": 2}
    weighed = CONV | sizes | {"output_spikes": None, "output_neurons": None}
    alone, both = picojoules(CONV), picojoules(CONV, weighed)
    assert both["arithmetic"] - alone["arithmetic"] == pytest.approx(2 * (3.2 * 96 + 0.1 * 96))
    assert both["memory"] - alone["memory"] == pytest.approx(2 * (48 * e(48) + 96 * e(4) + 48 * e(48)))
    assert both["dense"] == pytest.approx(alone["dense"])


def test_an_ann_costs_what_its_dense_layers_cost() -> None:
    still = FIRST | {"output_spikes": None, "timesteps": 1}  # its neurons are counted, and do not spike
    found = picojoules(still)
    assert found["total"] == pytest.approx(found["dense"])


def test_the_two_published_rules_for_an_access() -> None:
    assert LINE.per_access(1000) == pytest.approx(13.5488)
    words = pd.Series([0, 1024, 2048, 5120, 8192, 2**18, 2**20])  # 0, 4, 8, 20, 32, 1024, 4096 KiB
    assert POINTS.per_access(words).tolist() == [0, 5, 10, 15, 20, 100, 100]  # type: ignore[union-attr]
    assert picojoules(CONV, model=POINTS)["memory"] < picojoules(CONV)["memory"]
    assert "(line, as the authors' code)" in str(LINE).split("other published rule")[0]
    assert "(points, as SpikingJelly)" in str(POINTS).split("other published rule")[0]


def test_a_layer_without_its_count_leaves_the_run_without_a_total() -> None:
    assert pd.isna(picojoules(CONV, LINEAR | {"input_nonzero": None})["total"])


def write_layers(path: Path, *layers: dict[str, Any]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(layers)


def counted(*layers: dict[str, object]) -> dict[str, float]:
    """What a row says of runs that have these layers, which all accumulate."""
    dense = sum(float(str(layer["dense_macs_per_step"])) for layer in layers)
    acs = sum(float(str(layer["operations"])) for layer in layers)
    return {"acs": acs, "analog_macs": 0.0, "analog_macs_every_step": 0.0, "dense_macs_per_step": int(dense)}


def test_layers_beside_the_rows_fill_the_column(tmp_path: Path) -> None:
    of_layers = counted(CONV, LINEAR)
    rows = write_rows(
        tmp_path / "rows.csv", ann(method="ann"), result(key="k", **of_layers), result(method="dsr-lif", key="l")
    )
    write_layers(tmp_path / "rows-layers.csv", CONV, LINEAR, CONV | {"key": "of another sweep"})
    reports.write(reports.read([rows, rows]), tmp_path / "page")
    numbers = pd.read_csv(tmp_path / "page" / "energy.csv").set_index("method")
    found = picojoules(CONV, LINEAR)
    assert numbers.loc["dsr-if", "memory_events_microjoules"] == pytest.approx(found["total"] * 1e-6)
    assert numbers.loc["dsr-if", "memory_events_x_dense_ann"] == pytest.approx(found["total"] / found["dense"])
    assert pd.isna(numbers.loc["dsr-lif", "memory_events_microjoules"])


def test_methods_whose_neurons_leak_pay_for_it(tmp_path: Path) -> None:
    once = counted(CONV)
    rows = write_rows(tmp_path / "rows.csv", result(key="k", **once), result(method="stbp-tdbn", key="l", **once))
    write_layers(tmp_path / "rows-layers.csv", CONV, CONV | {"key": "l"})
    reports.write(reports.read([rows]), tmp_path / "page")
    numbers = pd.read_csv(tmp_path / "page" / "energy.csv").set_index("method")["memory_events_microjoules"]
    assert numbers["stbp-tdbn"] - numbers["dsr-if"] == pytest.approx(3.2 * 96 * 1e-6)


@pytest.mark.parametrize(
    ("text", "message"), [("key,layer\nk,conv\n", "lacks the columns origin"), ("\xff", "line 1: it is not UTF-8")]
)
def test_a_file_of_layers_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    rows = write_rows(tmp_path / "rows.csv", result(key="k"))
    (tmp_path / "rows-layers.csv").write_text(text, encoding="latin-1")
    with pytest.raises(BadInput, match=rf"rows-layers.csv.*{message}|{message}.*rows-layers.csv"):
        layers_and_curves.read([rows], "layers", lemaire.COLUMNS, lemaire.TEXT)
