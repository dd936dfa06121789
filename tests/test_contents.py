"""One key, one content: what contradicts a committed row is refused or replaces it, and descendants go with the old."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ended_runs import CLEAN, ended, finish

from benchmarks.__main__ import app
from benchmarks.cli import commands, preparation
from benchmarks.export.layers import LayerRow
from benchmarks.export.rows import export
from benchmarks.runs import contents, store
from benchmarks.runs.identity import key
from benchmarks.runs.plan import plan
from benchmarks.runs.record import read_csv, row, write_csv
from benchmarks.spec import BadInput, Run
from reports.inputs.rows import read
from reports.queries import lookup

CHILD = Run("digits", "preact-resnet-tiny", "qcfs", 4, 0, "laptop")
PARENT, ANN = (replace(CHILD, method=method, timesteps=1) for method in ("qcfs-ann", "ann"))
OTHER = replace(CHILD, timesteps=8)
OLD, NEW = "a" * 64, "b" * 64


def of_parent(run: Run = CHILD, **changes: Any) -> dict[str, Any]:
    return row(ended(run, parent_key=key(PARENT), **changes))


def missing(runs: list[Run], results: Path) -> list[Run]:
    return [job.run for job in plan(runs, results).missing]


def top1_of(path: Path) -> dict[str, str]:
    return {found["key"]: found["top1"] for found in read_csv(path)}


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ({"top1": 47.74}, {"top1": 54.11}, ("top1", "47.74", "54.11")),
        ({"top1": 47.74, "train_seconds": 3.0}, {"top1": 47.74, "train_seconds": 9.0}, None),
        ({"test_loss": 1.2500001}, {"test_loss": 1.25}, None),  # another order of sums
        ({"test_loss": 1.251}, {"test_loss": 1.25}, ("test_loss", "1.251", "1.25")),
        ({"acs": 10.0, "test_loss": None}, {"acs": 11.0}, ("acs", "10.0", "11.0")),
        ({"weights_sha256": OLD}, {"weights_sha256": NEW}, ("weights_sha256", OLD, NEW)),
        ({"weights_sha256": OLD}, {"weights_sha256": None}, None),
        ({"weights_sha256": OLD, "predictions_sha256": OLD}, {"weights_sha256": OLD, "predictions_sha256": NEW},
         ("predictions_sha256", OLD, NEW)),
        ({"weights_sha256": "1e5"}, {"weights_sha256": "100000"}, ("weights_sha256", "1e5", "100000")),
    ],
)  # fmt: skip
def test_content_is_what_was_measured_and_times_are_none(one, other, said) -> None:
    assert contents.difference(row(ended(ANN, **one)), row(ended(ANN, **other))) == said


def test_a_second_content_is_refused_wherever_the_first_is_committed(tmp_path: Path) -> None:
    write_csv([row(ended(ANN, top1=47.74))], tmp_path / "other.csv")
    place = finish(tmp_path, ANN, top1=54.11)
    found = export("quick", [ANN], "laptop", tmp_path)
    expected = f"ann on digits, T=1 seed 0 ({key(ANN)}) has top1 47.74 in {tmp_path / 'other.csv'} and 54.11 in {place}"
    assert found.refused == (f"{expected}: not exported; `dsr-bench export quick --replace` replaces the old row",)
    assert top1_of(tmp_path / "quick.csv") == {key(ANN): "47.74"}, "the committed row is taken over"
    assert export("runs", [ANN], "laptop", tmp_path).refused[0].endswith("export other --replace` replaces the old row")


def test_the_same_content_measured_again_is_exported(tmp_path: Path) -> None:
    write_csv([row(ended(ANN, train_seconds=5.0))], tmp_path / "other.csv")
    finish(tmp_path, ANN, train_seconds=6.0, weights_sha256=NEW)
    assert not export("quick", [ANN], "laptop", tmp_path).refused
    assert [found["train_seconds"] for found in read_csv(tmp_path / "quick.csv")] == ["6.0"]


def test_what_descends_from_a_refused_parent_is_refused_too(tmp_path: Path) -> None:
    """Or else it would stand beside a parent whose weights it does not have: this is how it happened."""
    write_csv([row(ended(PARENT, top1=62.18))], tmp_path / "other.csv")
    finish(tmp_path, PARENT, top1=63.33, weights_sha256=NEW)
    finish(tmp_path, CHILD, parent_key=key(PARENT), parent_sha256=NEW)
    refused = export("quick", [CHILD], "laptop", tmp_path).refused
    assert [key(PARENT) in line for line in refused] == [True, True]
    assert "descends from" in refused[1]
    assert top1_of(tmp_path / "quick.csv") == {key(PARENT): "62.18"}


def test_a_child_of_other_weights_than_the_committed_parents_is_refused(tmp_path: Path) -> None:
    write_csv([row(ended(PARENT, weights_sha256=OLD))], tmp_path / "quick.csv")
    finish(tmp_path, CHILD, parent_key=key(PARENT), parent_sha256=NEW)
    (line,) = export("quick", [CHILD], "laptop", tmp_path).refused
    assert line.endswith(f"the committed row of {key(PARENT)} has other weights")


def committed_family(results: Path) -> None:
    """A parent and two children in two files, with layers and curves; another run without any of that."""
    children = [of_parent(CHILD, top1=40.0, parent_sha256=OLD), of_parent(OTHER, top1=50.0)]
    for name in ("quick", "other"):
        write_csv(
            [*children, row(ended(PARENT, top1=62.0, weights_sha256=OLD)), row(ended(ANN))], results / f"{name}.csv"
        )
        layer = dict.fromkeys(LayerRow.__dataclass_fields__, "1") | {"kind": "ac", "operation": "conv"}
        lines = [",".join({**layer, "key": of}.values()) for of in (key(PARENT), key(CHILD))]
        head = ",".join(layer)
        (results / f"{name}-layers.csv").write_text("\n".join([head, *lines]) + "\n")
        curve = "key,epoch,train_seconds,train_joules,test_top1\n"
        (results / f"{name}-curves.csv").write_text(curve + f"{key(PARENT)},1,2,,3\n{key(ANN)},1,2,,3\n")


def test_replacing_a_parent_takes_its_old_children_out_of_every_file(tmp_path: Path) -> None:
    committed_family(tmp_path)
    finish(tmp_path, PARENT, top1=63.0, weights_sha256=NEW)
    found = export("quick", [PARENT], "laptop", tmp_path, replace=True)
    assert not found.refused
    assert [line.rpartition(" ")[2] for line in found.changes] == ["replaced", "out", "out"]
    assert {line.split("(")[1].split(")")[0] for line in found.changes[1:]} == {key(CHILD), key(OTHER)}
    for name in ("quick", "other"):
        assert top1_of(tmp_path / f"{name}.csv") == {key(PARENT): "63.0", key(ANN): "90.5"}, name
        assert read_csv(tmp_path / f"{name}-layers.csv") == [], "of the old weights"
        assert [line["key"] for line in read_csv(tmp_path / f"{name}-curves.csv")] == [key(ANN)]
    assert export("quick", [PARENT], "laptop", tmp_path) == replace(found, changes=())


def test_children_of_the_new_weights_stay(tmp_path: Path) -> None:
    committed_family(tmp_path)
    finish(tmp_path, PARENT, top1=63.0, weights_sha256=NEW)
    finish(tmp_path, CHILD, top1=44.0, parent_key=key(PARENT), parent_sha256=NEW)
    write_csv([*read_csv(tmp_path / "other.csv"), of_parent(replace(CHILD, timesteps=2), parent_sha256=NEW)],
              tmp_path / "other.csv")  # fmt: skip
    export("quick", [CHILD], "laptop", tmp_path, replace=True)
    expected = {key(PARENT): "63.0", key(ANN): "90.5", key(CHILD): "44.0"}
    assert top1_of(tmp_path / "quick.csv") == expected
    assert top1_of(tmp_path / "other.csv") == expected | {key(replace(CHILD, timesteps=2)): "90.5"}


def test_a_stale_committed_child_is_not_done_and_makes_room_without_being_asked(tmp_path: Path) -> None:
    finish(tmp_path, PARENT, weights_sha256=NEW)
    write_csv([of_parent(parent_sha256=OLD), row(ended(PARENT, weights_sha256=NEW))], tmp_path / "quick.csv")
    assert store.committed(tmp_path).keys() == {key(PARENT)}
    assert missing([CHILD], tmp_path) == [CHILD]
    finish(tmp_path, CHILD, top1=44.0, parent_key=key(PARENT), parent_sha256=NEW)
    found = export("quick", [CHILD], "laptop", tmp_path)
    assert not found.refused
    assert top1_of(tmp_path / "quick.csv")[key(CHILD)] == "44.0"
    assert store.committed(tmp_path).keys() == {key(PARENT), key(CHILD)}


def test_a_run_here_whose_parent_was_trained_again_is_not_done(tmp_path: Path) -> None:
    finish(tmp_path, PARENT, weights_sha256=NEW)
    finish(tmp_path, CHILD, parent_key=key(PARENT), parent_sha256=OLD)
    assert missing([CHILD], tmp_path) == [CHILD]
    (line,) = export("quick", [CHILD], "laptop", tmp_path).refused
    assert "its parent was trained again since" in line
    finish(tmp_path, CHILD, parent_key=key(PARENT), parent_sha256=NEW)
    assert missing([CHILD], tmp_path) == []


def test_grandchildren_of_replaced_weights_are_stale_as_well() -> None:
    rows = {
        "p": {"weights_sha256": NEW, "parent_key": None},
        "c": {"weights_sha256": "c1", "parent_key": "p", "parent_sha256": OLD},
        "g": {"weights_sha256": "g1", "parent_key": "c", "parent_sha256": "c1"},
        "unknown": {"weights_sha256": "", "parent_key": "p", "parent_sha256": float("nan")},
        "absent": {"weights_sha256": "x", "parent_key": "elsewhere", "parent_sha256": OLD},
    }
    assert contents.stale(rows) == {"c", "g"}


def test_two_committed_contents_stop_a_plan_in_one_line(tmp_path: Path) -> None:
    write_csv([row(ended(ANN, top1=47.74))], tmp_path / "b.csv")
    write_csv([row(ended(ANN, top1=54.11))], tmp_path / "a.csv")
    said = f"^{key(ANN)} has two contents: top1 54.11 in {tmp_path / 'a.csv'} and 47.74 in {tmp_path / 'b.csv'}; "
    with pytest.raises(BadInput, match=said):
        plan([ANN], tmp_path)
    finish(tmp_path, ANN, top1=54.11)
    export("quick", [ANN], "laptop", tmp_path, replace=True)
    assert missing([ANN], tmp_path) == []
    assert {top1_of(tmp_path / f"{name}.csv")[key(ANN)] for name in ("a", "b", "quick")} == {"54.11"}


def test_a_sweep_whose_results_are_refused_says_so_ends_with_1_and_keeps_them(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("DSR_RESULTS", str(tmp_path))
    monkeypatch.setattr(commands, "_tabulate", lambda *_: None)
    monkeypatch.setattr(preparation, "seen_otherwise", lambda _: {})
    ann = replace(ANN, dataset="cifar10", network="preact-resnet18-narrow")
    write_csv([row(ended(ann, top1=47.74))], tmp_path / "other.csv")
    place = finish(tmp_path, ann, top1=54.11)
    words = ["sweep", "cifar10", "--methods", "ann", "--seeds", "0", "--timesteps", "1", "--scale", "laptop"]
    assert app(words, standalone_mode=False) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "--replace" in line]
    assert "47.74" in line
    assert (place / store.RESULT).exists()
    assert app(["export", "cifar10", "--scale", "laptop", "--replace"], standalone_mode=False) == 0
    assert "replaced" in capsys.readouterr().out
    assert top1_of(tmp_path / "other.csv") == {key(ann): "54.11"}


def test_a_trained_result_without_its_curve_is_refused(tmp_path: Path) -> None:
    finish(tmp_path, ANN, epochs=3)
    (line,) = export("quick", [ANN], "laptop", tmp_path).refused
    assert line.endswith("curves.csv is missing")


def test_rows_taken_over_bring_their_layers_and_curves_along(tmp_path: Path) -> None:
    committed_family(tmp_path)
    for name in ("quick.csv", "quick-layers.csv", "quick-curves.csv"):
        (tmp_path / name).unlink()
    export("quick", [CHILD, ANN], "laptop", tmp_path)
    assert [line["key"] for line in read_csv(tmp_path / "quick-layers.csv")] == [key(CHILD), key(PARENT)]
    assert [line["key"] for line in read_csv(tmp_path / "quick-curves.csv")] == [key(ANN), key(PARENT)]


def test_smoke_rows_are_written_over_without_a_word(tmp_path: Path) -> None:
    smoke = replace(ANN, scale="smoke")
    for top1 in (50.0, 60.0):
        finish(tmp_path, smoke, top1=top1, provenance=replace(CLEAN, dirty=True))
        assert not export("quick", [smoke], "smoke", tmp_path).refused
    assert top1_of(tmp_path / "smoke" / "quick.csv") == {key(smoke): "60.0"}


def test_words_in_a_column_of_numbers_stop_a_plan_with_a_line_that_names_the_file(tmp_path: Path) -> None:
    write_csv([row(ended(ANN))], tmp_path / "other.csv")
    write_csv([row(ended(ANN)) | {"top1": "good"}], tmp_path / "quick.csv")
    for ask in (lambda: store.committed(tmp_path), lambda: export("quick", [ANN], "laptop", tmp_path)):
        with pytest.raises(BadInput, match=r"quick\.csv: column top1: 'good' of .* is not a number"):
            ask()


def test_two_runs_that_descend_from_each_other_are_one_line_for_every_reader(tmp_path: Path) -> None:
    """Only a damaged file can say so: a key is made of its parent's key."""
    pair = [row(ended(ANN, parent_key=key(CHILD))), row(ended(CHILD, parent_key=key(ANN)))]
    write_csv(pair, path := tmp_path / "quick.csv")
    for ask in (
        lambda: store.committed(tmp_path),
        lambda: export("quick", [ANN], "laptop", tmp_path),
        lambda: lookup.find(key(ANN), tmp_path),
        lambda: read([path]),
    ):
        with pytest.raises(BadInput, match=f"{key(ANN)} is its own ancestor .{key(ANN)} -> {key(CHILD)} -> {key(ANN)}"):
            ask()


def test_records_of_runs_that_descend_from_each_other_are_one_line(tmp_path: Path) -> None:
    place = finish(tmp_path, CHILD, parent_key=key(PARENT))
    finish(tmp_path, PARENT, parent_key=key(CHILD))
    with pytest.raises(BadInput, match=f"{key(PARENT)} is its own ancestor"):
        lookup.find(str(place), tmp_path)
