"""Campaigns: their order, what can be selected, and that every run is one that can be carried out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from benchmarks.campaigns import CAMPAIGNS, NAMED, Campaign, Chosen
from benchmarks.export.rows import _place
from benchmarks.recipes import resolve
from benchmarks.runs.identity import in_order, key, parent
from benchmarks.spec import Run
from benchmarks.sweeps import SWEEPS, Sweep

WORKSTATION = CAMPAIGNS["workstation"]
NARROW = "preact-resnet18-narrow"


def block(*methods: str, seeds: tuple[int, ...] = (0, 1), timesteps: tuple[int, ...] = (4,)) -> Sweep:
    return Sweep("", "digits", {"smoke": ("preact-resnet-tiny",)}, methods, timesteps, seeds, smoke_seeds=seeds)


INVENTED = Campaign("", ((block("ann"), block("dsr-if", "stbp-tdbn", seeds=(0,))), (block("dsr-lif", "ann"),)))


def brief(runs: list[Run]) -> list[str]:
    return [f"{run.method} {run.timesteps} {run.seed}" for run in runs]


def test_groups_come_in_order_and_seed_0_of_all_blocks_of_a_group_before_seed_1() -> None:
    runs = ["ann 1 0", "dsr-if 4 0", "stbp-tdbn 4 0", "ann 1 1", "dsr-lif 4 0", "dsr-lif 4 1"]
    assert brief(INVENTED.runs("smoke")) == runs
    assert INVENTED.methods == ("ann", "dsr-if", "stbp-tdbn", "dsr-lif")
    assert INVENTED.networks == {"smoke": ("preact-resnet-tiny",)}


def test_what_is_selected_keeps_its_order() -> None:
    assert brief(INVENTED.only(Chosen(methods=("dsr-lif", "ann"), seeds=(1,))).runs("smoke")) == [
        "ann 1 1",
        "dsr-lif 4 1",
    ]
    assert brief(INVENTED.only(Chosen(timesteps=(1,))).runs("smoke")) == ["ann 1 0", "ann 1 1"]
    assert INVENTED.only(Chosen(networks=("vgg11",))).runs("smoke") == []
    assert INVENTED.only(Chosen()).runs("smoke") == INVENTED.runs("smoke")


def test_every_run_of_every_campaign_can_be_carried_out_after_its_parent() -> None:
    for campaign in CAMPAIGNS.values():
        for scale in campaign.networks:
            runs = campaign.runs(scale)  # type: ignore[arg-type]
            assert len({key(run) for run in runs}) == len(runs)
            assert {*in_order(runs)} == {*runs}, "a parent is itself one of the runs"
            for at, run in enumerate(runs):
                assert resolve(run)
                assert parent(run) is None or parent(run) in runs[:at]
            assert {run.method for run in runs} == {*campaign.methods}


def test_the_campaign_answers_one_question_after_another_with_all_its_seeds() -> None:
    runs = WORKSTATION.runs("workstation")
    trained = [(run.method, run.timesteps, run.seed) for run in runs if run.network == NARROW and resolve(run).epochs]
    assert trained[1:3] == [("ann@learning_rate=0.1", 1, 0), ("ann@learning_rate=0.4", 1, 0)]
    del trained[1:3]
    low = [("ann", 1), ("dsr-if-rep", 5), ("dsr-lif-rep", 5), ("qcfs-ann", 1), ("stbp-tdbn", 5)]
    assert trained[:15] == [(*cell, seed) for seed in (0, 1, 2) for cell in low]
    many = [("dsr-if-rep", 20), ("dsr-lif-rep", 20), ("dsr-ann", 1), ("dsr-clamp", 1)]
    many += [("dsr-quantized", 5), ("dsr-quantized", 20)]
    few = [
        ("dsr-if-rep", 2),
        ("dsr-lif-rep", 2),
        ("stbp-tdbn", 2),
        *(("dsr-if-hybrid-rep", steps) for steps in (5, 20)),
    ]
    second = [(*cell, seed) for seed in (0, 1) for cell in (*many, *few)] + [(*cell, 2) for cell in many]
    assert trained[15 : 15 + len(second)] == second
    exact = [(method, 5, seed) for seed in (0, 1, 2) for method in ("dsr-if", "dsr-lif")]
    assert trained[15 + len(second) :][:6] == exact


def test_conversions_follow_their_parents_and_depths_come_together() -> None:
    runs = WORKSTATION.runs("workstation")
    steps = (1, 2, 3, 4, 5, 8, 10, 15, 16, 20, 32, 64)
    first = list(takewhile(lambda run: run.seed == 0, runs))
    for method in ("threshold-balancing", "threshold-balancing-half", "maximum-shift", "calibration", "qcfs"):
        assert [run.timesteps for run in first if run.method == method] == [*steps]
    assert first.index(Run("cifar10", NARROW, "calibration", 64, 0, "workstation")) < first.index(
        Run("cifar10", NARROW, "dsr-if-rep", 5, 0, "workstation")
    )
    deep = [(run.network, run.method, run.seed) for run in runs if run.network != NARROW]
    cells = [(f"preact-resnet{n}", method) for n in (20, 32, 56) for method in ("ann", "dsr-if-rep")]
    assert deep[:12] == [(*cell, seed) for seed in (0, 1) for cell in cells]


def test_seeds_and_late_blocks_are_as_the_campaign_says() -> None:
    runs = WORKSTATION.runs("workstation")
    seeds = {(run.method, run.timesteps, run.network): 0 for run in runs}
    for run in runs:
        seeds[run.method, run.timesteps, run.network] += 1
    assert seeds["dsr-if-rep", 5, NARROW] == seeds["dsr-if", 5, NARROW] == seeds["dsr-lif-rep", 20, NARROW] == 3
    assert seeds["stbp-tdbn", 2, NARROW] == seeds["dsr-if-rep", 5, "preact-resnet44"] == 2
    late = [run.method for run in runs if "@threshold" in run.method and "@epochs" not in run.method]
    assert len(late) == 16
    assert len({*late}) == 8
    assert "dsr-if-rep@alpha=1@threshold=2@train_threshold=false" in late
    single = [(run.method, run.timesteps, run.seed) for run in runs]
    at = single.index(("stbp-tdbn-tuned", 5, 0))
    assert single[at : at + 6] == [
        ("stbp-tdbn-tuned", 5, 0),
        ("qcfs-l8-ann", 1, 0),
        ("qcfs-l8", 5, 0),
        ("dsr-if-rep", 10, 0),
        ("ann@epochs=40", 1, 0),
        ("dsr-if-rep@epochs=40", 5, 0),
    ]
    starts = [(f"dsr-if-rep@epochs=4@{changed}", 5, 0) for changed in ("threshold=1", "threshold=0.7")]
    levels = [(f"dsr-if-rep@alpha={alpha}@epochs=4", 5, 0) for alpha in (0.25, 1)]
    assert single[at + 6 : at + 11] == [*starts, ("dsr-if-rep@epochs=4@train_threshold=false", 5, 0), *levels]
    rows_of_table_2 = [("plif", 8, 0), ("plif-stepwise", 8, 0), ("stbp", 12, 0), ("stbp-neunorm", 12, 0)]
    rows_of_table_2 += [("tandem", 8, 0), ("asf-bp", 5, 0)]
    rows_of_table_2 += [("diet-snn", 5, 0), ("dsr-if-hybrid", 5, 0), ("hybrid-training", 20, 0)]
    rows_of_table_2 += [("tssl-bp", 5, 0), ("ide", 30, 0)]
    assert {*rows_of_table_2} <= {*single[at + 11 :]}


def runs_of(group: Sequence[Sweep]) -> list[Run]:
    return [run for block in group for run in block.runs("workstation")]


def test_methods_since_dsr_come_last_at_few_steps() -> None:
    group = WORKSTATION.groups[-1]
    assert all(block.title.startswith("since DSR") and block.seeds == (0, 1) for block in group)
    runs = runs_of(group)
    assert set(runs) == set(WORKSTATION.runs("workstation")[-len(runs) :])
    assert {run.timesteps for run in runs if run.method in ("clif", "rate-bp", "rate-bp-bptt", "psn")} == {2, 5}
    assert min(run.timesteps for run in runs if run.method == "qcfs-srp") == 5, "its first 4 steps are not read"
    parents = {method for run in runs if (method := resolve(run).parent)}
    assert parents <= {run.method for run in WORKSTATION.runs("workstation")}


def test_rows_of_table_2_come_before_them_at_the_t_they_are_published_for() -> None:
    last, since = WORKSTATION.groups[-2:]
    assert all(block.title.startswith("rows of Table 2") and block.seeds == (0,) for block in last)
    runs, behind = runs_of(last), len(runs_of(since))
    assert set(runs) == set(WORKSTATION.runs("workstation")[-len(runs) - behind : -behind])
    assert {(run.network, run.timesteps) for run in runs if run.method == "sew"} == {
        (NARROW, 4),
        ("sew-resnet18-narrow", 4),
    }
    counts = {(run.method, run.network, run.timesteps) for run in runs if run.method in ("tandem", "asf-bp")}
    few = {("asf-bp", "vgg7-narrow", steps) for steps in (5, 20)}  # it is published for 400, which would take days
    assert counts == {("tandem", NARROW, 8), *few}
    assert {run.network for run in runs if run.method == "tssl-bp"} == {NARROW}
    assert {run.network for run in runs if run.method == "ide"} == {"cifarnet-f-narrow"}, "it needs a feedback loop"


def test_a_run_of_a_campaign_is_the_same_experiment_in_a_sweep() -> None:
    here, there = ({*NAMED[name].runs("workstation")} for name in ("workstation", "cifar10"))
    assert Run("cifar10", NARROW, "dsr-if-rep", 5, 0, "workstation") in here & there


def test_no_campaign_has_a_sweeps_name() -> None:
    assert not CAMPAIGNS.keys() & SWEEPS.keys()


def test_rows_of_a_campaign_are_in_the_order_of_its_methods() -> None:
    facts = {"scale": "workstation", "dataset": "cifar10", "network": NARROW, "timesteps": "5", "seed": "0"}
    methods = ("stbp-tdbn", "calibration", "maximum-shift", "ann")
    ordered = sorted(({**facts, "method": method} for method in methods), key=lambda row: _place(row, "workstation"))
    assert [row["method"] for row in ordered] == ["ann", "maximum-shift", "calibration", "stbp-tdbn"]
