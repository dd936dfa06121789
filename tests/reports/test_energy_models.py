"""Energy models beside one another, the ANNs beside them, and the firing rates at which they are even."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from invented import ann, conversion, result, write_rows

import reports
from benchmarks.spec import BadInput
from reports.energy import by_model, constants, lemaire, models
from reports.energy.constants import DEFAULT, Constants
from reports.energy.tables import compare_energy
from reports.rendering.table import DASH, Cell, Table
from reports.tables.comparison import read

NO_LAYERS = pd.DataFrame(columns=list(lemaire.COLUMNS))


def found(tmp_path: Path, *rows: dict[str, object], chosen: Constants = DEFAULT) -> list[Table]:
    return compare_energy(read([write_rows(tmp_path / "rows.csv", *rows)]), NO_LAYERS, chosen)


def line(table: Table, network: str, steps: str) -> list[Cell]:
    (cells,) = [row for row in table.rows if (row[0].text, row[1].text) == (network, steps)]
    return list(cells)


def texts(table: Table, network: str, steps: str) -> list[str]:
    return [cell.text for cell in line(table, network, steps)][2:]


def stated(tmp_path: Path, text: str) -> Constants:
    (tmp_path / "energy.toml").write_text(text)
    return constants.read(tmp_path / "energy.toml")


def test_the_same_synops_of_sew_34_are_13_times_as_much_by_other_constants() -> None:
    sew = pd.DataFrame(
        {
            "acs": [3.88e9],
            "analog_macs": [118.01e6],
            "timesteps": [4],
            "analog_macs_every_step": [472.04e6],
            "dense_macs_per_step": [3.6e9],
        }
    )
    old, new = (models.events(sew, model).iloc[0] / 1e3 for model in (models.SYNOP_77FJ, models.FP32_45NM))
    assert f"{old:.3f} {new:.3f} mJ" == "0.299 4.035 mJ"
    assert 13 < new / old < 14


@pytest.mark.parametrize(
    ("steps", "even"),
    [(5, 1.022), (10, 0.511), (15, 0.341), (20, 0.256), (32, 0.160), (50, 0.102), (64, 0.080), (128, 0.040)],
)
def test_break_even_rates_with_a_dense_ann_of_equal_macs(steps: int, even: float) -> None:
    macs, rate = pd.Series([1e6]), pd.Series([0.07])
    spikes = models.FP32_45NM.accumulates(rate * steps * macs)
    found = models.break_even(rate, spikes, 0 * macs, models.FP32_45NM.multiplies(macs))
    assert found.iloc[0] == pytest.approx(even, abs=5e-4)


def test_at_the_break_even_rate_both_cost_the_same() -> None:
    # 9 of 12 pJ are spikes' at rate 0.2, the ANN takes 21: 18 pJ of spikes are at rate 0.4
    args = [pd.Series([value]) for value in (0.2, 9.0, 3.0, 21.0)]
    assert models.break_even(*args).iloc[0] == pytest.approx(0.4)


def test_as_many_values_as_a_rate_has_need_so_many_bits() -> None:
    steps = pd.Series([1, 2, 3, 4, 5, 7, 8, 15, 16, 20, 31, 32])
    assert models.bits_for(steps).tolist() == [1, 2, 2, 3, 3, 3, 4, 4, 5, 5, 5, 6]
    assert models.quantized_mac(models.INT8_45NM, pd.Series([8, 4])).tolist() == [0.23, 0.115]


def test_every_model_stands_in_a_table_and_ratios_have_one_count_on_both_sides(tmp_path: Path) -> None:
    # 1,000 analog MACs, 10,000 ACs; ANN 5,000 MACs without zeros of 20,000. pJ by fp32, events: 4,600 + 9,000 = 13,600
    # of 23,000; at every step 18,400 + 9,000 = 27,400; dense 18,400 + 76,000 * 0.9 = 86,800 of 92,000.
    # int8: 230 + 300 = 530 of 1,150; T = 4 is 3 bits, a MAC 0.23 * 3 / 8 = 0.08625: 230 + 4,000 * 0.08625 = 575.
    # 77 fJ: 770 of 62,500
    models, _ = found(tmp_path, ann(method="ann"), result(firing_rate=0.1))
    assert texts(models, "dsr-if", "4") == [
        *("0.0136", "0.591", "0.0274", "0.0868", "0.943"),
        *("0.0005", "0.461", "0.922"),
        *("0.0008", "0.012"),
        *(DASH, DASH, DASH),
    ]
    assert texts(models, "ann", "1") == [
        *("0.0230", "1.000", "0.0230", "0.0920", "1.000"),
        *("0.0011", "1.000", DASH),
        *("0.0625", "1.000"),
        *(DASH, DASH, DASH),
    ]
    labels = [column.label for column in models.columns]
    assert labels[2:7] == [
        "45 nm fp32: events, first layer once",
        "x ANN's events",
        "events, first layer every step",
        "dense",
        "x ANN's dense",
    ]
    for constant in ("4.6 pJ per MAC, 0.9 pJ per AC", "0.23 pJ per MAC, 0.03", "0.077 pJ per AC", "13.2 pJ"):
        assert constant in " ".join(models.notes)


def few_bits(**facts: object) -> dict[str, object]:
    """An ANN of 3 bits: 5,000 MACs, 1,000 of them of pixels."""
    counted = {"quantized_macs": 4_000.0, "activation_bits": 3, "neuron_updates": 0}
    return ann(method="lsq-ann", timesteps=4, key="few", **counted, **facts)


def test_an_activation_of_few_bits_costs_an_accumulate_a_bit_and_at_most_a_mac(tmp_path: Path) -> None:
    # fp32: 1,000 pixels at 4.6 pJ and 4,000 MACs of 3 x 0.9: 4,600 + 10,800 = 15,400 pJ; of 23,000
    # int8: 230 + 4,000 x 0.23 x 3 / 8 = 575 of 1,150, as the quantised ANN of the ratios; 77 fJ: 12,500 + 924
    table, _ = found(tmp_path, ann(method="ann"), few_bits(), result(firing_rate=0.1))
    assert texts(table, "lsq-ann", "4")[:7] == ["0.0154", "0.670", "0.0154", "0.0920", "1.000", "0.0006", "0.500"]
    assert texts(table, "lsq-ann", "4")[8] == "0.0134"
    assert texts(table, "dsr-if", "4")[7] == "0.922"
    assert models.FEW_BITS in table.notes[-1]
    assert not any(models.FEW_BITS in note for note in found(tmp_path, ann(method="ann"), result())[0].notes)
    wide = pd.Series([5, 6])
    assert models.quantized_mac(models.FP32_45NM, wide).tolist() == [4.5, 4.6]


def test_break_even_rates_stand_beside_the_measured_one(tmp_path: Path) -> None:
    # what is left for spikes over what they take, in pJ: 18,400 of 9,000, 575 - 230 of 300, 87,400 of 9,000
    _, even = found(tmp_path, ann(method="ann"), result(firing_rate=0.1))
    assert texts(even, "dsr-if", "4") == ["0.100", "0.204", "0.115", "0.971", "3"]
    assert [cell.marks for cell in line(even, "dsr-if", "4")] == [""] * 7
    assert [column.label for column in even.columns][3:6] == [
        *("even with ANN events", "even with quantised ANN events", "even with dense ANN"),
    ]


def test_a_network_that_costs_more_is_marked_and_one_that_always_will_says_never(tmp_path: Path) -> None:
    # the ANN's events take 4,000 pJ, less than the 4,600 of the analog layer; dense is 92,000, spikes 90,000
    sparse = ann(method="ann", analog_macs=4_000 / 4.6)
    _, even = found(tmp_path, sparse, result(firing_rate=0.1, acs=100_000.0))
    assert (line(even, "dsr-if", "4")[3], line(even, "dsr-if", "4")[5]) == (Cell("never", "‡"), Cell("0.097", "‡"))


def test_a_conversion_is_compared_with_its_own_parent(tmp_path: Path) -> None:
    plain, parent = ann(method="ann", key="plain"), ann(analog_macs=2_000.0)
    models, _ = found(tmp_path, plain, parent, result(), conversion())
    assert texts(models, "dsr-if", "4")[1] == "0.591"  # 23,000 pJ
    assert texts(models, "qcfs", "4")[1] == "1.478"  # 13,600 of 9,200 pJ


def test_without_an_ann_or_a_count_there_is_a_dash(tmp_path: Path) -> None:
    models, even = found(tmp_path, result(firing_rate=0.1), result(method="dsr-lif", acs=None))
    assert texts(models, "dsr-if", "4")[:5] == ["0.0136", DASH, "0.0274", "0.0868", "0.943"]
    assert texts(even, "dsr-if", "4")[1:3] == [DASH, DASH]
    assert texts(models, "dsr-lif", "4")[:3] == [DASH, DASH, DASH]


def test_the_numbers_file_names_counts_and_has_anns_too(tmp_path: Path) -> None:
    frame = read([write_rows(tmp_path / "rows.csv", ann(method="ann"), result(firing_rate=0.1))])
    numbers = by_model.energies(frame, NO_LAYERS, DEFAULT).set_index("method")
    assert numbers.loc["dsr-if", "fp32_events_microjoules"] == pytest.approx(0.0136)
    assert numbers.loc["dsr-if", "fp32_events_every_step_microjoules"] == pytest.approx(0.0274)
    assert numbers.loc["dsr-if", "fp32_dense_microjoules"] == pytest.approx(0.0868)
    assert numbers.loc["ann", "fp32_events_microjoules"] == pytest.approx(0.023)
    assert numbers.loc["ann", "fp32_dense_microjoules"] == pytest.approx(0.092)
    assert numbers.loc["dsr-if", "even_with_ann_events"] == pytest.approx(0.1 * 18_400 / 9_000)
    assert pd.isna(numbers.loc["ann", "even_with_ann_events"])


def test_one_runs_energies_are_those_of_its_line(tmp_path: Path) -> None:
    found = by_model.energies_of_run(result(), [], DEFAULT)
    assert found == pytest.approx({"fp32": 0.0136, "int8": 0.00053, "synop": 0.00077})
    assert by_model.energies_of_run(result(acs=None), [], DEFAULT) == {}
    assert by_model.energies_of_run(ann(), [], DEFAULT)["fp32"] == pytest.approx(0.023)


def test_scales_share_no_table_and_anns_alone_have_none(tmp_path: Path) -> None:
    plain = ann(method="ann")
    tables = found(tmp_path, plain, result(), result(scale="short"))
    assert [table.badge for table in tables] == ["scale laptop"] * 2 + ["scale short"] * 2
    assert texts(tables[2], "dsr-if", "4")[1] == DASH  # the ANN is of another scale
    assert found(tmp_path, plain) == []


def test_constants_are_replaced_where_a_file_states_others(tmp_path: Path) -> None:
    chosen = stated(
        tmp_path, "[fp32]\nmac_picojoules = 9.2\n[chip]\nname = 'our chip'\nmac_picojoules = 1\nac_picojoules = 2"
    )
    models, _ = found(tmp_path, ann(method="ann"), result(), chosen=chosen)
    assert [column.label for column in models.columns][12:14] == ["our chip: events", "x ANN's events"]
    assert texts(models, "dsr-if", "4")[:2] == ["0.0182", "0.396"]  # 9,200 + 9,000 of 46,000
    assert texts(models, "dsr-if", "4")[10:12] == ["0.0210", "4.200"]  # 21,000 of 5,000 pJ
    assert "changed in energy.toml, 9.2 pJ per MAC" in " ".join(models.notes)
    assert chosen.models["int8"] == DEFAULT.models["int8"]


def test_the_whole_page_takes_the_file(tmp_path: Path) -> None:
    stated(tmp_path, "[fp32]\nmac_picojoules = 9.2\n[memory]\naccess = 'points'")
    rows = write_rows(tmp_path / "rows.csv", ann(method="ann"), result())
    reports.write(reports.read([rows], energy_path=tmp_path / "energy.toml"), tmp_path / "page")
    page = (tmp_path / "page" / "index.html").read_text()
    assert "9.2 pJ per MAC" in page.partition("<footer>")[2]
    assert "10 pJ at 8 KiB, 20 pJ at 32 KiB, 100 pJ at 1024 KiB (points, as SpikingJelly); the other" in page
    numbers = pd.read_csv(tmp_path / "page" / "energy.csv")
    assert numbers.loc[1, ["dataset", "method", "timesteps"]].tolist() == ["digits", "dsr-if", 4]
    assert numbers.loc[1, "fp32_events_microjoules"] == pytest.approx(0.0182)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[fp32]\nmac_picojoule = 1", r"unknown constant in \[fp32\].*did you mean 'mac_picojoules'"),
        ("[fp32]\nmac_picojoules = -1", r"mac_picojoules must be like 4.6, not -1"),
        ("[fp32]\nmac_picojoules = 'much'", r"must be like 4.6, not 'much'"),
        ("[fp32]\nmac_picojoules = nan", r"must be like 4.6, not nan"),
        ("[chip]\nmac_picojoules = 1", r"\[chip\] lacks ac_picojoules"),
        ("[memory]\naccess = 'spline'", r"unknown access in .*line, points"),
        ("[memory]\npoint_bytes = [1, 2]", r"as many values"),
        ("[memory]\npoint_bytes = [4, 3, 2, 1]", r"must ascend"),
        ("[memory]\nleaky = 'dsr-lif'", r"leaky must be like"),
        ("mac_picojoules = 1", r"stands outside of a \[section\]"),
        ("[fp32", r"cannot read .*energy.toml"),
    ],
)
def test_a_file_of_constants_that_makes_no_sense_is_refused_in_a_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        stated(tmp_path, text)
    assert "energy.toml" in str(caught.value)
    with pytest.raises(BadInput, match=r"cannot read .*No such file"):
        constants.read(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("acs", "timesteps", "updates", "spikes"),
    [
        (5.0, 4, 10, True),
        (0.0, 4, 10, True),
        (None, 4, None, True),
        (0.0, 1, 0, False),
        (0.0, 4, 0, False),
        (0.0, 1, 10, True),
        (None, 1, 10, True),
    ],
)
def test_what_counts_as_a_spiking_network(acs: float | None, timesteps: int, updates: int | None, spikes: bool) -> None:
    frame = pd.DataFrame({"acs": [acs], "timesteps": [timesteps], "neuron_updates": [updates]}, dtype=float)
    assert models.spiking(frame).item() is spikes
