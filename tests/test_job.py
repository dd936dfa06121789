"""A run's facts: what they are, that they are worked out once, and that nobody asks for them again."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, asdict, replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from ended_runs import finish

from benchmarks.execution import execute
from benchmarks.recipes import resolve
from benchmarks.runs import identity, job, store
from benchmarks.runs.identity import key, parent
from benchmarks.runs.job import Job, job_of, jobs_of
from benchmarks.spec import BadInput, Run

ANN = Run("digits", "preact-resnet-tiny", "ann", 1, 0, "smoke")
CHILD = replace(ANN, method="threshold-balancing", timesteps=4)
OTHER = replace(CHILD, timesteps=8)


def test_a_job_is_what_its_run_is_key_recipe_parent_and_directory(tmp_path: Path) -> None:
    child = job_of(CHILD, tmp_path)
    assert child == Job(CHILD, resolve(CHILD), job_of(ANN, tmp_path), key(CHILD), store.directory(tmp_path, CHILD))
    assert child.parent is not None
    assert (child.parent.run, child.parent.parent, child.parent_key) == (parent(CHILD), None, key(ANN))
    assert child.results == tmp_path
    assert str(child) == str(CHILD)
    with pytest.raises(FrozenInstanceError):
        child.key = "0" * 16  # type: ignore[misc]
    with pytest.raises(BadInput, match="zebra"):
        job_of(replace(ANN, method="zebra"), tmp_path)


def test_jobs_are_made_parents_first_and_children_share_their_parents(tmp_path: Path, monkeypatch: Any) -> None:
    asked: list[Run] = []
    monkeypatch.setattr(job, "resolve", lambda run: asked.append(run) or resolve(run))
    parents, longer, shorter = jobs_of([CHILD, OTHER], tmp_path)
    assert (parents.run, longer.run, shorter.run) == (ANN, OTHER, CHILD)
    assert longer.parent is shorter.parent is parents
    assert sorted(asked) == sorted([ANN, CHILD, OTHER]), "each recipe is resolved once"
    assert len({parents, longer, shorter, job_of(CHILD, tmp_path)}) == 3, "equal jobs are one in a set"
    assert job_of(CHILD, tmp_path / "elsewhere") != shorter


def test_a_job_at_other_timesteps_is_the_job_of_that_run_if_the_recipe_is_the_same(tmp_path: Path) -> None:
    assert resolve(OTHER) == resolve(CHILD)
    assert job_of(CHILD, tmp_path).at(OTHER) == job_of(OTHER, tmp_path)


def test_a_job_knows_how_far_its_run_is(tmp_path: Path) -> None:
    child = job_of(CHILD, tmp_path)
    assert child.parent is not None
    assert (child.result(), child.is_done(), child.parent.has_weights()) == (None, False, False)
    finish(tmp_path, ANN, weights_sha256="a" * 64)
    finish(tmp_path, CHILD, parent_sha256="a" * 64)
    assert child.result() == store.result(tmp_path, CHILD)
    assert child.is_done() is True
    assert child.parent.has_weights()
    finish(tmp_path, ANN, weights_sha256="b" * 64)  # trained again
    assert child.is_done() is False


def test_a_job_describes_its_run(tmp_path: Path) -> None:
    (one := job_of(CHILD, tmp_path)).describe("quick")
    assert one.place == store.directory(tmp_path, CHILD)
    names = {"key": key(CHILD), "parent_key": key(ANN), "sweep": "quick"}
    expected = names | {"run": asdict(CHILD), "recipe": asdict(resolve(CHILD))}
    assert (one.place / store.RUN).read_text() == json.dumps(expected, indent=2) + "\n"
    assert store.described(one.place).parent_key == key(ANN)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sweep": 5}, "sweep is 5, which is not a text"),
        ({"notes": ""}, "it has a field 'notes', which is none of Description"),
    ],
)
def test_a_description_has_its_fields_and_no_others(tmp_path: Path, change: dict[str, object], said: str) -> None:
    (one := job_of(CHILD, tmp_path)).describe(None)
    about = json.loads((one.place / store.RUN).read_text())
    (one.place / store.RUN).write_text(json.dumps(about | change))
    with pytest.raises(ValueError, match=said):
        store.described(one.place)


def test_a_run_is_carried_out_without_asking_again_who_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a conversion: the run and its parent at the door, and which of the longer runs would pass through it."""
    execute(ANN, tmp_path)
    asked: list[Run] = []

    def never(run: Run) -> NoReturn:
        raise AssertionError(f"{run} was known")

    monkeypatch.setattr(identity, "resolve", never)
    monkeypatch.setattr(job, "resolve", lambda run: asked.append(run) or resolve(run))
    result = execute(CHILD, tmp_path)
    assert asked == [CHILD, ANN]
    monkeypatch.undo()
    assert (result.key, result.parent_key) == (key(CHILD), key(ANN))
    assert store.result(tmp_path, CHILD) == result
