"""Which method runs on which network: those with a feedback loop are for methods that say so, and for no others."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from rich.console import Console

from benchmarks import catalogue, contract
from benchmarks.campaigns import NAMED
from benchmarks.catalogue import networks
from benchmarks.cli import arguments, estimate, listing, notices
from benchmarks.methods import BUILT_IN
from benchmarks.networks import build
from benchmarks.networks.feedback import FeedbackNet
from benchmarks.runs.job import job_of
from benchmarks.runs.plan import plan
from benchmarks.spec import BadInput, Run
from benchmarks.sweeps import SWEEPS, Sweep

TINY = ("preact-resnet-tiny", "cifarnet-f-tiny")


def test_a_method_runs_a_network_where_both_have_a_loop_or_neither_has() -> None:
    for network, entry in networks.ENTRIES.items():
        assert entry.feedback == (network in networks.WITH_FEEDBACK) == network.startswith("cifarnet-f")
        for method, about in BUILT_IN.items():
            assert catalogue.runs_on(method, network) == (about.feedback == entry.feedback)
    assert catalogue.runs_on("ide@leak=1", "cifarnet-f-tiny")
    assert {network: catalogue.reference(network) for network in TINY} == {TINY[0]: "ann", TINY[1]: "ide"}


def test_every_method_has_a_small_network_that_it_can_run() -> None:
    for method in BUILT_IN:
        network = catalogue.network_of(method)
        assert catalogue.runs_on(method, network)
        assert not networks.ENTRIES[network].costly


@pytest.mark.parametrize(("method", "network"), [("ide", TINY[0]), ("dsr-if-rep", TINY[1]), ("ann", "cifarnet-f")])
def test_a_network_that_a_method_cannot_run_is_not_built(method: str, network: str) -> None:
    with pytest.raises(BadInput) as refusal:
        build(network, method, 1, 10)
    assert str(refusal.value) == catalogue.why_not(method, network)
    assert len(str(refusal.value).splitlines()) == 1


def test_a_grid_has_no_run_of_a_method_on_a_network_that_it_cannot_run_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path
) -> None:
    mixed = Sweep("both kinds", "digits", {"smoke": TINY}, ("ann", "ide", "dsr-if"), (2,), (0,))
    assert [(run.network, run.method) for run in mixed.runs("smoke")] == [
        (TINY[0], "ann"),
        (TINY[0], "dsr-if"),
        (TINY[1], "ide"),
    ]
    monkeypatch.setitem(NAMED, "mixed", mixed)  # type: ignore[arg-type]
    request = arguments.sweep_request("mixed", "smoke", None, None, None, None, False)
    assert request.left_out == (("ann", TINY[1]), ("ide", TINY[0]), ("dsr-if", TINY[1]))
    notices.plan(Console(width=300), request, plan(request.runs, tmp_path))
    said = capsys.readouterr().out
    for method, network in request.left_out:
        assert f"left out: {catalogue.why_not(method, network)}" in said
    with pytest.raises(BadInput, match=r"^ide runs on networks with a feedback loop only, not on preact-resnet-tiny"):
        arguments.sweep_request("mixed", "smoke", TINY[0], None, None, None, False)


def test_no_sweep_of_the_suite_leaves_a_method_out() -> None:
    for name, sweep in SWEEPS.items():
        for scale in sweep.networks:
            assert not arguments.sweep_request(name, scale, None, None, None, None, True).left_out


def test_the_list_and_the_check_say_which_networks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(listing, "NETWORKS", TINY)
    listing.show(Console(width=300))
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert "runs on networks with a feedback loop only" in lines["ide"]
    assert lines[TINY[1]].rstrip().endswith("feeds back")
    assert not lines[TINY[0]].rstrip().endswith("feeds back")
    monkeypatch.setattr(contract, "CLAUSES", (contract.maps_images,))
    contract.report("ide", Console(width=900))
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(" not checked on networks without a feedback loop: preact-resnet18, ")


def test_time_is_estimated_on_a_network_of_the_same_kind(tmp_path) -> None:
    runs = [Run("digits", TINY[0], "ann", 1, 0, "smoke"), Run("digits", TINY[1], "ide", 3, 0, "smoke")]
    runs.append(replace(runs[1], network="cifarnet-f-narrow"))
    jobs = [job_of(run, tmp_path) for run in runs]
    found = estimate.seconds(jobs)
    assert all(found[job] for job in jobs)
    large = estimate.Body("cifarnet-f", 3, 128)
    assert estimate._probed(frozenset({large})).network == "cifarnet-f-narrow"


def test_a_map_of_any_size_is_fed_back_to_the_size_of_the_first_layers() -> None:
    for edge in (8, 17, 34):
        network = build("cifarnet-f-tiny", "ide", 2, 10).eval()
        with torch.no_grad():
            assert network(torch.randn(2, 3, edge, edge)).shape == (2, 10)
    assert isinstance(network._hidden[0], FeedbackNet)  # type: ignore[index]
