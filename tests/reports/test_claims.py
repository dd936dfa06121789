"""The claims ledger: differences against scipy's tests, verdicts at their boundaries, and claims on made-up rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from invented import result, write_rows
from scipy import stats  # type: ignore[import-untyped]

from reports import claims, costs, published
from reports.claims import Evidence, cost
from reports.claims.evidence import difference
from reports.claims.statement import Outcome, above, within, worst
from reports.rows import read

NARROW, FULL = "preact-resnet18-narrow", "preact-resnet18"
A, B = [50.0, 52.0, 55.0], [49.0, 49.5, 51.0]


def seeds(values: list[float], first: int = 0, images: int = 1000) -> pd.DataFrame:
    return pd.DataFrame({"seed": range(first, first + len(values)), "top1": values, "test_images": images})


def test_common_seeds_are_paired_as_scipy_does_it() -> None:
    found = difference(seeds(A), seeds(B))
    assert found is not None
    expected = stats.ttest_rel(A, B).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert (found.mean, found.n, found.kind) == (pytest.approx(np.mean(A) - np.mean(B)), 3, "paired seeds")


def test_other_seeds_are_compared_as_welch_does_it() -> None:
    found = difference(seeds(A), seeds(B, first=7))
    assert found is not None
    expected = stats.ttest_ind(A, B, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.kind == "Welch"


def test_one_seed_varies_as_several_of_the_other_side() -> None:
    # mean 52.333, s = 2.5166, t(0.975, 2) = 4.3027: half = 4.3027 x 2.5166 x sqrt(1 + 1 / 3) = 12.503
    for found, sign in ((difference(seeds(A), seeds([49.0])), 1), (difference(seeds([49.0]), seeds(A)), -1)):
        assert found is not None
        assert (found.mean, found.high - found.mean) == pytest.approx((sign * 3.3333, 12.503), abs=1e-3)
        assert (found.n, found.kind) == (1, "one seed against several")


def test_of_one_seed_only_the_test_images_speak() -> None:
    found = difference(seeds([60.0], images=1000), seeds([50.0], images=500))
    assert found is not None
    # Newcombe from Wilson's 0.5693 to 0.6299 and 0.4563 to 0.5437:
    # below by the root of 0.0307 and 0.0437 squared, above by that of 0.0299 and 0.0437
    assert (found.low, found.mean, found.high) == pytest.approx((4.66, 10, 15.30), abs=0.02)
    assert [above(found, margin, "").verdict for margin in (0, 20)] == ["undecided", "undecided"]  # trainings vary, too
    assert difference(seeds([]), seeds(A)) is None


@pytest.mark.parametrize(("margin", "verdict"), [(0, "reproduced"), (3, "close"), (20, "not reproduced")])
def test_a_difference_is_above_its_margin_by_its_interval(margin: float, verdict: str) -> None:
    found = difference(seeds([53.0, 53.4, 53.2]), seeds([50.0, 50.1, 50.2]))
    assert above(found, margin, "").verdict == verdict
    assert above(None, margin, "x").verdict == "not run"


@pytest.mark.parametrize(
    ("mean", "half", "verdict"),
    [(0.2, 0.2, "reproduced"), (0.2, 0.3, "close"), (-0.4, 0.2, "close"), (-0.9, 0.3, "not reproduced")],
)
def test_equality_wants_the_interval_inside_the_margin(mean: float, half: float, verdict: str) -> None:
    assert within(mean, half, 0.5, "").verdict == verdict


def test_a_claim_is_as_good_as_its_weakest_part_that_was_run() -> None:
    good, open_, absent = Outcome("reproduced", "a"), Outcome("close", "b"), Outcome("not run", "c")
    assert worst([good, open_, absent]) == Outcome("undecided", "a; b; c")
    assert worst([good, open_]).verdict == "close"
    assert worst([good, absent]).verdict == "undecided"
    assert worst([absent, absent]).verdict == "not run"
    assert worst([good, good]).verdict == "reproduced"
    assert worst([absent, absent]).verdict == "not run"


def ledger(
    tmp_path: Path, *rows: dict[str, Any], studies: pd.DataFrame | None = None
) -> dict[tuple[str, str], Outcome]:
    frame = read([write_rows(tmp_path / "rows.csv", *rows)])
    evidence = Evidence(costs.with_costs(frame), pd.DataFrame() if studies is None else studies, [], published.read())
    return {(claim.name, scale): outcome for claim, scale, outcome in claims.judged(evidence)}


def cifar(method: str, timesteps: int, *top1: float, scale: str = "laptop", **more: Any) -> list[dict[str, Any]]:
    network = FULL if scale == "paper" else NARROW
    facts = {"dataset": "cifar10", "network": network, "test_images": 10_000, "scale": scale} | more
    return [result(method=method, timesteps=timesteps, seed=seed, top1=one, **facts) for seed, one in enumerate(top1)]


def test_only_the_papers_scale_can_reproduce_its_numbers(tmp_path: Path) -> None:
    rows = [*cifar("dsr-if", 20, 95.2, 95.3, 95.25, scale="paper"), *cifar("dsr-if", 20, 50.0)]
    found = ledger(tmp_path, *rows)
    assert found["cifar10-dsr-if", "paper"].verdict == "reproduced"
    assert found["cifar10-dsr-if", "laptop"].verdict == "not comparable"
    assert found["cifar10-dsr-lif", "paper"].verdict == "not run"
    worse = ledger(tmp_path, *cifar("dsr-if", 20, 93.2, 93.3, 93.25, scale="paper"))
    assert worse["cifar10-dsr-if", "paper"].verdict == "not reproduced"


def test_latency_depth_and_families_are_read_off_rows_of_one_scale(tmp_path: Path) -> None:
    deep = {depth: {"network": f"preact-resnet{depth}"} for depth in (20, 110)}
    rows = [
        *cifar("dsr-if", 20, 60.0, 60.2, 60.1),
        *cifar("dsr-if", 5, 59.8, 59.9, 60.0),
        *cifar("dsr-if", 2, 40.0, 41.0, 40.5),
        *cifar("dsr-if", 3, 50.0, 51.0, 50.5),
        *cifar("stbp-tdbn", 5, 55.0, 55.1, 55.2),
        *cifar("qcfs", 5, 70.0, 70.1, 70.2, parent_key="parent"),
        *cifar("qcfs-ann", 1, 71.0, key="parent"),
        *cifar("dsr-if", 5, 30.0, 30.5, **deep[110]),
        *cifar("dsr-if", 5, 50.0, 50.4, **deep[20]),
        *cifar("dsr-if", 5, 95.0, scale="paper"),
    ]
    found = ledger(tmp_path, *rows)
    verdicts = {name: outcome.verdict for (name, scale), outcome in found.items() if scale == "laptop"}
    assert verdicts["latency-dsr-if"] == verdicts["extremely-low-dsr-if"] == "reproduced"
    assert verdicts["depth-dsr-if"] == "not reproduced"
    assert verdicts["low-latency"] == verdicts["conversion-steps"] == "not reproduced"
    assert verdicts["ablation"] == verdicts["latency-dsr-lif"] == "not run"
    assert "qcfs, T = 5" in found["conversion-steps", "laptop"].statistic


@pytest.mark.parametrize(
    ("accuracies", "verdict"),
    [((95, 93, 92, 91, 90), "reproduced"), ((95, 91, 92, 93, 90), "close"), ((90, 95, 93, 92, 91), "not reproduced")],
)
def test_the_order_of_the_ablation(accuracies: tuple[float, ...], verdict: str, tmp_path: Path) -> None:
    lines = published.read()
    methods = lines[lines["table"] == "Tab. 3"].sort_values("accuracy", ascending=False)["method"]
    rows = [row for method, top1 in zip(methods, accuracies, strict=True) for row in cifar(method, 20, top1)]
    assert ledger(tmp_path, *rows)["ablation-order", "laptop"].verdict == verdict


@pytest.mark.parametrize(("largest", "best", "verdicts"), [
    (0.5, 0.5, ("reproduced", "reproduced")), (0.6, 0.4, ("not reproduced", "not reproduced")),
])  # fmt: skip
def test_alpha_is_judged_by_the_studies(largest: float, best: float, verdicts: tuple[str, str], tmp_path: Path) -> None:
    errors = {0.4: (0.3, 0.7), 0.5: (0.4, largest), 1.0: (0.5, 1.0)}
    rows = [
        {"study": "alpha", "neuron": "if", "drive": "constant", "alpha": a, "timesteps": t, "max_error": most / t,
         "mean_error": (0.1 if a == best else mean) / t}
        for a, (mean, most) in errors.items() for t in (1, 5)
    ]  # fmt: skip
    found = ledger(tmp_path, result(), studies=pd.DataFrame(rows))
    assert (found["alpha-largest", ""].verdict, found["alpha-mean", ""].verdict) == verdicts


def test_cost_is_what_one_more_step_adds() -> None:
    record = {"rows": [{"subject": "dsr-if", "T": t, "train_ms": 100 + 7 * t} for t in (10, 5, 20)]}
    assert cost.slope(record, "dsr-if", "train_ms") == pytest.approx(7)
    assert cost.slope(record, "stbp-tdbn", "train_ms") is None


@pytest.mark.parametrize(("mine", "verdict"), [(3, "reproduced"), (10, "close"), (20, "not reproduced")])
def test_cost_is_held_against_stbp(mine: float, verdict: str) -> None:
    rows = [
        {"subject": name, "T": t, "train_ms": 50 + s * t}
        for name, s in (("dsr-if", mine), ("stbp-tdbn", 10))
        for t in (5, 20)
    ]
    evidence = Evidence(pd.DataFrame(), pd.DataFrame(), [{"rows": rows, "machine": "m"}], published.read())
    (claim,) = [claim for claim in cost.claims() if claim.name == "cost-time-dsr-if"]
    assert claim.judge(evidence, "").verdict == verdict


def test_every_verdict_of_every_scale_is_counted(tmp_path: Path) -> None:
    frame = read([write_rows(tmp_path / "rows.csv", *cifar("dsr-if", 20, 50.0))])
    evidence = Evidence(costs.with_costs(frame), pd.DataFrame(), [], published.read())
    found = claims.judged(evidence)
    table = claims.table_of(found)
    assert sum(sum(verdicts.values()) for verdicts in claims.counts(found).values()) == len(found) == len(table.rows)
    assert set(claims.counts(found)) == {"paper", "laptop", ""}
