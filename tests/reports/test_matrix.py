"""Methods down, T across: what stands where, and what is behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from invented import ann, conversion, result, write_rows

import reports
from reports.cost.costs import with_costs
from reports.energy import models
from reports.rendering.table import DASH, Table
from reports.tables import comparison, matrix


def accuracies(tmp_path: Path, *rows: dict[str, Any], quantity: matrix.Quantity | None = None) -> list[Table]:
    frame = comparison.read([write_rows(tmp_path / "rows.csv", *rows)])
    return matrix.matrices(comparison.aggregate(with_costs(frame)), quantity or matrix.accuracy())


def grid(table: Table) -> list[list[str]]:
    return [[column.label for column in table.columns], *([cell.text for cell in row] for row in table.rows)]


def test_methods_stand_down_and_t_across_and_what_has_no_t_stands_once(tmp_path: Path) -> None:
    rows = [ann(), conversion(timesteps=8, top1=80.0), result(timesteps=2, top1=50.0), result(timesteps=8, top1=70.0)]
    (table,) = accuracies(tmp_path, *rows)
    assert grid(table) == [
        ["method", "no T", "T=2", "T=8"],
        ["qcfs-ann", "90.00 [86.47, 92.69]", "", ""],
        ["qcfs", "", DASH, "80.00 [75.56, 83.81]"],
        ["dsr-if", "", "50.00 [44.86, 55.14]", "70.00 [65.08, 74.50]"],
    ]
    assert table.title == "Accuracy, tiny on digits (%), scale laptop, n = 1 seed"
    assert "Wilson" in table.notes[0]
    assert table.rows[2][3].link == "run-digits-tiny-laptop-dsr-if-T8"


def test_a_spiking_method_at_one_step_has_a_t_and_a_lone_ann_needs_none(tmp_path: Path) -> None:
    (table,) = accuracies(tmp_path, result(timesteps=1))
    assert grid(table)[0] == ["method", "T=1"]
    (table,) = accuracies(tmp_path, ann())
    assert grid(table)[0] == ["method", "no T"]


def test_data_sets_networks_and_scales_have_matrices_of_their_own(tmp_path: Path) -> None:
    rows = [result(), result(scale="smoke"), result(network="vgg11"), result(dataset="cifar10")]
    found = accuracies(tmp_path, *rows)
    assert [(table.heading, table.badge) for table in found] == [
        ("Accuracy, tiny on digits", "scale laptop"),
        ("Accuracy, tiny on digits", "scale smoke"),
        ("Accuracy, vgg11 on digits", "scale laptop"),
        ("Accuracy, tiny on cifar10", "scale laptop"),
    ]
    assert [bool(table.warning) for table in found] == [False, True, False, False]


def test_many_t_are_cut_into_tables_that_drop_what_they_have_nothing_of(tmp_path: Path) -> None:
    steps = [2**n for n in range(1, 12)]
    rows = [ann(), *(conversion(timesteps=at) for at in steps), result(timesteps=4)]
    first, second = accuracies(tmp_path, *rows)
    assert grid(first)[0] == ["method", "no T", *(f"T={at}" for at in steps[:9])]
    assert [row[0] for row in grid(first)[1:]] == ["qcfs-ann", "qcfs", "dsr-if"]
    assert [row[0] for row in grid(second)] == ["method", "qcfs"]
    assert second.heading == "Accuracy, tiny on digits, T = 1024 to 2048"


def test_energies_and_costs_have_the_same_form(tmp_path: Path) -> None:
    # 5,000 MACs of nonzero activations: 23,000 pJ; 1,000 MACs and 10,000 ACs: 13,600 pJ
    rows = [ann(train_cpu_seconds=300.0), conversion(train_cpu_seconds=2.0), result()]
    (table,) = accuracies(tmp_path, *rows, quantity=matrix.energy(models.FP32_45NM))
    assert grid(table) == [
        ["method", "no T", "T=4"], ["qcfs-ann", "0.0230", ""], ["qcfs", "", "0.0136"], ["dsr-if", "", "0.0136"],
    ]  # fmt: skip
    assert table.heading.startswith("Energy: events, first layer once")
    assert "4.6 pJ per MAC" in table.notes[0]
    (table,) = accuracies(tmp_path, *rows, quantity=matrix.core_seconds())
    assert [[cell.text + cell.marks for cell in row[1:]] for row in table.rows] == [
        ["300.0", ""],
        ["", "302.0†"],
        ["", DASH],
    ]
    (table,) = accuracies(tmp_path, *rows, quantity=matrix.memory())
    assert [row[-1].text + row[-1].marks for row in table.rows] == ["", "3.000†", "3.000"]


def test_a_quantity_that_no_row_has_makes_no_table(tmp_path: Path) -> None:
    assert accuracies(tmp_path, ann(), result(), quantity=matrix.core_seconds()) == []


def test_matrices_come_first_and_long_tables_stand_behind_them_in_every_output(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.csv", ann(), result(), result(timesteps=8))
    reports.write(reports.read([path]), tmp_path / "report")
    for name in ("index.html", "tables.md", "tables.tex"):
        text = (tmp_path / "report" / name).read_text()
        assert 0 < text.index("Accuracy, tiny on digits") < text.index("selected"), name
    page = (tmp_path / "report" / "index.html").read_text()
    behind = page.index('<details class="behind">')
    assert page.index("Accuracy, tiny on digits") < behind < page.index("best on test")
    assert "energy_events_microjoules" in (tmp_path / "report" / "tables.csv").read_text().splitlines()[0]


def test_what_t_means_for_an_activation_of_few_bits_is_said_beside_accuracies_and_energies(tmp_path: Path) -> None:
    few = ann(method="lsq-ann", timesteps=4, quantized_macs=4_000.0, activation_bits=3, neuron_updates=0)
    for quantity, note in ((matrix.accuracy(), models.T_OF_BITS), (matrix.energy(models.FP32_45NM), models.FEW_BITS)):
        (table,) = accuracies(tmp_path, few, result(), quantity=quantity)
        assert table.notes[-1] == note
        (table,) = accuracies(tmp_path, ann(), result(), quantity=quantity)
        assert note not in table.notes
