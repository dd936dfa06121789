"""The paper's tables with ours beside: published numbers, holes, scales apart, and the protocol's differences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from invented import result, write_rows

from benchmarks.methods import METHODS
from benchmarks.networks import NETWORKS
from benchmarks.recipes import resolve
from benchmarks.spec import SCALES, BadInput, Run, Scale, variant
from benchmarks.sweeps import SWEEPS
from reports.claims import properties
from reports.inputs import published
from reports.inputs.rows import read
from reports.rendering.table import DASH, Table
from reports.tables import environment, paper, protocol


def frame(tmp_path: Path, *rows: dict[str, Any]) -> pd.DataFrame:
    return read([write_rows(tmp_path / "rows.csv", *rows)])


def cifar(**changes: Any) -> dict[str, Any]:
    facts = {"dataset": "cifar10", "network": "preact-resnet18", "timesteps": 20, "test_images": 10_000}
    return result(**facts | {"scale": "paper"} | changes)


def line(table: Table, label: str, neuron: str) -> dict[str, str]:
    heads = [f"{column.label} {column.unit}".strip() for column in table.columns]
    (found,) = [row for row in table.rows if row[0].text == label and row[3].text == neuron]
    return dict(zip(heads, (cell.text for cell in found), strict=True))


def test_published_numbers_have_sources_and_name_methods_and_networks_that_exist() -> None:
    rows = published.read()
    assert rows["accuracy"].between(45, 100).all()
    assert (rows[["source", "read_in", "network", "label"]] != "").all(axis=None)
    named = rows[rows["method"] != ""]
    assert {variant(method)[0] for method in named["method"]} <= set(METHODS)
    assert set(named["our_network"]) - {""} <= set(NETWORKS)
    elsewhere = set(named.loc[named["our_network"] == "", "method"])
    known = {"deng-gu", "rmp", "spike-norm", "stbp", "tandem", "asf-bp", "hybrid-training-published"}
    known |= {"rate-bp-published"}
    assert elsewhere == known, "their network is none of ours, or not known"
    assert set(named.loc[named["label"] == "Deng & Gu", "method"]) == {"deng-gu"}
    assert "maximum-shift" not in set(named["method"])
    assert not rows.duplicated(["table", "dataset", "label", "network", "neuron", "timesteps"]).any()
    dsr = rows[(rows["table"] == "Tab. 2") & (rows["label"] == "DSR")]
    assert dsr["accuracy"].tolist() == [95.24, 95.40, 78.20, 78.50, 67.74, 75.03, 77.27]


def test_a_file_that_holds_something_else_is_refused_and_none_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "published.csv").write_text("dataset\ncifar10\n")
    with pytest.raises(BadInput, match="lacks the columns table, label"):
        published.read(tmp_path / "published.csv")
    assert published.read(tmp_path / "none.csv").empty


def test_ours_stands_beside_the_papers_and_scales_never_share_a_cell(tmp_path: Path) -> None:
    rows = [
        cifar(top1=95.0),
        cifar(seed=1, top1=95.2),
        cifar(scale="laptop", network="preact-resnet18-narrow", top1=50.0),
    ]
    rows += [cifar(scale="smoke", top1=10.0), cifar(network="resnet19", top1=1.0), cifar(timesteps=5, top1=2.0)]
    tables = paper.tables_of(frame(tmp_path, *rows), published.read())
    assert [table.heading.split(":")[0] for table in tables] == ["Tab. 2 of the paper"] * 4 + ["Tab. 3 of the paper"]
    dsr = line(tables[0], "DSR", "IF")
    assert dsr["paper %"] == "95.24 (SD 0.17)"
    assert dsr["ours, paper %, 95 %"] == "95.10 (95.00, 95.20)"
    assert dsr["ours, laptop %, 95 %"].startswith("50.00 [")
    assert line(tables[0], "DSR", "LIF")["ours, paper %, 95 %"] == DASH
    assert "smoke" not in str(tables)


@pytest.mark.parametrize("scale", SCALES)
def test_a_line_of_table_3_is_what_its_label_says_at_every_scale(scale: Scale) -> None:
    rows = published.read()
    of_table = rows[rows["table"] == "Tab. 3"]
    asked = {run.method for run in SWEEPS["ablation"].runs(scale)}
    for line in of_table.to_dict("records"):
        neuron = resolve(Run("cifar10", line["our_network"], line["method"], 20, 0, scale)).neuron
        assert str(neuron["threshold"]) == line["label"].rpartition("V = ")[2]
        without = line["label"].partition(",")[0]
        assert (neuron.get("train_threshold", True), neuron["alpha"]) == (
            "T" not in without,
            1 if "F" in without else 0.5,
        )
        assert line["method"] in asked


def test_table_3_says_where_dsr_itself_starts_from_elsewhere(tmp_path: Path) -> None:
    narrow = {"scale": "laptop", "network": "preact-resnet18-narrow"}
    rows = [cifar(top1=95.0), cifar(**narrow, top1=50.0), cifar(**narrow, method="dsr-if@threshold=6", top1=20.0)]
    table = paper.tables_of(frame(tmp_path, *rows), published.read())[-1]
    first = line(table, "DSR, initial V = 6", "IF")
    assert first["ours, laptop %, 95 %"].startswith("20.00 [")
    assert first["ours, paper %, 95 %"] == DASH
    elsewhere = [note for note in table.notes if "starts from another threshold" in note]
    assert [note.split()[1] for note in elsewhere] == ["laptop"]


def test_networks_are_never_averaged(tmp_path: Path) -> None:
    narrow = [cifar(scale="laptop", network="preact-resnet18-narrow", seed=seed, top1=50.0) for seed in (0, 1)]
    rows = [*narrow, cifar(scale="laptop", top1=90.0)]
    tables = paper.tables_of(frame(tmp_path, *rows), published.read())
    assert line(tables[0], "DSR", "IF")["ours, laptop %, 95 %"].startswith("90.00 [")
    tables = paper.tables_of(frame(tmp_path, *narrow), published.read())
    assert line(tables[0], "DSR", "IF")["ours, laptop %, 95 %"].startswith("50.00 (50.00, 50.00)")


def test_ranges_of_steps_and_missing_spreads_are_printed_as_they_are(tmp_path: Path) -> None:
    tables = paper.tables_of(frame(tmp_path, result()), published.read())
    deng = line(tables[1], "Deng & Gu", "IF")
    assert (deng["T"], deng["paper %"]) == ("400–600", "69.82")


def test_properties_are_those_of_the_methods_that_stand_for_a_family_and_not_of_the_best(tmp_path: Path) -> None:
    rows = [
        cifar(method="ann", timesteps=1, top1=60.0, key="plain"),
        cifar(method="threshold-balancing", timesteps=5, top1=30.0, parent_key="plain"),
        cifar(method="threshold-balancing", timesteps=64, top1=59.5, parent_key="plain"),
        cifar(method="qcfs", timesteps=5, top1=59.9, parent_key="plain"),
        cifar(method="stbp-tdbn", timesteps=5, top1=50.0),
        cifar(method="stbp-tdbn-tuned", timesteps=5, top1=59.9),
        cifar(method="dsr-lif", timesteps=5, top1=59.2),
        cifar(method="dsr-if", timesteps=5, top1=55.0),
        cifar(method="dsr-if", dataset="nmnist", network="vgg11", top1=77.0, timesteps=5),
        cifar(method="dsr-if", dataset="nmnist", network="preact-resnet-tiny", top1=99.0, timesteps=5),
        *(cifar(method="dsr-if", timesteps=5, top1=99.0, network=n) for n in ("vgg16", "resnet19", "preact-resnet20")),
    ]
    (table,) = properties.tables_of(frame(tmp_path, *rows))
    texts = [[cell.text for cell in row] for row in table.rows]
    assert texts[0][1::2] == ["high", "low", "low"]
    assert texts[0][2::2] == [
        *("threshold-balancing: 64", "stbp-tdbn: not reached, T <= 5", "dsr-if: not reached, T <= 5; dsr-lif: 5")
    ]
    assert texts[1][2::2] == [
        "threshold-balancing 30.0 % (T = 5, n = 1)",
        "stbp-tdbn 50.0 % (T = 5, n = 1)",
        "dsr-if 55.0 % (T = 5, n = 1); dsr-lif 59.2 % (T = 5, n = 1)",
    ]
    assert texts[2][::2] == ["accuracy on N-MNIST", DASH, DASH, "dsr-if 77.0 % (T = 5, n = 1)"]


def test_the_protocol_marks_what_differs_from_the_published_recipe(tmp_path: Path) -> None:
    rows = frame(tmp_path, cifar(scale="laptop", network="preact-resnet18-narrow"), cifar())
    (table,) = protocol.tables_of(rows)
    found = {row[0].text: row[1:] for row in table.rows}
    assert [cell.text for cell in found["epochs"]] == ["200", "8"]
    assert found["epochs"][1].marks == protocol.DIFFERS
    assert found["momentum"][1].marks == ""
    assert [cell.text for cell in found["neuron.threshold"]] == ["6.0", "first-gradient"]


def test_the_protocol_has_a_column_for_every_recipe_of_a_method(tmp_path: Path) -> None:
    facts = {"scale": "laptop", "network": "preact-resnet18-narrow"}
    rows = [cifar(timesteps=steps, **facts) for steps in (20, 2, 10, 5)]
    (table,) = protocol.tables_of(frame(tmp_path, *rows, cifar(method="ann", timesteps=1, **facts)))
    assert [column.label for column in table.columns[1::2]] == ["dsr-if at T = 2, 5", "dsr-if at T = 10, 20", "ann"]
    rates = next(row for row in table.rows if row[0].text == "learning_rate")
    assert [cell.text for cell in rates[2::2]] == ["0.05", "0.1", "0.1"]


def test_environment_and_data_are_listed_with_their_runs(tmp_path: Path) -> None:
    machines, data = environment.tables_of(frame(tmp_path, result(), result(seed=1), result(seed=2, status="failed")))
    assert [cell.text for cell in machines.rows[0]] == ["bench-01", "2", "cpu", "2", "3.11", "2.13", "1", "0"]
    assert [cell.text for cell in data.rows[0]][:2] == ["digits", "2"]
    assert data.rows[0][4].text == "aa"


def test_a_remark_on_a_printed_number_is_a_note_of_its_table_and_leaves_the_number(tmp_path: Path) -> None:
    tables = paper.tables_of(frame(tmp_path, cifar(top1=95.0)), published.read())
    (events,) = [table for table in tables if "DVS-CIFAR10" in table.heading]
    plif = line(events, "Fang et al. (PLIF)", "LIF")
    assert plif["paper %"] == "74.80"
    (note,) = [note for note in events.notes if note.startswith("Fang et al. (PLIF), 74.80 %: ")]
    assert "last epoch of the same run: 72.20" in note
    (images,) = [table for table in tables if table.heading.endswith("accuracy on CIFAR-10")]
    assert any(note.startswith("STBP, 90.53 %: probably of Wu et al. 2019") for note in images.notes)
    assert any(note.startswith("ASF-BP, 91.35 %: the released code has T = 100 by default") for note in images.notes)
    assert any(note.startswith("Tandem Learning, 65.59 %: neither network nor input") for note in events.notes)
    assert not any("75.03" in note for note in events.notes), "no remark, no note"


def test_coverage_counts_lines_of_work_whose_methods_have_rows_whatever_the_network(tmp_path: Path) -> None:
    lines = pd.DataFrame(
        [
            {"table": "Tab. 2", "label": label, "method": method}
            for label, method in (
                *(("ANN", "ann"), ("DSR", "dsr-if"), ("PLIF", "plif-published"), ("PLIF", "")),
                *(("IDE", ""), ("RMP", "rmp"), ("Yan et al.", "cq-published")),
            )
        ]
    )
    rows = frame(
        tmp_path,
        cifar(method="plif@tau=3", scale="laptop", network="preact-resnet18-narrow"),
        cifar(method="rmp", scale="laptop"),
        cifar(method="rmp", scale="paper"),
        cifar(method="cq", scale="laptop", status="failed"),
    )
    assert paper.coverage(rows, lines) == (
        "3 of the 4 lines of work that Tab. 2 compares DSR with can be run; 1 has rows at scale paper; "
        "2 have rows at scale laptop."
    )
