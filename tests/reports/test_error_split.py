"""The table of both errors of trained networks: its numbers by hand, and which layers it leaves out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from invented import result, write_rows

from reports.cost.costs import with_costs
from reports.inputs.rows import read
from reports.questions import error_split

NARROW, WIDE = "preact-resnet18-narrow", "preact-resnet18"


def layers(key: str, *errors: tuple[str, float, float, float, float], images: int = 1000) -> pd.DataFrame:
    """Layers of one run: name, mean output, quantisation error, deviation error and its bias."""
    names = ["layer", "mapping", "quantization_error", "deviation_error", "deviation_bias"]
    return pd.DataFrame(errors, columns=names).assign(key=key, images=images)


def run(key: str, **facts: Any) -> dict[str, Any]:
    facts = {"dataset": "cifar10", "network": NARROW, "scale": "workstation", "timesteps": 5} | facts
    return result(method="dsr-if-rep", **facts) | {"key": key}


def frame_of(tmp_path: Path, *rows: dict[str, Any]) -> pd.DataFrame:
    return with_costs(read([write_rows(tmp_path / "rows.csv", *rows)]))


FIRST, READOUT = ("stages.0.0.neuron1", 1.0, 0.9, 0.0, 0.0), ("readout.neuron", 1.0, 0.8, 0.8, -0.8)
# quantisation of 10 and 30 % of the output, deviation of 4 and 16 %, of which 0.1 - 0.02 is bias
INNER = [("a", 0.5, 0.05, 0.02, -0.02), ("b", 1.0, 0.3, 0.16, 0.1)]


def test_errors_are_means_over_inner_layers_in_percent_of_their_output() -> None:
    found = error_split.shares(layers("ab", FIRST, *INNER, READOUT))
    assert found["quantization_error"] == pytest.approx(20)
    assert found["deviation_error"] == pytest.approx(10)
    assert found["bias"] == pytest.approx(100 * 0.08 / 0.18)
    assert found["layers"] == 2


def test_a_layer_without_output_has_no_share() -> None:
    silent = ("c", 0.0, 0.0, 0.0, 0.0)
    found = error_split.shares(layers("ab", FIRST, *INNER, silent))
    assert (found["quantization_error"], found["layers"]) == (pytest.approx(20), 2)


def test_a_table_has_a_row_per_measured_run_narrow_before_wide(tmp_path: Path) -> None:
    rows = [run("ab", network=WIDE, top1=80.0), run("cd", top1=70.0), run("ef", seed=1), run("gh", scale="laptop")]
    measured = pd.concat([layers(key, FIRST, *INNER) for key in ("gh", "ab", "cd")])
    first, second = error_split.tables_of(frame_of(tmp_path, *rows), measured)
    assert [[cell.text for cell in row] for row in first.rows] == [
        [NARROW, "dsr-if-rep", "5", "0", "70.00", "20.0", "10.0", "44"],
        [WIDE, "dsr-if-rep", "5", "0", "80.00", "20.0", "10.0", "44"],
    ]
    assert (first.badge, second.badge) == ("scale workstation", "scale laptop")
    assert first.notes[0].startswith("Over 1,000 test images; ")


def test_without_measured_layers_there_is_no_table(tmp_path: Path) -> None:
    assert error_split.tables_of(frame_of(tmp_path, run("ab")), pd.DataFrame()) == []
    assert error_split.tables_of(frame_of(tmp_path, run("ab")), layers("other", FIRST, *INNER)) == []
