"""Identity, order, plan and export: what counts as the same experiment, and what becomes a row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import identity, record, store
from benchmarks.export import export
from benchmarks.identity import in_order, key, parent
from benchmarks.plan import plan
from benchmarks.recipes import resolve
from benchmarks.record import Provenance, Result
from benchmarks.spec import Recipe, Run
from benchmarks.sweeps import SWEEPS

RUN = Run("cifar10", "preact-resnet18", "dsr-lif", 5, 0, "paper")
CHILD = replace(RUN, method="qcfs")
CODE = Provenance("abc", False, "2026-01-01", "m", "cpu", 2, "3.11", "2.13", "", "")


def a_result(run: Run, status: str = "done", **fields: Any) -> Result:
    origin = parent(run)
    given = {"top1": 50.0, "provenance": CODE} | fields
    return Result(key=key(run), parent_key=key(origin) if origin else None, **vars(run), status=status, **given)


def finish(results: Path, run: Run, status: str = "done", weights: bool = True, **fields: Any) -> None:
    place = store.directory(results, run)
    store.describe(place, run, None)
    record.save(a_result(run, status, **fields), place / store.RESULT)
    if weights:
        (place / store.NETWORK).touch()


def test_a_published_runs_key_is_what_it_was():
    # Changing this is a deliberate act: every committed row of the method becomes stale.
    assert key(RUN) == "f2e4f9e8f0169f1c"


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "cifar100"},
        {"network": "x"},
        {"method": "dsr-if"},
        {"timesteps": 6},
        {"seed": 1},
        {"scale": "short"},
    ],
)
def test_every_field_of_a_run_enters_its_key(change):
    assert key(replace(RUN, **change)) != key(RUN)


def patched(monkeypatch: pytest.MonkeyPatch, method: str, **changes: Any) -> None:
    def changed(run: Run) -> Recipe:
        return replace(resolve(run), **changes) if run.method == method else resolve(run)

    monkeypatch.setattr(identity, "resolve", changed)


@pytest.mark.parametrize("changes", [{"learning_rate": 0.2}, {"neuron": {"threshold": 9.0}}, {"revision": 2}])
def test_the_recipe_enters_the_key(changes, monkeypatch):
    before = key(RUN)
    patched(monkeypatch, "dsr-lif", **changes)
    assert key(RUN) != before


def test_the_parents_recipe_enters_the_childs_key(monkeypatch):
    before = key(CHILD)
    patched(monkeypatch, "qcfs-ann", learning_rate=0.2)
    assert key(CHILD) != before


def test_the_sources_do_not_enter_the_key(monkeypatch):
    before = key(RUN)
    patched(monkeypatch, "dsr-lif", sources="somewhere else")
    assert key(RUN) == before


def test_a_field_at_its_default_does_not_enter_the_key():
    changed = identity._changed(Recipe(1, 2, 0.3))
    assert changed == {"epochs": 1, "batch_size": 2, "learning_rate": 0.3}


def test_every_t_shares_one_parent_and_it_comes_first():
    children = [replace(CHILD, timesteps=steps) for steps in (8, 2, 4)]
    ordered = in_order(children)
    assert ordered == [replace(RUN, method="qcfs-ann", timesteps=1), *children]


@given(
    st.lists(
        st.builds(
            Run,
            st.just("digits"),
            st.just("preact-resnet-tiny"),
            st.sampled_from(["ann", "dsr-if", "qcfs", "qcfs-ann"]),
            st.integers(1, 3),
            st.integers(0, 1),
            st.just("smoke"),
        )
    )
)
def test_order_keeps_parents_first_without_repetition(runs):
    ordered = in_order(runs)
    assert in_order(ordered) == ordered
    assert len(set(ordered)) == len(ordered)
    assert set(runs) <= set(ordered)
    for position, run in enumerate(ordered):
        origin = parent(run)
        assert origin is None or origin in ordered[:position]


def test_what_is_done_here_is_cached_and_what_failed_is_missing(tmp_path):
    runs = [replace(RUN, seed=seed) for seed in range(3)]
    finish(tmp_path, runs[0])
    finish(tmp_path, runs[1], status="failed", top1=None)
    store.describe(store.directory(tmp_path, runs[2]), runs[2], None)
    (store.directory(tmp_path, runs[2]) / store.CHECKPOINT).touch()
    found = plan(runs, tmp_path)
    assert found.missing == runs[1:]
    assert found.resumable == [runs[2]]


def test_a_committed_row_under_the_same_key_counts_as_done(tmp_path):
    other = replace(RUN, seed=1)
    rows = [record.row(a_result(RUN)), record.row(a_result(other, status="failed"))]
    record.write_csv(rows, tmp_path / "cifar10.csv")
    found = plan([RUN, other], tmp_path)
    assert found.missing == [other]
    assert set(found.committed) == {key(RUN)}


def test_a_parent_whose_weights_are_not_here_runs_again_when_a_child_is_missing(tmp_path):
    origin = parent(CHILD)
    assert origin is not None
    record.write_csv([record.row(a_result(origin))], tmp_path / "cifar10.csv")
    assert plan([CHILD], tmp_path).missing == [origin, CHILD]
    finish(tmp_path, origin)
    assert plan([CHILD], tmp_path).missing == [CHILD]


def exported(results: Path, sweep: str = "cifar10") -> list[dict[str, str]]:
    return record.read_csv(results / f"{sweep}.csv")


def test_export_merges_and_replaces_a_failure_by_a_success(tmp_path):
    other = replace(RUN, method="ann", timesteps=1)
    finish(tmp_path, RUN, status="failed", reason="out of luck")
    export("cifar10", [RUN], "paper", tmp_path)
    assert [row["status"] for row in exported(tmp_path)] == ["failed"]
    finish(tmp_path, RUN)
    finish(tmp_path, other)
    export("cifar10", [RUN, other], "paper", tmp_path)
    rows = exported(tmp_path)
    assert [(row["method"], row["status"]) for row in rows] == [("ann", "done"), ("dsr-lif", "done")]
    assert list(rows[0]) == record.COLUMNS


def test_export_drops_rows_whose_recipe_has_changed_since(tmp_path):
    stale = record.row(a_result(RUN)) | {"key": "0123456789abcdef"}
    record.write_csv([stale], tmp_path / "cifar10.csv")
    finish(tmp_path, RUN)
    assert export("cifar10", [RUN], "paper", tmp_path).stale == 1
    assert [row["key"] for row in exported(tmp_path)] == [key(RUN)]


@pytest.mark.parametrize("code", [replace(CODE, dirty=True), replace(CODE, commit="unknown", dirty=None)])
def test_rows_of_uncommitted_code_are_left_out_and_smoke_rows_stand_apart(code, tmp_path):
    finish(tmp_path, RUN, provenance=code)
    assert export("cifar10", [RUN], "paper", tmp_path).dirty == 1
    assert not (tmp_path / "cifar10.csv").exists()
    smoke = replace(RUN, scale="smoke")
    finish(tmp_path, smoke, provenance=code)
    assert export("cifar10", [smoke], "smoke", tmp_path).path == tmp_path / "smoke" / "cifar10.csv"
    assert len(record.read_csv(tmp_path / "smoke" / "cifar10.csv")) == 1


def test_a_result_is_read_as_it_was_saved(tmp_path):
    result = a_result(CHILD, acs=1.25, reason=None)
    record.save(result, tmp_path / "result.json")
    assert record.load(tmp_path / "result.json") == result


@pytest.mark.parametrize("name", SWEEPS)
def test_every_sweep_resolves_at_every_scale_it_has(name):
    for scale in SWEEPS[name].networks:
        runs = SWEEPS[name].runs(scale)
        assert len({key(run) for run in in_order(runs)}) == len(in_order(runs))
        assert {run.timesteps for run in runs if run.method == "ann"} == {1}
