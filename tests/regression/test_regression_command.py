"""`dsr-bench regression`: what it prints, its exit code, its history, and the budget of the harness."""

from __future__ import annotations

import csv
import io

import pytest
from rich.console import Console

from benchmarks.measurement.provenance import Code, provenance
from benchmarks.perf import harness
from benchmarks.perf import record as records
from benchmarks.perf.machine import Rates
from benchmarks.regression import command, history, overhead, rows
from benchmarks.regression.finding import Finding, verdict
from benchmarks.runs.record import write_csv
from benchmarks.spec import BadInput


def regression(monkeypatch, tmp_path, findings: list[Finding]) -> tuple[int, str]:
    monkeypatch.setenv("DSR_RESULTS", str(tmp_path))
    monkeypatch.setattr(command, "_rows", lambda results, asked: findings)
    console = Console(file=io.StringIO(), width=300)
    code = command.command(command.Request(parts=("rows",)), console)
    return code, console.file.getvalue()


def finding(kind: str, value: float = 3.9, **more) -> Finding:
    numbers = {"value": value, "baseline": 3.0, "limit": 3.3, "unit": "ms", "since": "c" * 40}
    return Finding(
        **{"part": "rows", "group": "dsr-if T=5", "quantity": "train step", "verdict": kind} | numbers | more
    )


def test_a_regression_is_said_with_its_size_and_commit_and_ends_in_1(monkeypatch, tmp_path):
    code, said = regression(monkeypatch, tmp_path, [finding("worse"), finding("same", 3.0)])
    assert code == 1
    assert "dsr-if T=5, train step: 3.9 ms, was 3 (+30.0 %, allowed +10.0 %); since cccccccccccc" in said
    assert "1 worse · 1 same" in said
    assert "regression: 1 of 2 comparisons" in said


@pytest.mark.parametrize("kind", ["same", "better", "new", "not compared"])
def test_what_is_no_worse_ends_in_0(kind, monkeypatch, tmp_path):
    code, said = regression(monkeypatch, tmp_path, [finding(kind, 2.0)])
    assert code == 0
    compared = kind in ("same", "better")
    assert f"no regression in {int(compared)} comparisons" in said
    assert ("1 better" in said) == (kind == "better")
    assert (", 1 not compared" in said) != compared


@pytest.mark.parametrize("kind", ["changed", "missing", "failed"])
def test_what_is_gone_or_broken_ends_in_1(kind, monkeypatch, tmp_path):
    assert regression(monkeypatch, tmp_path, [finding(kind, value=None)])[0] == 1


def test_every_check_is_appended_to_the_machines_history(monkeypatch, tmp_path):
    regression(monkeypatch, tmp_path, [finding("worse"), finding("same")])
    regression(monkeypatch, tmp_path, [finding("better", 2.0, quantity="evaluation step")])  # in the same second
    (path,) = tmp_path.glob("regression/history/*.csv")
    with path.open() as file:
        kept = list(csv.DictReader(file))
    assert [(row["verdict"], row["value"]) for row in kept] == [("worse", "3.9"), ("better", "2")]
    assert {(row["commit"], row["machine"]) for row in kept} == {(provenance().commit, provenance().machine)}
    page = (tmp_path / "reports" / "regression" / "index.html").read_text()
    assert "Regression checks" in page


def test_of_what_is_measured_even_the_unchanged_is_kept(tmp_path):
    path = history.append([finding("same", part="steps")], tmp_path)
    assert path is not None
    assert len(path.read_text().splitlines()) == 2
    assert history.append([finding("same"), finding("missing", value=None)], tmp_path) is None


@pytest.mark.parametrize(
    ("value", "baseline", "limit", "expected"),
    [
        (3.3, 3.0, 3.3, "same"),
        (3.4, 3.0, 3.3, "worse"),
        (2.6, 3.0, 3.3, "better"),
        (88.0, 90.0, 89.0, "worse"),
        (89.0, 90.0, 89.0, "same"),
        (92.0, 90.0, 89.0, "better"),
        (float("nan"), 3.0, 3.3, "worse"),
        (float("nan"), 90.0, 89.0, "worse"),
    ],
)
def test_the_limit_says_which_way_is_bad(value, baseline, limit, expected):
    assert verdict(value, baseline, limit) == expected


