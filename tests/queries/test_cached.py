"""`dsr-bench why-cached`: what is in a key, and what makes a run count as done, as a plan sees it."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest
from ended_runs import ended, finish

from benchmarks import catalogue
from benchmarks.recipes import resolve
from benchmarks.runs import record, store
from benchmarks.runs.identity import key, key_of, parent
from benchmarks.runs.plan import plan
from benchmarks.spec import Recipe, Run
from reports.queries.cached import explain
from reports.queries.lookup import find

RUN = Run("digits", "preact-resnet-tiny", "dsr-if", 4, 0, "smoke")
CHILD = replace(RUN, method="qcfs")


def committed(results: Path, *rows: record.Result, name: str = "quick.csv") -> Path:
    record.write_csv(map(record.row, rows), results / name)
    return results / name


def asked(word: str, results: Path) -> list[str]:
    """The conclusion, which agrees with what a sweep would do."""
    known = find(word, results)
    answer = explain(known, results)
    work = plan([known.run], results)
    assert answer.is_cached == (known.run not in [job.run for job in work.missing])
    assert answer.said[0].startswith("Cached: " if answer.is_cached else "Not cached: ")
    return answer.said


def lines(word: str, results: Path) -> dict[str, tuple[str, str]]:
    table = explain(find(word, results), results).table
    assert table
    return {row[0].text: (row[1].text, row[2].text) for row in table.rows}


def test_every_field_is_there_with_its_value_and_whether_it_is_in_the_key(tmp_path: Path) -> None:
    run = replace(RUN, method="dsr-if@alpha=0.5")
    shown = lines(str(finish(tmp_path, run)), tmp_path)
    assert {name.partition(".")[0] for name in shown} == {
        *(field.name for field in fields(Run)),
        *(field.name for field in fields(Recipe)),
        "parent's key",
    }
    assert shown["timesteps"] == ("4", "in it")
    assert shown["neuron.alpha"] == ("0.5", "in it")
    assert shown["momentum"] == ("0.9", "at its default")
    assert shown["epochs"] == ("10", "in it")
    assert shown["sources"] == (resolve(run).sources, "never in it")
    assert shown["parent's key"] == ("–", "in it")


def test_a_result_in_a_run_directory_makes_it_count(tmp_path: Path) -> None:
    place = finish(tmp_path, RUN)
    assert asked(key(RUN), tmp_path) == [f"Cached: {place / store.RESULT} says that it is done."]


def test_a_committed_row_makes_it_count_and_both_are_named(tmp_path: Path) -> None:
    path = committed(tmp_path, ended(RUN))
    rowed = f"Cached: {path} has its finished row."
    gone = "Its weights are not here: a run that starts from it would have it trained again."
    assert asked(key(RUN), tmp_path) == [rowed, gone]
    place = finish(tmp_path, RUN)
    other = committed(tmp_path, ended(RUN), name="other.csv")
    assert asked(str(place), tmp_path) == [
        f"Cached: {place / store.RESULT} says that it is done.",
        f"Cached: {other} has its finished row.",
        rowed,
    ]


def test_a_run_outside_the_results_folder_does_not_count(tmp_path: Path) -> None:
    (here := tmp_path / "here").mkdir()
    place = finish(tmp_path / "elsewhere", RUN)
    (said,) = asked(str(place), here)
    assert said == f"Not cached: neither {store.directory(here, RUN)} nor a CSV file in {here} has a result of it."


def test_what_has_failed_does_not_count_and_says_why(tmp_path: Path) -> None:
    path = committed(tmp_path, ended(RUN, status="failed", top1=None))
    assert asked(key(RUN), tmp_path) == [f"Not cached: its row in {path} did not end well."]
    place = finish(tmp_path, RUN, status="out-of-memory", reason="needs 3 GiB more", top1=None)
    assert asked(str(place), tmp_path) == [f"Not cached: {place / store.RESULT} says out-of-memory: needs 3 GiB more."]


def test_a_child_of_a_parent_that_was_trained_again_does_not_count(tmp_path: Path) -> None:
    origin = parent(CHILD)
    assert origin
    known: dict[str, Any] = {"parent_key": key(origin), "parent_sha256": "old", "weights_sha256": "child"}
    committed(tmp_path, ended(CHILD, **known), ended(origin, weights_sha256="new"))
    (said,) = asked(key(CHILD), tmp_path)
    assert said.endswith("quick.csv descends from other weights than its parent's row has.")
    (tmp_path / "quick.csv").unlink()
    place, parents = finish(tmp_path, CHILD, **known), finish(tmp_path, origin, weights_sha256="new")
    assert asked(str(place), tmp_path) == [
        f"Not cached: its parent has been trained again since; {parents} has other weights now."
    ]
    assert lines(str(place), tmp_path)["parent's key"] == (key(origin), "in it")


def test_a_recipe_that_has_changed_is_named_field_by_field(tmp_path: Path) -> None:
    place = finish(tmp_path, RUN)
    older = replace(resolve(RUN), epochs=77, sources="elsewhere")
    about = json.loads((place / store.RUN).read_text()) | {"recipe": asdict(older), "key": key_of(RUN, older, None)}
    (place / store.RUN).write_text(json.dumps(about))
    said = explain(find(str(place), tmp_path), tmp_path).said
    changed = "Since it was carried out, epochs was 77 and is 10."
    assert said == [f"Not cached: its key is {key(RUN)} today. {changed}"]


def test_a_parent_whose_recipe_has_changed_is_named(tmp_path: Path) -> None:
    place = finish(tmp_path, CHILD)
    about = json.loads((place / store.RUN).read_text())
    about |= {"parent_key": "fedcba9876543210", "key": key_of(CHILD, resolve(CHILD), "fedcba9876543210")}
    (place / store.RUN).write_text(json.dumps(about))
    said = explain(find(str(place), tmp_path), tmp_path).said
    origin = parent(CHILD)
    assert origin
    assert said[0].endswith(f"its parent's key was fedcba9876543210 and is {key(origin)}.")


def test_a_row_whose_recipe_has_changed_has_no_table(tmp_path: Path) -> None:
    committed(tmp_path, ended(RUN, key="0123456789abcdef"))
    table, _, said = explain(find("0123", tmp_path), tmp_path)
    assert table is None
    assert said[0].endswith("Its recipe has changed since, and no run directory is left that would say in what.")


def test_a_plug_in_that_is_not_loaded_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(
        "from baselines.stbp import LIF\nfrom benchmarks.method import Method\nMETHOD = Method('mine', LIF)\n"
    )
    monkeypatch.setenv("DSR_METHODS", str(tmp_path / "mine.py"))
    catalogue.from_outside.cache_clear()
    place = finish(tmp_path, replace(RUN, method="mine"))
    assert len(lines(str(place), tmp_path)["code"][0]) == 12
    monkeypatch.delenv("DSR_METHODS")
    catalogue.from_outside.cache_clear()
    (said,) = explain(find(str(place), tmp_path), tmp_path).said
    assert said.startswith("Not cached: the key that it has today is not known (no recipe of mine: no such method")
