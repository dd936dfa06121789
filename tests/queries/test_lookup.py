"""Which run a word on the command line means."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from ended_runs import ended, finish

from benchmarks.recipes import resolve
from benchmarks.runs import record, store
from benchmarks.runs.identity import key, key_of, parent
from benchmarks.runs.job import job_of
from benchmarks.spec import BadInput, Run
from reports.queries.lookup import find

RUN = Run("digits", "preact-resnet-tiny", "dsr-if", 4, 0, "smoke")
CONVERTED = replace(RUN, method="qcfs")


def committed(results: Path, *rows: record.Result, name: str = "quick.csv") -> Path:
    results.mkdir(exist_ok=True)
    record.write_csv(map(record.row, rows), results / name)
    return results / name


def test_a_directory_is_read_with_its_recipe_as_it_was(tmp_path: Path) -> None:
    recipe = replace(resolve(RUN), epochs=77)
    known = key_of(RUN, recipe, None)
    store.describe(place := store.place_of(tmp_path, RUN, known), RUN, recipe, known, None, "quick")
    record.save(ended(RUN, key=known, top1=71.5), place / store.RESULT)
    about = json.loads((place / store.RUN).read_text())
    for later in ("optimizer", "classes", "image_size"):  # an older suite knew nothing of these
        del about["recipe"][later]
    (place / store.RUN).write_text(json.dumps(about))
    found = find(str(place), tmp_path)
    assert (found.run, found.key, found.place, found.recipe) == (RUN, known, str(place), recipe)
    assert (found.row["top1"], found.row["commit"], found.row["dirty"]) == (71.5, "abc", False)


def test_a_key_and_its_beginning_mean_the_run_directory_before_the_row(tmp_path: Path) -> None:
    committed(tmp_path, ended(RUN, top1=10.0))
    place = finish(tmp_path, RUN, top1=71.5)
    for word in (key(RUN), key(RUN)[:5]):
        found = find(word, tmp_path)
        assert (found.place, found.row["top1"]) == (str(place), 71.5)


def test_a_committed_row_is_typed_and_its_recipe_resolved(tmp_path: Path) -> None:
    path = committed(tmp_path, ended(RUN, top1=10.0, test_images=360))
    found = find(key(RUN)[:7], tmp_path)
    assert (found.run, found.place, found.recipe) == (RUN, str(path), resolve(RUN))
    assert (found.row["top1"], found.row["test_images"], found.row["threads"]) == (10.0, 360, 2)
    assert (found.row["dirty"], found.row["train_loss"]) == (False, None)


def test_a_row_whose_recipe_has_changed_has_none(tmp_path: Path) -> None:
    committed(tmp_path, ended(RUN, key="0123456789abcdef"))
    assert find("0123", tmp_path).recipe is None


def test_a_finished_row_counts_before_a_failed_one(tmp_path: Path) -> None:
    committed(tmp_path, ended(RUN, top1=10.0), name="a.csv")
    committed(tmp_path, ended(RUN, status="failed", top1=None), name="b.csv")
    assert find(key(RUN), tmp_path).row["status"] == "done"


def test_parents_are_found_beside_a_directory_and_among_rows(tmp_path: Path) -> None:
    origin = parent(CONVERTED)
    assert origin is not None
    known = {"parent_key": key(origin)}
    place = finish(tmp_path / "elsewhere", CONVERTED, **known)
    finish(tmp_path / "elsewhere", origin, top1=50.0)
    found = find(str(place), tmp_path / "here")
    assert [row["top1"] for row in found.parents] == [50.0]
    assert found.parent_recipe == resolve(origin)
    committed(tmp_path / "here", ended(CONVERTED, **known), ended(origin, top1=60.0))
    found = find(key(CONVERTED), tmp_path / "here")
    assert [row["top1"] for row in found.parents] == [60.0]
    assert found.parent_recipe == resolve(origin)


def test_a_run_that_goes_on_has_no_row(tmp_path: Path) -> None:
    (job := job_of(RUN, tmp_path)).describe(None)
    assert find(str(job.place), tmp_path).row == {}


def test_what_means_no_run_or_several_is_refused_in_one_line(tmp_path: Path) -> None:
    committed(tmp_path, ended(RUN, key="ab12"), ended(replace(RUN, seed=1), key="ab34"))
    (empty := tmp_path / "empty").mkdir()
    (broken := finish(tmp_path, RUN) / store.RUN).write_text("{")
    for word, said in (
        ("ab", "2 keys begin with 'ab': ab12, ab34"),
        ("cd", "'cd' names no run"),
        ("../nowhere", "names no run"),
        ("", "no directory of a run"),
        (str(empty), "no directory of a run: it has no run.json"),
        (str(broken.parent), "run.json is damaged, or of another version: "),
    ):
        with pytest.raises(BadInput, match=said) as caught:
            find(word, tmp_path)
        assert "\n" not in str(caught.value)
