"""Tables of single questions: their numbers by hand, and sentences that are certain only where the numbers are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from invented import ORIGIN, result, write_rows

from benchmarks.catalogue.datasets import ENTRIES
from benchmarks.recipes import resolve
from benchmarks.runs.record import Provenance
from benchmarks.spec import MEASURED_START, Run, spelled
from reports.cost.costs import with_costs
from reports.inputs.rows import read
from reports.questions import ladder, length, precision, records, temporal, trials, tuning, width
from reports.rendering.table import DASH, Table
from reports.tables.comparison import aggregate

NARROW = "preact-resnet18-narrow"


def cifar(method: str, steps: int, *top1: float, **more: Any) -> list[dict[str, Any]]:
    facts = {"dataset": "cifar10", "network": NARROW, "test_images": 10_000, "scale": "workstation"} | more
    return [result(method=method, timesteps=steps, seed=seed, top1=one, **facts) for seed, one in enumerate(top1)]


def frame_of(tmp_path: Path, *rows: dict[str, Any]) -> pd.DataFrame:
    return with_costs(read([write_rows(tmp_path / "rows.csv", *rows)]))


def texts(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def column(table: Table, label: str) -> list[str]:
    place = [one.label for one in table.columns].index(label)
    return [row[place].text + row[place].marks for row in table.rows]


# steps of 1.1, 0.9, 1.0 | 2.0 | 6.0 points: deviation is 6 of 9 points
TOP = cifar("ann", 1, 90.1, 89.9, 90.0)
CLAMP, LEVELS = cifar("dsr-clamp", 1, 89.0, 89.0, 89.0), cifar("dsr-quantized", 5, 87.0, 87.0, 87.0)
SPIKES = cifar("dsr-if-rep", 5, 81.0, 81.0, 81.0)


def test_each_rung_is_compared_with_the_one_before_seed_by_seed(tmp_path: Path) -> None:
    frame = frame_of(tmp_path, *TOP, *CLAMP, *LEVELS, *SPIKES, *cifar("ann", 1, 70.0, scale="smoke"))
    (table,) = ladder.tables_of(frame, {})
    assert column(table, "rung") == ["ann", "dsr-clamp", "dsr-quantized", "dsr-if-rep", "ann to dsr-if-rep"]
    # s = 0.1, t(0.975, 2) = 4.303: half 0.25
    assert column(table, "step")[1] == "-1.00 points (-1.25 to -0.75, 95 %; n = 3, paired)"
    assert column(table, "step")[2].startswith("-2.00 points")
    assert column(table, "step")[4].startswith("-9.00 points")
    assert column(table, "the price of")[2:4] == ["quantisation error", "deviation error"]
    assert "Most of the gap between ann and dsr-if-rep at T = 5 is deviation error: 6.0 of 9.0 points." in table.notes
    assert table.title == f"What does a spike cost? T = 5, {NARROW} on cifar10, scale workstation"


def test_the_readout_is_a_rung_of_its_own_where_it_was_run(tmp_path: Path) -> None:
    rungs = [*TOP, *cifar("dsr-ann", 1, 89.5, 89.5, 89.5), *CLAMP, *LEVELS, *SPIKES]
    (table,) = ladder.tables_of(frame_of(tmp_path, *rungs), {})
    assert column(table, "the price of")[1:3] == ["DSR's readout", "clipping"]
    assert [step.partition(" ")[0] for step in column(table, "step")[1:3]] == ["-0.50", "-0.50"]
    (table,) = ladder.tables_of(frame_of(tmp_path, *TOP, *CLAMP, *LEVELS, *SPIKES), {})
    assert column(table, "the price of")[1] == "DSR's readout and clipping"


@pytest.mark.parametrize(("spikes", "largest"), [
    ((84.5, 84.4, 84.6), "the 3 seeds of all rungs deviation error is the largest: 2.5 of 5.5"),  # not the half
    ((79.0, 84.5, 84.8), "the 3 seeds of all rungs deviation error is the largest: 4.2 of 7.2"),  # one seed's doing
    ((81.0,), "seed 0 alone deviation error is the largest: 6.0 of 9.1"),
])  # fmt: skip
def test_which_rung_carries_the_gap_is_open_unless_it_surely_is_more_than_half(
    spikes: tuple[float, ...], largest: str, tmp_path: Path
) -> None:
    frame = frame_of(tmp_path, *TOP, *CLAMP, *LEVELS, *cifar("dsr-if-rep", 5, *spikes))
    (table,) = ladder.tables_of(frame, {})
    open_still = "Which step carries most of the gap between ann and dsr-if-rep at T = 5 is open."
    assert table.notes[-1] == f"{open_still} On {largest} points."


def test_a_step_over_a_missing_rung_costs_what_both_would_and_no_sentence_is_said(tmp_path: Path) -> None:
    (table,) = ladder.tables_of(frame_of(tmp_path, *TOP, *CLAMP, *SPIKES), {})
    assert column(table, "the price of")[2] == "quantisation error and deviation error"
    assert len(table.notes) == 1
    assert ladder.tables_of(frame_of(tmp_path, *TOP, *SPIKES), {}) == []


def wide(network: str, ann: tuple[float, ...], dsr: tuple[float, ...]) -> list[dict[str, Any]]:
    return [
        *cifar("ann@epochs=4", 1, *ann, network=network),
        *cifar("dsr-if-rep@epochs=4", 5, *dsr, network=network),
    ]


@pytest.mark.parametrize(("dsr", "said"), [
    # gaps of 10 and of 4 points, equal in both seeds but for 0.1
    ((81.0, 81.1), "A wider network narrows the gap"),
    ((71.0, 71.1), "A wider network widens the gap"),
    ((74.0, 79.0), "Whether width changes the gap"),
    ((81.0,), "Whether width changes the gap"),
])  # fmt: skip
def test_the_gap_against_width_is_told_as_far_as_it_is_certain(
    dsr: tuple[float, ...], said: str, tmp_path: Path
) -> None:
    narrow, full = wide(NARROW, (80.0, 80.0), (70.0, 70.0)), wide("preact-resnet18", (85.0, 85.0), dsr)
    (table,) = width.tables_of(frame_of(tmp_path, *full, *narrow), {})
    assert column(table, "channels") == ["16", "64"]
    assert column(table, "gap")[0].startswith("-10.00 points")
    gain = sum(dsr) / len(dsr) - 75
    assert table.notes[1].startswith(said)
    assert "between ann and dsr-if-rep at T = 5" in table.notes[1]
    assert f"from 16 to 64 channels DSR gains on the ANN {gain:+.2f} points" in table.notes[1]
    assert any(note.endswith("understate it: the paper's has 64 channels.") for note in table.notes[2:]) is (gain > 0)
    assert table.badge == "scale workstation, 4 epochs"


FULL, HALF = "ann@precision=float32", "ann@precision=bfloat16"
STBP_FULL, STBP_HALF = "stbp-tdbn@precision=float32", "stbp-tdbn@precision=bfloat16"


@pytest.mark.parametrize(
    ("half", "other", "said"),
    [
        # six differences: 0.1, -0.1, 0.0 twice: half 0.09
        ((60.1, 60.9, 62.0), (50.1, 50.9, 52.0), "Training in bfloat16 is as accurate as in float32 within 0.5 points"),
        ((63.1, 63.9, 65.0), (50.1, 50.9, 52.0), "Training in bfloat16 does not cost 0.5 points of accuracy"),
        ((58.1, 58.9, 60.0), (48.1, 48.9, 50.0), "Training in bfloat16 costs more than 0.5 points of accuracy"),
        ((57.0, 64.0, 62.0), (50.0, 51.0, 52.0), "Whether training in bfloat16 costs 0.5 points of accuracy is open"),
        ((57.0,), (), "Whether training in bfloat16 costs 0.5 points of accuracy is open"),
    ],
)
def test_precisions_are_compared_seed_by_seed_and_over_all_methods(
    half: tuple[float, ...], other: tuple[float, ...], said: str, tmp_path: Path
) -> None:
    rows = [*cifar(FULL, 1, 60.0, 61.0, 62.0), *cifar(HALF, 1, *half)]
    rows += [*cifar(STBP_FULL, 5, 50.0, 51.0, 52.0), *cifar(STBP_HALF, 5, *other)]
    (table,) = precision.tables_of(frame_of(tmp_path, *rows), {})
    assert column(table, "method") == (["ann", "stbp-tdbn", "all"] if other else ["ann"])
    assert column(table, "T") == (["", "5", ""] if other else [""])
    assert table.notes[-1].startswith(f"{said}: ")


def test_the_mean_difference_of_precisions_is_over_pairs(tmp_path: Path) -> None:
    """Of two methods with one seed and three: (1 + 2 + 3 - 2) / 4."""
    rows = [*cifar(FULL, 1, 60.0, 60.0, 60.0), *cifar(HALF, 1, 61.0, 62.0, 63.0)]
    rows += [*cifar(STBP_FULL, 5, 50.0), *cifar(STBP_HALF, 5, 48.0)]
    (table,) = precision.tables_of(frame_of(tmp_path, *rows), {})
    assert column(table, "difference")[-1].startswith("+1.00 points (")


def test_only_runs_that_name_both_precisions_are_pairs_and_they_leave_other_tables(tmp_path: Path) -> None:
    lone = [*cifar("ann", 1, 60.0), *cifar(HALF, 1, 61.0)]
    frame = frame_of(tmp_path, *lone)
    assert precision.tables_of(frame, {}) == []
    assert list(trials.without_trials(frame)["method"]) == ["ann", HALF]
    paired = frame_of(tmp_path, *lone, *cifar(FULL, 1, 61.0), *cifar(STBP_HALF, 5, 50.0))
    assert list(trials.without_trials(paired)["method"]) == ["ann", STBP_HALF]


def test_only_networks_of_eighteen_layers_and_equal_epochs_are_compared_in_width(tmp_path: Path) -> None:
    others = [*wide("preact-resnet20", (80.0,), (70.0,)), *wide(NARROW, (80.0,), (70.0,))]
    longer = cifar("ann@epochs=8", 1, 85.0, network="preact-resnet18")
    assert width.tables_of(frame_of(tmp_path, *others, *longer), {}) == []


def test_a_method_with_more_epochs_is_held_against_itself(tmp_path: Path) -> None:
    rows = [*cifar("ann", 1, 90.0, 90.2, 90.1, epochs=20), *cifar("ann@epochs=40", 1, 91.0, epochs=40)]
    rows += [*cifar("ann@epochs=4@learning_rate=0.1", 1, 80.0, epochs=4), *cifar("dsr-if@epochs=4", 5, 60.0, epochs=4)]
    (table,) = length.tables_of(frame_of(tmp_path, *rows), {})
    assert [column(table, label) for label in ("method", "epochs", "n")] == [["ann"] * 2, ["20", "40"], ["3", "1"]]
    assert column(table, "difference") == [DASH, "+1.00 points (seed 0; +0.90 over all runs; n = 1 and 3)"]


RATE = resolve(Run("cifar10", NARROW, "dsr-if-rep", 5, 0, "workstation")).learning_rate


def trial(method: str, steps: int, validation: float, **changes: Any) -> dict[str, Any]:
    name = spelled(method, {"epochs": 4, **changes})
    return cifar(name, steps, 10.0, epochs=4, validation_top1=validation)[0]


def test_tuning_marks_the_best_on_held_out_images_and_what_the_recipe_takes(tmp_path: Path) -> None:
    rows = [
        trial("dsr-if-rep", 5, 60.0, learning_rate=RATE, threshold=MEASURED_START),
        trial("dsr-if-rep", 5, 62.5, learning_rate=2 * RATE, threshold=MEASURED_START) | {"top1": 5.0},
        trial("dsr-if-rep", 5, 61.0, learning_rate=RATE, threshold=2),
        trial("dsr-if-rep", 5, 99.0, learning_rate=RATE, label_smoothing=0.1),  # of another question
        *cifar("dsr-if-rep@epochs=4", 5, 90.0, epochs=4, validation_top1=98.0),  # width
        trial("ann", 1, 80.0, learning_rate=0.1),  # alone: no choice
    ]
    (table,) = tuning.tables_of(frame_of(tmp_path, *rows))
    assert column(table, "held-out images") == ["60.00", "62.50◄", "61.00"]
    assert column(table, "recipe") == ["taken", "", ""]
    assert column(table, "start") == ["threshold first-gradient", "threshold first-gradient", "threshold 2"]
    assert "one seed (0)" in table.notes[0]
    assert "The test split decided nothing" in table.notes[0]
    assert table.notes[2] == "The best is not taken for dsr-if-rep: docs/scales.md says why."
    (table,) = tuning.tables_of(frame_of(tmp_path, rows[0], rows[2] | {"validation_top1": 59.0}))
    assert len(table.notes) == 2


def cheap(method: str, steps: int, seconds: float, *top1: float, **more: Any) -> list[dict[str, Any]]:
    return cifar(method, steps, *top1, train_cpu_seconds=seconds, **more)


def test_a_record_is_the_run_with_the_fewest_core_seconds_that_reaches_the_accuracy(tmp_path: Path) -> None:
    parents = [row | {"key": f"parent{row['seed']}"} for row in cheap("qcfs-ann", 1, 3000.0, 91.0, 90.0)]
    converted = cheap("qcfs", 4, 0.0, 85.5, 84.5, epochs=0)
    rows = [
        *parents,
        *(row | {"parent_key": f"parent{row['seed']}"} for row in converted),
        *cheap("ann@epochs=4", 1, 600.0, 81.0),
        *cheap("dsr-if-rep", 5, 2500.0, 79.0, 80.25, 80.5),
        *cheap("dsr-if-rep", 20, 100.0, 86.0),  # too many steps
        *cheap("dsr-clamp", 1, 10.0, 89.0),  # neither an ANN nor a spiking network
        *cheap("stbp-tdbn", 5, 1.0, 99.0, test_images=1_000),  # a part of the test split
        *cheap("dsr-lif", 5, 1.0, 99.0, scale="smoke"),
        *cheap("dsr-if", 5, 1.0, 99.0, provenance=Provenance(**{**ORIGIN.__dict__, "device": "NVIDIA"})),
    ]
    found = {(one.percent, one.kind): one for one in records.records(frame_of(tmp_path, *rows))}
    assert {at: None if one.row is None else one.row["method"] for at, one in found.items()} == {
        (80.0, "ANN"): "ann@epochs=4",
        (80.0, "SNN (T <= 5)"): "dsr-if-rep",
        (85.0, "ANN"): "qcfs-ann",
        (85.0, "SNN (T <= 5)"): "qcfs",
        (90.0, "ANN"): "qcfs-ann",
        (90.0, "SNN (T <= 5)"): None,
    }
    assert (found[80.0, "SNN (T <= 5)"].reached, found[80.0, "SNN (T <= 5)"].seeds) == (2, 3)
    assert found[80.0, "SNN (T <= 5)"].command == (
        f"dsr-bench run --dataset cifar10 --network {NARROW} --method dsr-if-rep -T 5 --seed 1 --scale workstation"
    )
    (table,) = records.tables_of(frame_of(tmp_path, *rows))
    by_record = {line[0]: line[1:] for line in texts(table)}
    assert by_record["SNN (T <= 5) to 85 %"] == [
        "qcfs", "4", "85.50", "3,000 (3,000)", "–", "1 of 2", "2025-03-02", "0123456789ab",
    ]  # fmt: skip
    assert by_record["SNN (T <= 5) to 90 %"][:2] == ["none yet", DASH]
    assert "Can you do it in less?" in table.notes[0]
    assert f"SNN (T <= 5) to 80 %: {found[80.0, 'SNN (T <= 5)'].command}" in table.notes
    assert list(records.sentences(frame_of(tmp_path, *rows))) == [
        "The cheapest ANN to 90 % took 3,000 core-seconds (`qcfs-ann`, 2 of 2 seeds reached it, core speed not "
        "recorded).",
        "The cheapest SNN (T <= 5) to 85 % took 3,000 core-seconds (`qcfs`, 1 of 2 seeds reached it, core speed not "
        "recorded).",
    ]


def test_without_a_run_that_reaches_any_of_them_no_record_is_shown(tmp_path: Path) -> None:
    assert ENTRIES["cifar10"].test == 10_000
    assert records.tables_of(frame_of(tmp_path, *cheap("ann", 1, 600.0, 79.9))) == []


def test_trials_stay_out_of_other_tables_unless_nothing_else_was_run(tmp_path: Path) -> None:
    only = frame_of(tmp_path, *cifar("ann@epochs=4", 1, 80.0), *cifar("ann@epochs=4@learning_rate=0.1", 1, 80.0))
    assert len(trials.without_trials(only)) == 2
    beside = frame_of(tmp_path, *cifar("ann@epochs=4", 1, 80.0), *cifar("ann@precision=bfloat16", 1, 80.0))
    assert trials.without_trials(beside)["method"].tolist() == ["ann@precision=bfloat16"]


NONE, WITHIN, ALL = cifar("dsr-if-rep", 5, 50.0, 52.0), cifar("sltt", 5, 60.0, 61.0), cifar("stbp-tdbn", 5, 58.0)


def temporal_tables(tmp_path: Path, *rows: dict[str, Any]) -> list[Table]:
    return temporal.tables_of(aggregate(frame_of(tmp_path, *rows)))


def test_methods_stand_by_what_they_keep_of_the_temporal_gradient_with_their_costs(tmp_path: Path) -> None:
    rows = [row | {"train_cpu_seconds": 100.0} for row in (*ALL, *NONE, *WITHIN, *cifar("ann", 1, 90.0))]
    (table,) = temporal_tables(tmp_path, *rows)
    assert column(table, "kept") == ["none", "within a step", "all"]
    assert column(table, "method") == ["dsr-if-rep", "sltt", "stbp-tdbn"]
    assert column(table, "n") == ["2", "2", "1"]
    assert column(table, "accuracy")[0] == "51.00 (50.00, 52.00)"
    assert column(table, "training") == ["100.0"] * 3
    assert column(table, "peak memory") == ["3.000"] * 3, "5 MiB less 2 MiB"
    assert "T = 5" in table.heading
    absent = table.notes[-1]
    assert absent.startswith("Without a run here: dsr-if, dsr-lif, ")
    assert "sltt-k" in absent
    assert not any(name in absent.split(": ")[1].split(", ") for name in ("sltt.", "ide", "sltt-published", "ann"))


def test_the_temporal_gradient_is_compared_at_the_t_of_most_methods_and_variants_stay_out(tmp_path: Path) -> None:
    many = (*NONE, *ALL, *cifar("sew", 2, 40.0), *cifar("sltt", 2, 41.0), *cifar("dsr-if-rep", 2, 42.0))
    (table,) = temporal_tables(tmp_path, *many, *cifar("stbp-tdbn@loss=tet", 2, 43.0))
    assert column(table, "method") == ["dsr-if-rep", "sltt", "sew"]
    (table,) = temporal_tables(tmp_path, *NONE, *ALL)
    assert "No run of a method that keeps: within a step." in table.notes
    assert temporal_tables(tmp_path, *NONE, *cifar("dsr-lif-rep", 5, 55.0)) == [], "one kind is no comparison"
    assert temporal_tables(tmp_path, *NONE, *cifar("sltt", 2, 55.0)) == [], "two T are none either"