def test_bad_requests_are_refused(monkeypatch):
    for wrong in ({"only": "step"}, {"methods": "dsr-fi"}, {"only": "steps", "methods": "qcfs"}):
        given = {"only": None, "methods": None, "folder": None, "partial": False, "against": "HEAD", "save": False}
        with pytest.raises(BadInput):
            command.request(**given | wrong)
    monkeypatch.setattr(command, "code", lambda: Code("c" * 40, True))
    with pytest.raises(BadInput, match="commit first"):
        command.request("convergence", None, None, False, "HEAD", True)


def test_a_results_folder_without_rows_leaves_the_checkouts_own(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(rows, "of_folder", lambda folder: seen.append(folder) or {})
    monkeypatch.setattr(rows, "of_commit", lambda revision: {})
    command._rows(tmp_path, command.Request())
    write_csv([], tmp_path / "cifar10.csv")
    command._rows(tmp_path, command.Request())
    assert seen == [command.ROOT / "results", tmp_path]


EPOCHS, STEPS = harness.EPOCHS, harness.STEPS


def test_the_overhead_is_the_loops_difference_and_the_mirroring_over_the_bare_run():
    assert (EPOCHS, STEPS) == (8, 157)  # 10,000 images in batches of 64
    # a bare run of 8 epochs, 157 steps of 0.1 s: 125.6 s; it is mirrored at its end and 125.6 / 30 times before
    found = harness.overhead([1.5, 1.6, 9.0], [1.4, 1.5, 1.0], [0.1, 0.1, 0.2], [0.05])
    assert found["overhead"] == pytest.approx(8 * 0.1 / 125.6)
    assert found["overhead_with_mlflow"] == pytest.approx((0.8 + (1 + 125.6 / 30) * 0.05) / 125.6)
    assert harness.overhead([1.5], [1.4], [0.1], [])["overhead_with_mlflow"] is None


def shares(overhead: float) -> dict:
    return {"overhead": overhead, "overhead_with_mlflow": None, "plain_step_ms": 100.0}


@pytest.mark.parametrize(
    ("measured", "verdict"), [([0.019], "new"), ([0.021, 0.022], "worse"), ([0.03, 0.01], "new"), ([-0.01], "new")]
)
def test_the_harness_has_two_percent_even_without_a_baseline(measured, verdict, tmp_path):
    series = iter(measured)
    (found,) = overhead.check(tmp_path, measure=lambda: shares(next(series)))
    assert found.verdict == verdict
    assert found.value == pytest.approx(100 * min(measured))


def test_the_plain_loop_trains_the_same_network_on_as_many_images():
    network = harness.network()
    before = [parameter.detach().clone() for parameter in network.parameters()]
    seen = []
    network.register_forward_hook(lambda module, given, out: seen.append((module.training, len(given[0]))))
    harness.plain(network, harness.invented())
    trained = sum(count for training, count in seen if training)
    evaluated = sum(count for training, count in seen if not training)
    assert (trained, evaluated) == (10_000, 2_000 + 10_000)
    assert all((a != b).any() for a, b in zip(before, network.parameters(), strict=True))


def test_what_is_over_the_budget_never_becomes_the_baseline_and_each_kind_has_its_smaller_value(tmp_path):
    path = records.path_of(tmp_path, {**vars(provenance()), "network": overhead.NETWORK, "batch": overhead.BATCH})
    rates = Rates(10.0, 6.0, None, 2e10, 1000)
    records.write(path, kept := records.boiled_down([], overhead.NETWORK, overhead.BATCH, rates, [("ann", 1)]))
    for _ in range(2):
        assert [found.verdict for found in overhead.check(tmp_path, measure=lambda: shares(0.05))] == ["worse"]
    assert records.read(path) == kept
    series = iter([shares(0.001) | {"overhead_with_mlflow": 0.025}, shares(0.002) | {"overhead_with_mlflow": 0.012}])
    values = [found.value for found in overhead.check(tmp_path, measure=lambda: next(series))]
    assert values == pytest.approx([0.1, 1.2])
