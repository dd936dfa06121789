"""Tables and figures of `dsr-bench quantization`, from CSV files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from invented import result, write_rows

import reports
from benchmarks.spec import BadInput
from reports.rendering.table import SMOKE_WARNING, Table
from reports.studies import quantization

COMMITTED = Path(__file__).parent.parent.parent / "results" / "quantization.csv"


def layers(path: Path, **changes: Any) -> Path:
    """Two layers of one run, the second without a deviation."""
    run = {"key": "ab", "commit": "c", "dataset": "digits", "network": "tiny", "method": "dsr-if", "timesteps": 4}
    row = {**run, "seed": 0, "scale": "laptop", "layer": "stages.0.neuron1", "neurons": 1024, "images": 360}
    row |= {"ceiling": 2.0, "outside": 0.5, "mapping": 0.4}
    row |= {"representation_error": 0.1, "quantization_error": 0.06, "deviation_error": 0.05}
    row |= {"representation_bias": 0.01, "quantization_bias": -0.01, "deviation_bias": 0.02, **changes}
    second = {**row, "layer": "neuron", "deviation_error": 0.0}
    pd.DataFrame([row, second]).to_csv(path, index=False)
    return path


def column(table: Table, label: str, unit: str = "") -> list[str]:
    (index,) = [i for i, c in enumerate(table.columns) if (c.label, c.unit) == (label, unit)]
    return [cells[index].text for cells in table.rows]


def test_the_committed_rows_make_one_table_with_a_line_per_neuron_and_t() -> None:
    (frame,) = quantization.read([COMMITTED])
    (table,) = quantization.tables_of(frame)
    assert list(dict.fromkeys(column(table, "neuron"))) == ["IF", "LIF, dt = 0.05", "LIF, dt = 0.1"]
    lines = dict(zip(zip(column(table, "neuron"), column(table, "T"), strict=True), table.rows, strict=True))
    # 1 / 4N, 1 / 4N, 1 / 2N and 1 / 2N, 1 / N
    assert [cell.text for cell in lines["IF", "5"][2:]] == ["0.500", "5.00", "5.00", "10.00", "10.00", "20.00", "0.500"]
    assert set(column(table, "largest error", "0.5 over 1")[:11]) == {"0.500"}
    # of least mean error; the largest is least at 0.275
    assert lines["LIF, dt = 0.05", "50"][2].text == "0.225"


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ("study != 'alpha'", "no row of study 'alpha' of neuron 'if'"),
        ("study != 'rate' or neuron == 'if'", "no row of study 'rate' of neuron 'lif'"),
        ("study != 'alpha' or timesteps != 10 or dt == 0.1", "no row of study 'alpha' of IF, T = 10"),
        ("study != 'alpha' or timesteps != 20 or dt != 0.05", "no row of study 'alpha' of LIF, dt = 0.05, T = 20"),
        ("study != 'convergence' or dt != 0.01", "no row of study 'convergence' of LIF, dt = 0.01"),
    ],
)
def test_a_file_that_lacks_a_curve_is_refused(tmp_path: Path, left: str, said: str) -> None:
    pd.read_csv(COMMITTED).query(left).to_csv(path := tmp_path / "quantization.csv", index=False)
    with pytest.raises(BadInput, match=rf"quantization.csv has {said}; `dsr-bench quantization` writes the whole file"):
        quantization.read([path])


def test_a_curve_without_its_errors_is_refused(tmp_path: Path) -> None:
    rows = pd.read_csv(COMMITTED)
    rows.loc[(rows["study"] == "alpha").idxmax(), "max_error"] = None
    rows.to_csv(path := tmp_path / "quantization.csv", index=False)
    with pytest.raises(BadInput, match="a row of study 'alpha' has no max_error"):
        quantization.read([path])


def test_layers_are_shown_in_percent_of_their_ceiling(tmp_path: Path) -> None:
    (frame,) = quantization.read([layers(tmp_path / "layers.csv")])
    (table,) = quantization.tables_of(frame)
    assert column(table, "layer") == ["stages 0 neuron1", "neuron"]
    assert column(table, "quantisation error", "%") == ["3.00", "3.00"]
    assert column(table, "deviation error", "%") == ["2.50", "0.00"]
    assert column(table, "deviation bias", "%") == ["1.00", "1.00"]
    assert column(table, "currents outside", "%") == ["50.0", "50.0"]
    assert table.warning == ""


def test_layers_of_a_smoke_run_carry_the_warning(tmp_path: Path) -> None:
    (frame,) = quantization.read([layers(tmp_path / "layers.csv", scale="smoke")])
    (table,) = quantization.tables_of(frame)
    assert table.warning == SMOKE_WARNING


def test_two_runs_have_tables_and_figures_of_their_own(tmp_path: Path) -> None:
    both = pd.concat(
        [pd.read_csv(layers(tmp_path / "layers.csv", **run)) for run in ({}, {"key": "cd", "timesteps": 8})]
    )
    assert [len(table.rows) for table in quantization.tables_of(both)] == [2, 2]
    assert {figure.name for figure in quantization.figures_of(both)} == {
        "quantization-layers-dsr-if-T4-ab",
        "quantization-layers-dsr-if-T8-cd",
    }


def test_studies_stand_in_a_report_with_runs_or_alone(tmp_path: Path) -> None:
    studies = [COMMITTED, layers(tmp_path / "quantization-layers.csv")]
    alone = reports.write(reports.read([], study_paths=studies), tmp_path / "alone")
    assert not any(path.name == "tables.csv" for path in alone)
    page = (tmp_path / "alone" / "index.html").read_text()
    assert page.count("<figure>") == 10
    assert page.count("<table") == 2
    for text in ("Quantisation error of single neurons", "input current (V)", "clamp", "time steps T"):
        assert text in page
    rows = write_rows(tmp_path / "rows.csv", result())
    reports.write(reports.read([rows], study_paths=studies[1:]), tmp_path / "both")
    assert (tmp_path / "both" / "index.html").read_text().count("<table") == 7 + 1 + 2 + 1


def test_the_same_rows_draw_the_same_figures(tmp_path: Path) -> None:
    (frame,) = quantization.read([layers(tmp_path / "layers.csv")])
    assert [f.svg for f in quantization.figures_of(frame)] == [f.svg for f in quantization.figures_of(frame)]


@pytest.mark.parametrize("text", ["", "a,b\n", "a,b\n1,2\n"])
def test_what_is_no_study_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.csv").write_text(text)
    with pytest.raises(BadInput, match=r"odd\.csv"):
        quantization.read([tmp_path / "odd.csv"])


def test_without_any_file_there_is_no_report(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no CSV file to report on"):
        reports.read([])
