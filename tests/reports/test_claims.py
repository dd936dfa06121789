"""The claims ledger: differences against scipy's tests, verdicts at their boundaries, and claims on made-up rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from invented import result, write_rows
from kept import save
from scipy import stats  # type: ignore[import-untyped]

from reports import claims
from reports.claims import Evidence, cost
from reports.claims.ablation import label_of, ratio_of_spreads
from reports.claims.statement import Outcome, above, equal, holm, worst
from reports.cost import costs
from reports.inputs import predictions, published
from reports.inputs.rows import read
from reports.statistics.difference import Estimate, against_print, difference

NARROW, FULL = "preact-resnet18-narrow", "preact-resnet18"


def found(values: list[float], others: list[float]) -> Estimate:
    return difference(dict(enumerate(values)), dict(enumerate(others)))


NEAR, APART = found([53.0, 53.4, 53.2], [50.0, 50.1, 50.2]), found([51.0, 49.0, 53.0], [50.0, 50.0, 50.0])
"""3.1 +- 0.5 points; 1 +- 5 points."""


@pytest.mark.parametrize(("margin", "verdict"), [(0, "reproduced"), (3, "inconclusive"), (20, "not reproduced")])
def test_a_difference_is_above_its_margin_by_its_interval(margin: float, verdict: str) -> None:
    assert above(NEAR, margin, "").verdict == verdict
    assert above(None, margin, "x").verdict == "not run"


def test_a_wide_interval_is_inconclusive_and_says_how_many_seeds_would_decide() -> None:
    outcome = above(APART, 0, "")
    assert outcome.verdict == "inconclusive"
    assert outcome.statistic.endswith(
        "claimed above 0: with about 18 seeds per side that vary as these do, the chance to decide it would be even"
    )
    assert outcome.p == pytest.approx(stats.ttest_rel([51, 49, 53], [50, 50, 50]).pvalue)


def test_a_limit_that_is_surely_missed_by_little_is_reproduced_within_that_and_an_order_is_not() -> None:
    # differences 3.0, 3.3, 3.0: mean 3.1, s = 0.1732; 90 %: 2.92 x 0.1 = 0.292, 95 %: 4.303 x 0.1 = 0.430
    for margin, within in ((3.2, 0.392), (3.0, 0.192)):
        outcome = above(NEAR, margin, "", limit=True)
        assert (outcome.verdict, outcome.within) == ("reproduced", pytest.approx(within, abs=1e-3))
        assert outcome.label == f"reproduced within {within:.2f} points"
    assert above(NEAR, 3.4, "", limit=True).verdict == "inconclusive"  # 0.59 points may be missing
    assert above(NEAR, 4.0, "", limit=True).verdict == "not reproduced"
    assert above(NEAR, 3.0, "").label == "inconclusive"


@pytest.mark.parametrize("sides", [([60.0], [50.0]), ([60.0], [50.0, 50.1, 50.2]), ([60.0, 60.1, 60.2], [50.0])])
def test_one_seed_on_a_side_decides_nothing(sides: tuple[list[float], list[float]]) -> None:
    for margin in (0, 20):
        outcome = above(found(*sides), margin, "", limit=True)
        assert (outcome.verdict, outcome.p) == ("inconclusive", None)
        assert outcome.statistic.endswith("one seed decides nothing")


def test_two_seeds_are_told_as_they_are() -> None:
    assert (
        "+3.00 points (seed by seed +2.00 and +4.00; n = 2, same seeds)"
        in above(found([52, 54], [50, 50]), 0, "").statistic
    )
    text = above(difference({0: 52.0, 1: 54.0}, {7: 50.0, 8: 49.0, 9: 51.0}), 0, "").statistic
    assert "(52.00 and 54.00 against 49.00 to 51.00; n = 2 and 3, none common)" in text


@pytest.mark.parametrize(
    ("values", "verdict", "within"),
    [
        # 90 %: s = 0.05 and 0.17, error sqrt((0.05^2 + 0.17^2) / 3) = 0.1023, freedom 2.34: half 0.275
        ([95.24, 95.29, 95.19], "reproduced", 0.275),
        ([95.54, 95.59, 95.49], "inconclusive", None),  # 0.3 +- 0.275 may be more than 0.5
        ([93.2, 93.3, 93.25], "not reproduced", None),
        ([95.24], "inconclusive", None),
    ],
)
def test_a_printed_number_is_met_within_what_both_spreads_leave(
    values: list[float], verdict: str, within: float | None
) -> None:
    outcome = equal(against_print(values, 95.24, 0.17, 3))
    assert (outcome.verdict, outcome.within) == (verdict, within if within is None else pytest.approx(within, abs=5e-3))


def test_a_print_whose_own_spread_is_too_wide_can_never_be_met() -> None:
    # three runs with SD 0.39 leave 2.92 x 0.39 / sqrt 3 = 0.66 points, more than half a point
    text = equal(against_print([75.0, 75.1, 75.05], 75.03, 0.39, 3)).statistic
    assert text.endswith("no number of our seeds would decide it: the paper's own runs leave more")


def test_a_claim_is_as_good_as_its_weakest_part_that_was_run() -> None:
    good, open_, absent = Outcome("reproduced", "a", 0.01), Outcome("inconclusive", "b", 0.2), Outcome("not run", "c")
    bad = Outcome("not reproduced", "d", 0.01)
    missing = worst([good, open_, absent])
    assert (missing.verdict, missing.statistic, missing.p) == ("inconclusive", "a; b; c", None)
    assert missing.brief == "c (1 of 3 parts missing)"
    weakest = worst([good, open_, good])
    assert (weakest.verdict, weakest.p, weakest.brief) == ("inconclusive", 0.2, "b (the weakest of 3 parts)")
    assert worst([good, absent]).verdict == "inconclusive"
    assert (worst([good, good]).verdict, worst([good, good]).p) == ("reproduced", 0.01)
    assert (worst([good, bad, absent]).verdict, worst([good, bad, absent]).p) == ("not reproduced", 0.03)
    assert worst([absent, absent]).verdict == "not run"
    assert worst([good, Outcome("reproduced", "e", 0.02, 0.3)]).within == 0.3


def test_holms_correction_stops_at_the_first_that_fails() -> None:
    ps = [0.01, 0.04, 0.03, 0.005, None]
    outcomes = [Outcome("reproduced", "", p) for p in ps]
    # in order 0.005 <= 0.05 / 4, 0.01 <= 0.05 / 3, 0.03 > 0.05 / 2: the rest fail, 0.04 <= 0.05 / 1 among them
    assert [one.survives for one in holm(outcomes, 0.05)] == [True, False, False, True, None]
    assert holm([Outcome("inconclusive", "", 1e-9)], 0.05)[0].survives is False


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
    rows = [*cifar("dsr-if", 20, 95.2, 95.3, 95.25, scale="paper", top1_best=95.3), *cifar("dsr-if", 20, 50.0)]
    outcomes = ledger(tmp_path, *rows)
    assert outcomes["cifar10-dsr-if-last", "paper"].label.startswith("reproduced within 0.")
    assert outcomes["cifar10-dsr-if-last", "laptop"].verdict == "not comparable"
    assert outcomes["cifar10-dsr-lif-last", "paper"].verdict == "not run"
    worse = ledger(tmp_path, *cifar("dsr-if", 20, 93.2, 93.3, 93.25, scale="paper"))
    assert worse["cifar10-dsr-if-last", "paper"].verdict == "not reproduced"
    assert worse["cifar10-dsr-if", "paper"].verdict == "not comparable"  # no best epoch on record
    once = ledger(tmp_path, *cifar("dsr-if", 20, 95.2, 95.3, scale="paper", validation_top1=95.0))
    assert once["cifar10-dsr-if", "paper"].statistic == (
        "a run does not say its best epoch on test; its test split was read once, after the last epoch"
    )
    assert once["cifar10-dsr-if-last", "paper"].verdict != "not comparable"


def test_one_run_of_paper_scale_reproduces_nothing(tmp_path: Path) -> None:
    outcomes = ledger(tmp_path, *cifar("dsr-if", 20, 95.24, scale="paper", top1_best=95.24))
    for name in ("cifar10-dsr-if", "cifar10-dsr-if-last"):
        assert outcomes[name, "paper"].verdict == "inconclusive"
        assert outcomes[name, "paper"].statistic.endswith("one seed decides nothing")


def test_last_and_best_epoch_are_both_held_against_the_print(tmp_path: Path) -> None:
    last, best = (94.2, 94.3, 94.25), (95.2, 95.3, 95.25)
    rows = [row for at, top1 in enumerate(last) for row in cifar("dsr-if", 20, top1, scale="paper", top1_best=best[at])]
    rows = [row | {"seed": seed, "key": f"k{seed}"} for seed, row in enumerate(rows)]
    outcomes = ledger(tmp_path, *rows)
    assert outcomes["cifar10-dsr-if", "paper"].verdict == "reproduced"
    assert outcomes["cifar10-dsr-if-last", "paper"].verdict == "not reproduced"


def test_latency_depth_and_families_are_read_off_rows_of_one_scale(tmp_path: Path) -> None:
    deep = {depth: {"network": f"preact-resnet{depth}"} for depth in (20, 110)}
    rows = [
        *cifar("dsr-if", 20, 60.0, 60.2, 60.1),
        *cifar("dsr-if", 5, 59.8, 59.9, 60.0),
        *cifar("dsr-if", 2, 40.0, 41.0, 40.5),
        *cifar("dsr-if", 3, 50.0, 51.0, 50.5),
        *cifar("dsr-lif", 5, 59.8, 59.9, 60.0),
        *cifar("stbp-tdbn", 5, 55.0, 55.1, 55.2),
        *cifar("stbp-tdbn-tuned", 5, 65.0, 65.1, 65.2),
        *cifar("qcfs", 5, 70.0, 70.1, 70.2, parent_key="parent"),
        *cifar("qcfs-ann", 1, 71.0, key="parent"),
        *cifar("dsr-if", 5, 30.0, 30.5, **deep[110]),
        *cifar("dsr-if", 5, 50.0, 50.4, **deep[20]),
        *cifar("dsr-if", 5, 95.0, scale="paper"),
    ]
    outcomes = ledger(tmp_path, *rows)
    verdicts = {name: outcome.verdict for (name, scale), outcome in outcomes.items() if scale == "laptop"}
    assert verdicts["latency-dsr-if"] == verdicts["extremely-low-dsr-if"] == "reproduced"
    assert verdicts["depth-dsr-if"] == "not reproduced"
    assert verdicts["low-latency"] == "inconclusive"  # DSR is above STBP, and no conversion of the paper was run
    assert verdicts["low-latency-stbp-tdbn-tuned"] == "not reproduced"  # the tuned control, in a line of its own
    assert verdicts["conversion-steps"] == "not run"  # QCFS is later work and stands for nobody
    assert verdicts["ablation"] == verdicts["latency-dsr-lif"] == "not run"


def test_a_conversion_that_was_not_run_at_five_steps_leaves_its_claims_open(tmp_path: Path) -> None:
    def lost(method: str, *steps: int) -> list[dict[str, Any]]:
        runs = [one for t in steps for one in cifar(method, t, 10.0, 10.2, 10.1)]
        return [one | {"parent_key": f"parent{one['seed']}"} for one in runs]

    ann = [row | {"key": f"parent{row['seed']}"} for row in cifar("ann", 1, 60.0, 60.1, 60.2)]

    def verdict(*rows: dict[str, Any]) -> tuple[str, str]:
        outcome = ledger(tmp_path, *ann, *rows)["conversion-steps", "laptop"]
        return outcome.verdict, outcome.brief

    balanced = lost("threshold-balancing", 5, 2)
    assert verdict(*balanced) == ("inconclusive", "deng-gu, T = 5: no run of deng-gu at T = 5 (1 of 3 parts missing)")
    assert verdict(*balanced, *lost("deng-gu", 2))[0] == "inconclusive"
    assert verdict(*balanced, *lost("deng-gu", 5))[0] == "reproduced"


def test_depth_needs_two_seeds_and_all_110_layers(tmp_path: Path) -> None:
    def deep(depth: int, *top1: float) -> list[dict[str, Any]]:
        return cifar("dsr-if", 5, *top1, network=f"preact-resnet{depth}")

    assert ledger(tmp_path, *cifar("dsr-if", 5, 50.0))["depth-dsr-if", "laptop"].verdict == "not run"
    one = ledger(tmp_path, *deep(20, 50.0), *deep(56, 10.0))["depth-dsr-if", "laptop"]
    assert (one.verdict, one.p) == ("inconclusive", None)
    higher = ledger(tmp_path, *deep(20, 50.0, 50.2, 50.1), *deep(56, 60.0, 60.1, 60.3))["depth-dsr-if", "laptop"]
    assert higher.verdict == "inconclusive"
    assert "110 layers have not been run" in higher.statistic
    deepest = ledger(tmp_path, *deep(20, 50.0, 50.2, 50.1), *deep(110, 60.0, 60.1, 60.3))["depth-dsr-if", "laptop"]
    assert deepest.verdict == "reproduced"


def test_workstation_rows_answer_for_their_scale_with_two_or_three_seeds(tmp_path: Path) -> None:
    def deep(depth: int, *top1: float) -> list[dict[str, Any]]:
        return cifar("dsr-if-rep", 5, *top1, scale="workstation", network=f"preact-resnet{depth}")

    rows = [
        *cifar("ann", 1, 90.0, 90.1, 90.2, scale="workstation"),
        *cifar("dsr-if-rep", 20, 86.0, 86.1, 86.2, scale="workstation"),
        *cifar("dsr-if-rep", 5, 79.0, 79.1, 79.3, scale="workstation"),
        *cifar("dsr-if-rep", 2, 66.0, 66.1, scale="workstation"),
        *cifar("dsr-lif-rep", 5, 79.0, 79.1, scale="workstation"),
        *cifar("stbp-tdbn", 5, 75.0, 75.1, 75.2, scale="workstation"),
        *deep(20, 75.0, 75.1),
        *deep(56, 70.0, 70.2),
    ]
    found = ledger(tmp_path, *rows)

    def said(name: str) -> tuple[str, str]:
        outcome = found[name, "workstation"]
        return outcome.verdict, outcome.statistic

    verdict, statistic = said("cifar10-dsr-if-rep-ann")
    assert verdict == "not reproduced"
    assert statistic.startswith("-4.00 points")
    assert said("latency-dsr-if-rep")[0] == "not reproduced"
    verdict, statistic = said("extremely-low-dsr-if-rep")
    assert verdict == "inconclusive"  # T = 3 has not been run
    assert "T = 2: +13.08 points (79.00 to 79.30 against 66.00 and 66.10; n = 3 and 2, 2 common)" in statistic
    verdict, statistic = said("depth-dsr-if-rep")
    assert verdict == "not reproduced"
    assert "56 minus 20 layers, T = 5: -4.95 points (seed by seed -5.00 and -4.90" in statistic
    assert said("low-latency-twins")[0] == "reproduced"
    assert {said(name)[0] for name in ("cifar10-dsr-if-ann", "latency-dsr-if", "depth-dsr-if")} == {"not run"}


def test_the_ablation_is_asked_of_the_twin_in_a_line_of_its_own(tmp_path: Path) -> None:
    name = "dsr-if-rep{}@threshold=6{}".format
    without_t, without_both = name("", "@train_threshold=false"), name("@alpha=1", "@train_threshold=false")
    rows = [*cifar(without_both, 20, 81.0, 81.1), *cifar(without_t, 20, 80.0, 80.1)]
    outcomes = ledger(tmp_path, *rows)
    assert outcomes["ablation-both-dsr-if-rep", "laptop"].verdict == "reproduced"
    assert outcomes["ablation-both", "laptop"].verdict == "not run"


@pytest.mark.parametrize(("dataset", "network", "method", "steps"), [
    ("cifar100", NARROW, "dsr-if", 20), ("imagenet", "preact-resnet18-imagenet-narrow", "dsr-if-hybrid", 8),
    ("cifar10dvs", "vgg11-narrow", "dsr-if", 20),
])  # fmt: skip
def test_dsr_is_held_against_the_others_on_every_data_set(
    dataset: str, network: str, method: str, steps: int, tmp_path: Path
) -> None:
    facts = {"dataset": dataset, "network": network, "timesteps": steps, "scale": "laptop"}
    rows = [result(method=method, seed=seed, top1=60.0 + seed, **facts) for seed in range(3)]
    rows += [result(method="stbp-tdbn", seed=seed, top1=50.0 + seed, **facts) for seed in range(3)]
    outcome = ledger(tmp_path, *rows)[f"above-{dataset}", "laptop"]
    assert f"{method} minus stbp-tdbn, T = {steps}: +10.00 points" in outcome.statistic
    assert outcome.verdict == ("reproduced" if dataset == "imagenet" else "inconclusive")  # elsewhere also a LIF


def test_test_images_are_paired_where_predictions_were_kept(tmp_path: Path) -> None:
    generator, rows = np.random.default_rng(0), []
    for seed in range(3):
        base = generator.random(200) < 0.5
        for method, more in (("dsr-if-hybrid", 0.4), ("stbp-tdbn", 0.1)):
            kept = save(tmp_path / "predictions", f"{method}{seed}", base | (generator.random(200) < more))
            facts = {"dataset": "imagenet", "network": "preact-resnet18-imagenet-narrow", "timesteps": 8}
            rows.append(result(method=method, seed=seed, **facts, **kept))
    path = write_rows(tmp_path / "rows.csv", *rows)
    frame = read([path])
    kept_there = predictions.beside([path], frame)
    bare, paired = (
        Evidence(costs.with_costs(frame), pd.DataFrame(), [], published.read(), k) for k in ({}, kept_there)
    )
    seeds, both = (
        e.difference(*(frame[frame["method"] == m] for m in ("dsr-if-hybrid", "stbp-tdbn"))) for e in (bare, paired)
    )
    assert seeds is not None
    assert both is not None
    means = [np.mean([kept_there[f"{m}{s}"].correct for s in range(3)], axis=0) for m in ("dsr-if-hybrid", "stbp-tdbn")]
    of_images = 100 * np.std(means[0] - means[1], ddof=1) / np.sqrt(200)
    assert both.error == pytest.approx(np.hypot(seeds.error, of_images))
    assert both.mean == seeds.mean


@pytest.mark.parametrize(
    ("accuracies", "verdict"),
    [((95, 93, 92.8, 90.8, 90), "reproduced"), ((95, 93, 93, 92.9, 90), "inconclusive"),
     ((90, 95, 93, 92, 91), "not reproduced")],
)  # fmt: skip
def test_the_order_of_the_ablation(accuracies: tuple[float, ...], verdict: str, tmp_path: Path) -> None:
    lines = published.read()
    methods = lines[lines["table"] == "Tab. 3"].sort_values("accuracy", ascending=False)["method"]
    noise = (0.0, 0.1, -0.1)
    rows = [
        row for at, (method, top1) in enumerate(zip(methods, accuracies, strict=True))
        for row in cifar(method, 20, *(top1 + (1 if at % 2 else -1) * error for error in noise))
    ]  # fmt: skip
    outcome = ledger(tmp_path, *rows)["ablation-order", "laptop"]
    assert outcome.verdict == verdict
    # printed 95.24, 92.88, 92.59, 90.47, 90.45: two of the four steps are half a point or more
    assert outcome.statistic.count("minus") == 2


def test_a_setting_is_named_by_its_parameters_and_not_by_the_papers_threshold() -> None:
    assert label_of("dsr-if@train_threshold=false") == "without T"
    assert label_of("dsr-if@threshold=2@train_threshold=false") == "V = 2, without T"
    assert label_of("dsr-if") == "with both"


def test_trained_thresholds_steady_the_result_if_the_f_test_says_so(tmp_path: Path) -> None:
    steady, free = (60.0, 60.01, 60.02), (50.0, 55.0, 60.0)
    rows = [*cifar("dsr-if@threshold=6", 20, *steady), *cifar("dsr-if@threshold=6@train_threshold=false", 20, *free)]
    outcome = ledger(tmp_path, *rows)["ablation-spread", "laptop"]
    # SD 5 and 0.01: F = 250,000 with 2 and 2 degrees of freedom, p = 2 / (1 + F)
    assert (outcome.verdict, outcome.p) == ("reproduced", pytest.approx(2 / 250_001, rel=1e-6))
    few = ratio_of_spreads([50.0, 54.0, 58.0], [50.0, 51.0, 52.0])
    # F = 16 against F(0.975; 2, 2) = 39; with 5 and 5 F(0.975; 4, 4) = 9.6, with 4 and 4 15.44
    assert few.verdict == "inconclusive"
    assert few.statistic.endswith("4 seeds per side would decide it if their spreads stayed the same")


def test_without_both_is_held_against_without_trained_thresholds_alone(tmp_path: Path) -> None:
    both, one = "dsr-if@alpha=1@threshold=6@train_threshold=false", "dsr-if@threshold=6@train_threshold=false"
    rows = [*cifar(both, 20, 92.0, 92.1, 92.2), *cifar(one, 20, 90.0, 90.3, 90.1)]
    assert ledger(tmp_path, *rows)["ablation-both", "laptop"].verdict == "reproduced"


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


def test_what_a_leaky_neuron_has_left_is_told_at_the_longest_and_at_the_best_t(tmp_path: Path) -> None:
    errors = {0.05: (0.2, 0.012, 0.013), 0.1: (0.2, 0.023, 0.0234)}
    rows = [
        {"study": "convergence", "neuron": "lif", "drive": "inside", "alpha": 0.3, "dt": dt, "timesteps": t,
         "mean_error": error}
        for dt, found in errors.items() for t, error in zip((1, 64, 1024), found, strict=True)
    ]  # fmt: skip
    outcome = ledger(tmp_path, result(), studies=pd.DataFrame(rows))["prop-1", ""]
    assert outcome == Outcome(
        "reproduced",
        "mean error at T = 1024: 1.3 % at dt = 0.05 (1.2 % at the best T), 2.3 % at dt = 0.1 (2.3 % at the best T)",
    )


def record(machine: str, steps: tuple[int, ...], **slopes: float) -> dict[str, Any]:
    rows = [
        {"subject": name.replace("_", "-"), "T": t, "train_ms": 50 + s * t + (t == 10)}
        for name, s in slopes.items() for t in steps
    ]  # fmt: skip
    return {"rows": rows, "machine": machine}


def judged_cost(*records: dict[str, Any]) -> Outcome:
    evidence = Evidence(pd.DataFrame(), pd.DataFrame(), records, published.read())
    (claim,) = [claim for claim in cost.claims() if claim.name == "cost-time-dsr-if"]
    return claim.judge(evidence, "")


def test_cost_is_what_one_more_step_adds_by_least_squares_over_all_t() -> None:
    found = cost.slope(record("m", (5, 10, 20), dsr_if=7), "dsr-if", "train_ms")
    expected = stats.linregress([5, 10, 20], [85, 121, 190])
    assert found is not None
    assert (found.per_step, found.error) == pytest.approx((expected.slope, expected.stderr))
    assert found.freedom == 1
    assert cost.slope(record("m", (5, 20), dsr_if=7), "stbp-tdbn", "train_ms") is None


@pytest.mark.parametrize(("mine", "verdict"), [(3, "reproduced"), (10, "inconclusive"), (20, "not reproduced")])
def test_cost_is_held_against_stbp_over_the_t_of_one_machine(mine: float, verdict: str) -> None:
    assert judged_cost(record("m", (5, 10, 15, 20), dsr_if=mine, stbp_tdbn=10)).verdict == verdict


def test_two_t_of_one_machine_leave_the_cost_open() -> None:
    outcome = judged_cost(record("m", (5, 20), dsr_if=3, stbp_tdbn=10))
    assert (outcome.verdict, outcome.p) == ("inconclusive", None)
    assert "3 against 10 ms per step of T" in outcome.statistic


def test_machines_are_the_unit_where_there_are_several() -> None:
    outcome = judged_cost(*(record(f"m{r}", (5, 20), dsr_if=r, stbp_tdbn=10) for r in (3, 4, 5)))
    # ratios 0.3, 0.4, 0.5: mean 0.4, error 0.1 / sqrt 3, half 4.303 x 0.0577 = 0.248
    assert outcome.verdict == "reproduced"
    assert outcome.statistic.startswith("a further step takes 0.40 (0.15 to 0.65) times as much, 3 machines")
    assert outcome.p == pytest.approx(stats.ttest_1samp([0.3, 0.4, 0.5], 1).pvalue)
    two = judged_cost(*(record(f"m{r}", (5, 20), dsr_if=r, stbp_tdbn=10) for r in (3, 9)))
    assert two.verdict == "inconclusive"
    assert two.statistic.startswith("a further step takes 0.30 and 0.90 times as much, 2 machines")


def test_every_verdict_is_counted_with_its_kind(tmp_path: Path) -> None:
    frame = read([write_rows(tmp_path / "rows.csv", *cifar("dsr-if", 20, 50.0))])
    evidence = Evidence(costs.with_costs(frame), pd.DataFrame(), [], published.read())
    found = claims.judged(evidence)
    table = claims.table_of(found)
    assert sum(sum(verdicts.values()) for verdicts in claims.counts(found).values()) == len(found) == len(table.rows)
    assert list(claims.counts(found)) == [
        "accuracies, scale paper", "accuracies, scale laptop", "controls and variants of ours, scale paper",
        "controls and variants of ours, scale laptop", "single neurons", "cost of a step",
    ]  # fmt: skip
    assert claims.counts(found)["cost of a step"]["not run"] == 8


def test_the_ledger_says_how_many_claims_were_tested_and_which_survive(tmp_path: Path) -> None:
    rows = [*cifar("dsr-if", 20, 60.0, 60.2, 60.1), *cifar("dsr-if", 5, 59.8, 59.9, 60.0)]
    frame = read([write_rows(tmp_path / "rows.csv", *rows)])
    found = claims.judged(Evidence(costs.with_costs(frame), pd.DataFrame(), [], published.read()))
    assert claims.tested(found) == (1, 1)
    table = claims.table_of(found)
    assert "1 of" in table.notes[-1]
    assert "1 of these verdicts survive Holm's correction at 5 % over all 1" in table.notes[-1]
    ((line,),) = [[row for row in table.rows if row[2].marks]]
    assert (line[0].text, line[2].text) == ("DSR, IF: less than 1 point lost from T = 20 to 5", "reproduced")
