"""SRP: its authors' numbers by both simulations, what T counts, and that one run passes through all shorter ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from golden_vectors import begins, folder, read
from test_events import dyadic, images
from torch import Tensor, nn

import baselines.events
from baselines import conversion, srp
from baselines.events import Presimulation
from benchmarks.card.neurons import of
from benchmarks.measurement import latencies
from benchmarks.networks import build
from benchmarks.operations.structure import structure
from benchmarks.recipes import GRID, resolve
from benchmarks.recipes.delays import heard_from
from benchmarks.runs.job import job_of
from benchmarks.spec import BadInput, Run
from dsr.engine import kernels

GOLDEN = read("srp_released")
LIBRARY, WHY = kernels.load(baselines.events.SOURCE)
RUN = Run("cifar10", "preact-resnet-tiny", "qcfs-srp", 8, 0, "laptop")


def neuron_of(settings: dict, threshold: float = 1.0) -> srp.IF:
    steps = settings["presim_len"] + settings["sim_len"]
    return srp.IF(steps, threshold, 0.5, settings["presim_len"], settings["mask_margin"])


@pytest.mark.parametrize("case", begins(GOLDEN, "layer"))
def test_a_neuron_falls_silent_as_its_authors_does(case, close):
    settings, golden = GOLDEN[case]
    neuron = neuron_of(settings, settings["threshold"])
    out = torch.stack([neuron(current) for current in golden["x"]])
    assert torch.equal(out > 0, golden["out"] > 0), "spikes differ"
    close(out, golden["out"], f"{case}/out")
    assert torch.equal(~neuron.silent, golden["mask"] > 0)
    close(neuron.membrane, golden["membrane_end"], f"{case}/membrane_end")


def network_of(neuron: Callable[[], nn.Module], classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), neuron(),
        nn.Conv2d(6, 8, 3, padding=1), nn.BatchNorm2d(8), neuron(), nn.AvgPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1, stride=2, bias=False), nn.BatchNorm2d(8), neuron(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes),
    )  # fmt: skip


@pytest.mark.parametrize("case", begins(GOLDEN, "net"))
@pytest.mark.parametrize("by_events", [False, True])
def test_a_network_gives_the_logits_of_its_authors_at_every_step(case, by_events, close):
    settings, golden = GOLDEN[case]
    if by_events and LIBRARY is None:
        pytest.skip(WHY)
    first, length = settings["presim_len"], settings["sim_len"]
    network = network_of(lambda: neuron_of(settings), settings["classes"])
    state = {name: v.squeeze() if "threshold" in name else v for name, v in folder(golden, "before").items()}
    network.load_state_dict(state, strict=False)
    presimulation = Presimulation(first, settings["mask_margin"])
    library = LIBRARY if by_events else None
    converted = conversion.Converted(network, first + length, library, (), presimulation).eval()
    assert (converted.program(golden["x"]) is not None) == by_events
    passed = [one.logits for one in converted.trajectory(golden["x"], range(1, first + 1))]
    for step, logits in enumerate(passed, 1):  # a run that is no longer reads them all
        close(logits, golden["logits_presim"][:step].mean(0), f"{case}/logits_presim/{step}")
    read = [one.logits for one in converted.trajectory(golden["x"], range(first + 1, first + length + 1))]
    for step, logits in enumerate(read, 1):
        close(logits, golden["logits_sim"][:step].mean(0), f"{case}/logits_sim/{step}")
    if not by_events:
        neurons = [module for module in network if isinstance(module, srp.IF)]
        masks = folder(golden, "mask").values()
        assert all(torch.equal(~one.silent, mask > 0) for one, mask in zip(neurons, masks, strict=True))


def small(method: str = "qcfs-srp", steps: int = 8) -> conversion.Converted:
    made = build("preact-resnet-tiny", method, steps, 10, recipe=resolve(replace(RUN, timesteps=steps, method=method)))
    network = dyadic(made)
    assert isinstance(network, conversion.Converted)
    return network


@pytest.mark.skipif(LIBRARY is None, reason=str(WHY))
def test_events_are_those_of_the_network_itself_and_the_first_steps_are_counted_too():
    network, x = small(), images()
    assert network.program(x) is not None
    stops = range(5, 9)
    with torch.no_grad():
        wanted = list(network._every_neuron(x, stops))
    for one, other in zip(wanted, network.trajectory(x, stops), strict=True):
        for name, count in one.emitted.items():
            assert torch.equal(count, other.emitted[name].long()), name
            assert torch.equal(one.by_step[name], other.by_step[name].long()), name
            assert len(one.by_step[name]) == one.timesteps
        for name, count in other.pooled.items():
            assert torch.equal(one.pooled[name], count.long()), name
        assert torch.allclose(one.logits, other.logits, atol=1e-5)
    neurons = conversion.neurons(network).values()
    assert any(isinstance(one, srp.IF) and one.silent is not None and one.silent.any() for one in neurons)


def test_the_first_steps_are_those_of_qcfs_and_the_later_ones_have_fewer_spikes():
    x, counts = images(), {}
    for method in ("qcfs", "qcfs-srp"):
        with torch.no_grad():
            (end,) = small(method)._every_neuron(x, [8])
        counts[method] = sum(end.by_step.values(), torch.zeros(8))
    assert torch.equal(counts["qcfs"][:4], counts["qcfs-srp"][:4])
    assert counts["qcfs-srp"][4:].sum() < counts["qcfs"][4:].sum()


def test_a_run_passes_through_all_shorter_ones_and_begins_anew_each_time():
    network, x = small(), images()
    with torch.no_grad():
        whole = list(network.trajectory(x, range(5, 9)))
        for one in whole:
            (alone,) = network.trajectory(x, [one.timesteps])
            assert torch.equal(one.logits, alone.logits)
            assert torch.equal(network(x), whole[-1].logits)


def test_a_run_that_ends_on_both_sides_of_the_first_steps_is_refused():
    with pytest.raises(ValueError, match="no output is read in the first 4 steps, and a run ends after 2"):
        small().trajectory(images(), [2, 8])


def test_t_counts_the_first_steps_and_a_run_without_others_is_refused(tmp_path: Path):
    assert heard_from(RUN, resolve(RUN)) == (5, 5)
    assert latencies.stops_of(replace(RUN, timesteps=20)) == [5, 8, 10, 15, 16, 20]
    assert {5, 8, 10, 15, 16, 20} <= {*GRID}
    assert job_of(replace(RUN, timesteps=5), tmp_path).parent
    with pytest.raises(BadInput, match="first 4 steps, which T counts, is not read; T must be at least 5"):
        job_of(replace(RUN, timesteps=4), tmp_path)
    assert heard_from(replace(RUN, method="x"), resolve(replace(RUN, method="qcfs-srp@presimulation=1"))) == (2, 2)
    network = small("qcfs-srp@presimulation=1", 2)
    assert network.presimulation == Presimulation(1, 0.0)


def test_a_row_of_t_steps_is_billed_for_all_of_them():
    network, x = small(), images()
    traced = structure(network, x[:1])
    with torch.no_grad():
        (end,) = network.trajectory(x, [8])
    sums = latencies.Sums([8], 0, [0], [0.0], [latencies.Tally(8)])
    latencies._add(sums, network, x, torch.zeros(len(x), dtype=torch.long))
    counted = latencies._read(sums, 0, traced, 1).counter.per_image()
    emitted = sum(int(count.sum()) for count in end.by_step.values())
    neurons = sum(traced.neurons.values())
    assert counted.neuron_updates == 8 * neurons
    assert counted.firing_rate == pytest.approx(emitted / (8 * neurons * len(x)))


def test_the_released_margin_silences_what_the_papers_lets_fire():
    """From a half, four steps of 0.37515 and two spikes leave 0.0006 of a threshold."""
    silent = {}
    for margin in (0.0, 1e-3):
        neuron = srp.IF(8, presimulation=4, margin=margin)
        for _ in range(5):
            neuron(torch.tensor([[0.37515]]))
        silent[margin] = bool(neuron.silent)
    assert silent == {0.0: False, 1e-3: True}
    assert resolve(RUN).neuron["margin"] == 0.0
    assert resolve(replace(RUN, method="qcfs-srp-published")).neuron["margin"] == 1e-3


def test_it_converts_qcfss_own_ann_and_trains_nothing():
    ours, qcfs = resolve(RUN), resolve(replace(RUN, method="qcfs"))
    assert (ours.parent, ours.epochs) == (qcfs.parent, 0)
    assert replace(ours, neuron={}, sources="") == replace(qcfs, neuron={}, sources="")


def test_the_published_ann_is_that_of_the_released_code():
    recipe = resolve(Run("cifar10", "vgg16", "qcfs-srp-published-ann", 1, 0, "paper"))
    assert (recipe.epochs, recipe.batch_size, recipe.learning_rate, recipe.momentum) == (300, 128, 0.02, 0.9)
    assert (recipe.weight_decay, recipe.warmup_iterations, recipe.augmentation) == (5e-4, 0, "autoaugment-cutout")
    assert recipe.neuron == {"levels": 4, "threshold": 8.0, "order": "floor-clamp"}


@pytest.mark.parametrize("wrong", [{"presimulation": 0}, {"presimulation": 1.5}, {"margin": -0.1}, {"timesteps": 0}])
def test_other_settings_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        srp.IF(**{"timesteps": 8, **wrong})


def test_nir_has_no_node_for_a_neuron_that_falls_silent():
    with pytest.raises(BadInput, match="may fall silent in the middle of a run"):
        of("layer", srp.IF(8))


def test_a_neuron_of_one_value_is_reset_between_runs():
    neuron, x = srp.IF(6, presimulation=2), torch.full((1, 1), -1.0)
    for _ in range(3):
        neuron(x)
    assert neuron.silent.item()
    neuron.reset()
    assert neuron.silent is None
    assert Tensor.item(neuron(torch.ones(1, 1))) == 1.0
