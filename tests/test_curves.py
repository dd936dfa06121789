"""Curves are exported beside the rows they belong to, and leave with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.export import curves, layers
from benchmarks.export.rows import export, look
from benchmarks.runs import store
from benchmarks.runs.identity import key
from benchmarks.runs.record import Epoch, Provenance, Result, read_csv, save, write_csv
from benchmarks.spec import BadInput, Run

ANN = Run("digits", "preact-resnet-tiny", "ann", 1, 0, "laptop")
CLEAN = Provenance("abc", False, "2026-11-01", "bench", "cpu", 2, "3.11", "2.13", "f00", "made up")


def finish(results: Path, run: Run, epochs: int, dirty: bool = False) -> None:
    """A run directory at the end: epoch e took 10 s, 7 core-seconds, 100.04 J and brought 20.00049 points more."""
    place = store.directory(results, run)
    place.mkdir(parents=True, exist_ok=True)
    joules = 100.04 if dirty else None
    curve = [
        Epoch(e, 0.1, 1.0, 50.0, 1.0, 20.00049 * e, None, None, 10.0049 * e, 5.0, 1.0, joules and joules * e, 7.006 * e)
        for e in range(1, epochs + 1)
    ]
    store.write_table(place / store.CURVES, curve)
    provenance = replace(CLEAN, dirty=dirty)
    facts = {"key": key(run), "parent_key": None, **vars(run), "status": "done", "top1": 20.00049 * epochs}
    save(Result(**facts, provenance=provenance), place / store.RESULT)


def rewrite(path: Path, changed: dict[str, str]) -> None:
    """Put these values into every line of a CSV file."""
    lines = [line | changed for line in read_csv(path)]
    path.write_text("\n".join([",".join(lines[0]), *(",".join(line.values()) for line in lines)]) + "\n")


def test_a_finished_runs_curve_is_written_beside_its_row(tmp_path: Path) -> None:
    finish(tmp_path, ANN, 2)
    export("quick", [ANN], "laptop", tmp_path)
    assert read_csv(tmp_path / "quick-curves.csv") == [
        {
            "key": key(ANN),
            "epoch": "1",
            "train_seconds": "10.0",
            "train_joules": "",
            "test_top1": "20.0",
            "train_loss": "1.0",
            "train_cpu_seconds": "7.01",
            "validation_top1": "",
        },
        {
            "key": key(ANN),
            "epoch": "2",
            "train_seconds": "20.01",
            "train_joules": "",
            "test_top1": "40.001",
            "train_loss": "1.0",
            "train_cpu_seconds": "14.01",
            "validation_top1": "",
        },
    ]


def test_curves_of_other_machines_stay_and_stale_ones_go(tmp_path: Path) -> None:
    other = replace(ANN, seed=1)
    for run, epochs in ((ANN, 1), (other, 3)):
        finish(tmp_path / "a", run, epochs)
    export("quick", [ANN, other], "laptop", tmp_path / "a")
    (store.directory(tmp_path / "a", other) / store.CURVES).unlink()  # as if it had been trained elsewhere
    finish(tmp_path / "a", ANN, 2)
    export("quick", [ANN, other], "laptop", tmp_path / "a")
    path = tmp_path / "a" / "quick-curves.csv"
    assert [(line["key"], line["epoch"]) for line in read_csv(path)] == [
        *((key(ANN), e) for e in "12"),
        *((key(other), e) for e in "123"),
    ]
    rows = path.with_name("quick.csv")
    write_csv([row for row in read_csv(rows) if row["key"] == key(other)], rows)
    export("quick", [], "laptop", tmp_path / "a")
    assert {line["key"] for line in read_csv(path)} == {key(other)}


def test_a_run_of_uncommitted_code_replaces_no_curve(tmp_path: Path) -> None:
    finish(tmp_path, ANN, 2)
    export("quick", [ANN], "laptop", tmp_path)
    finish(tmp_path, ANN, 5, dirty=True)
    export("quick", [ANN], "laptop", tmp_path)
    assert len(read_csv(tmp_path / "quick-curves.csv")) == 2


def test_rows_without_any_curve_make_no_file(tmp_path: Path) -> None:
    finish(tmp_path, ANN, 0)
    export("quick", [ANN], "laptop", tmp_path)
    assert (tmp_path / "quick.csv").exists()
    assert not (tmp_path / "quick-curves.csv").exists()


def test_a_curve_that_ends_elsewhere_than_its_row_is_refused_in_one_line(tmp_path: Path) -> None:
    """2 of 200 images, 1 point, are what a GPU may move; a third image is another network."""
    for seed, top1 in enumerate((41.0, 41.5)):
        run = replace(ANN, seed=seed)
        finish(tmp_path, run, 2)
        found = store.result(tmp_path, run)
        assert found is not None
        save(replace(found, top1=top1, test_images=200), store.directory(tmp_path, run) / store.RESULT)
    exported = export("quick", [ANN, replace(ANN, seed=1)], "laptop", tmp_path)
    (line,) = exported.refused
    assert "s1" in line
    assert "not exported: its curve ends at 40.001 % and its row says top1 = 41.50 (" in line
    assert "\n" not in line
    assert [row["key"] for row in read_csv(tmp_path / "quick.csv")] == [key(ANN)]


def test_a_curve_of_another_number_of_epochs_is_refused(tmp_path: Path) -> None:
    finish(tmp_path, ANN, 2)
    found = store.result(tmp_path, ANN)
    assert found is not None
    save(replace(found, epochs=3), store.directory(tmp_path, ANN) / store.RESULT)
    (line,) = export("quick", [ANN], "laptop", tmp_path).refused
    assert "its curve ends with epoch 2 and its row says 3 epochs" in line


def test_a_curve_of_other_held_out_accuracy_is_refused(tmp_path: Path) -> None:
    """At a scale whose test split is read once, this is the only accuracy that both have."""
    for seed, held_out in enumerate((71.25, 71.5)):
        run = replace(ANN, seed=seed)
        finish(tmp_path, run, 2)
        place = store.directory(tmp_path, run)
        rewrite(place / store.CURVES, {"test_top1": "", "validation_top1": "71.25"})
        found = store.result(tmp_path, run)
        assert found is not None
        save(replace(found, validation_top1=held_out), place / store.RESULT)
    (line,) = export("quick", [ANN, replace(ANN, seed=1)], "laptop", tmp_path).refused
    assert "its curve ends at 71.25 % of held-out images and its row says 71.50 (" in line
    assert [row["key"] for row in read_csv(tmp_path / "quick.csv")] == [key(ANN)]


@pytest.mark.parametrize("wrong", ["inf", "nan"])
def test_numbers_without_end_in_a_runs_curve_refuse_it(wrong: str, tmp_path: Path) -> None:
    finish(tmp_path, ANN, 2)
    path = store.directory(tmp_path, ANN) / store.CURVES
    rewrite(path, {"train_loss": wrong})
    (line,) = export("quick", [ANN], "laptop", tmp_path).refused
    assert line.endswith(f"curves.csv: column train_loss: {wrong} of {key(ANN)} is not finite")


@pytest.mark.parametrize("column", ["epoch", "test_top1", "train_seconds"])
def test_words_in_a_runs_curve_refuse_that_run_alone(column: str, tmp_path: Path) -> None:
    other = replace(ANN, seed=1)
    for run in (ANN, other):
        finish(tmp_path, run, 2)
    path = store.directory(tmp_path, ANN) / store.CURVES
    rewrite(path, {column: "much"})
    (line,) = export("quick", [ANN, other], "laptop", tmp_path).refused
    assert line.endswith(f"curves.csv: column {column}: 'much' of {key(ANN)} is not a number")
    assert [row["key"] for row in read_csv(tmp_path / "quick.csv")] == [key(other)]


@pytest.mark.parametrize("sweep", ["quick", "cifar10"])
@pytest.mark.parametrize(
    ("ending", "column", "names"),
    [("curves", "train_joules", curves.COLUMNS), ("layers", "operations", layers.COLUMNS)],
)
def test_words_in_committed_curves_and_layers_are_seen_before_anything_is_trained(
    ending: str, column: str, names: Sequence[str], sweep: str, tmp_path: Path
) -> None:
    """In the sweep's own files, and in another sweep's, which may lend its lines."""
    finish(tmp_path, ANN, 2)
    export("quick", [ANN], "laptop", tmp_path)
    rows = (tmp_path / "quick.csv").read_bytes()
    cells = {"key": key(ANN), "epoch": "1", "layer": "stem", "kind": "mac", "operation": "conv", column: "much"}
    lines = [names, [cells.get(name, "") for name in names]]
    (tmp_path / f"quick-{ending}.csv").write_text("\n".join(map(",".join, lines)) + "\n")
    for ask in (lambda: look(sweep, "laptop", tmp_path), lambda: export(sweep, [ANN], "laptop", tmp_path)):
        with pytest.raises(BadInput, match=f"quick-{ending}.csv: column {column}: 'much' of {key(ANN)}"):
            ask()
    assert [path.name for path in tmp_path.glob("*.csv") if "-" not in path.name] == ["quick.csv"]
    assert (tmp_path / "quick.csv").read_bytes() == rows
