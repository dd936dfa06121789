"""What does a spike cost: DSR's clamp, the clamp in the levels of a rate, and DSR itself agree where they have to."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import dsr
from benchmarks import execution
from benchmarks.data import DATASETS
from benchmarks.networks import build
from benchmarks.networks.parts import DirectCoding
from benchmarks.operations.counter import counting
from benchmarks.parameters import require_method
from benchmarks.perf.machine import Rates, floor_ms
from benchmarks.quantization.split import layer_errors
from benchmarks.recipes import frames, passes, resolve
from benchmarks.runs.job import job_of
from benchmarks.spec import SCALES, BadInput, Run
from benchmarks.sweeps import SWEEPS

LADDER = ("dsr-clamp", "dsr-quantized")
TINY = "preact-resnet-tiny"


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_levels_by_hand() -> None:
    """V = 2, T = 4: a level is 0.5 high, and reached at alpha = 1/2 of the step to it."""
    x = torch.tensor([-1.0, 0.0, 0.2, 0.25, 0.7, 0.75, 1.7, 1.75, 2.0, 9.0])
    expected = torch.tensor([0.0, 0.0, 0.0, 0.5, 0.5, 1.0, 1.5, 2.0, 2.0, 2.0])
    assert torch.equal(dsr.Quantized(4, 2.0)(x), expected)
    late = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.5, 0.5, 1.5, 1.5, 2.0, 2.0])  # the paper's Eq. 18: rounded down
    assert torch.equal(dsr.Quantized(4, 2.0, alpha=1.0)(x), late)
    soon = dsr.Quantized(4, 2.0, alpha=1e-8)  # the first level at once, and no level above V
    assert torch.equal(soon(torch.tensor([0.0, 0.01, 1.9, 9.0])), torch.tensor([0.0, 0.5, 2.0, 2.0]))
    assert torch.equal(dsr.Clamp(2.0)(x), torch.tensor([0.0, 0.0, 0.2, 0.25, 0.7, 0.75, 1.7, 1.75, 2.0, 2.0]))


@pytest.mark.parametrize("alpha", [0.25, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 4, 16])
def test_levels_are_an_if_neurons_rate_under_constant_current_on_their_edges_too(steps, alpha):
    """All these numbers are exact in float32, so simulation and formula must be equal, not close."""
    x = torch.arange(-64, 3 * 64) / 32
    simulated = dsr.firing_rate(dsr.IF(steps, 2.0, alpha)(x.repeat(steps)), steps)
    assert torch.equal(dsr.Quantized(steps, 2.0, alpha)(x), simulated)
    assert len(simulated.unique()) == steps + 1


@pytest.mark.parametrize("alpha", [0.1, 0.3, 0.5, 1.0])
@pytest.mark.parametrize(("steps", "threshold"), [(3, 1.37), (5, 0.7), (20, 6.0)])
def test_levels_are_an_if_neurons_rate_under_any_constant_current(steps, threshold, alpha):
    x = threshold * (2 * noise(20_000).double() + 0.5)
    neuron, levels = dsr.IF(steps, threshold, alpha).double(), dsr.Quantized(steps, threshold, alpha).double()
    simulated = dsr.firing_rate(neuron(x.repeat(steps)), steps)
    assert torch.allclose(levels(x), simulated, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("alpha", [0.2, 0.5, 1.0])
def test_levels_tend_to_the_clamp(alpha):
    """The error is at most max(alpha, 1 - alpha) V / T, and comes close to that."""
    x, clamp = 2 * noise(20_000).double(), dsr.Clamp(1.5).double()
    for steps in (1, 5, 50, 500):
        error = (dsr.Quantized(steps, 1.5, alpha).double()(x) - clamp(x)).abs().max().item()
        bound = max(alpha, 1 - alpha) * 1.5 / steps
        assert 0.9 * bound < error <= bound * (1 + 1e-9)


def test_the_clamps_gradients_are_its_finite_differences():
    x = 2 * noise(200).double()
    x = x[(x.abs() > 1e-3) & ((x - 1.2).abs() > 1e-3)].requires_grad_()
    weight, step = noise(len(x), seed=1).double(), 1e-5

    def loss(at: Tensor, threshold: float) -> Tensor:
        clamp.threshold.data.fill_(threshold)
        return (weight * clamp(at)).sum()

    clamp = dsr.Clamp().double()
    loss(x, 1.2).backward()
    for i in range(0, len(x), 10):
        moved = step * F.one_hot(torch.tensor(i), len(x))
        assert x.grad is not None
        assert x.grad[i].item() == pytest.approx((loss(x + moved, 1.2) - loss(x - moved, 1.2)).item() / (2 * step))
    slope = (loss(x, 1.2 + step) - loss(x, 1.2 - step)).item() / (2 * step)
    assert clamp.threshold.grad.item() == pytest.approx(slope, rel=1e-6)
    assert abs(slope) > 1


def test_levels_have_the_clamps_gradients_ends_included():
    x = torch.cat([2 * noise(500), torch.tensor([0.0, 1.5, -1e-7, 1.5000002])])
    grad, found = noise(len(x), seed=1), []
    for neuron in (dsr.Clamp(1.5), dsr.Quantized(3, 1.5), dsr.Quantized(20, 1.5, alpha=1.0)):
        current = x.clone().requires_grad_()
        neuron(current).backward(grad)
        found.append((current.grad, neuron.threshold.grad))
    for of_x, of_threshold in found:
        assert torch.equal(of_x, grad * ((x >= 0) & (x <= 1.5)))
        assert of_threshold.item() == pytest.approx(grad[x > 1.5].sum().item(), rel=1e-5)


def test_thresholds_have_floors_gains_and_may_be_fixed_as_dsrs_have():
    for neuron in (dsr.Clamp(2.0, threshold_gain=0.25), dsr.Quantized(4, 2.0, threshold_gain=0.25)):
        neuron(torch.tensor([1.0, 5.0, 7.0])).sum().backward()
        assert neuron.threshold.grad.item() == 0.5
        neuron.threshold.data.fill_(-1.0)
        assert neuron(torch.tensor([5.0])).item() == pytest.approx(0.01)
    for neuron in (dsr.Clamp(train_threshold=False), dsr.Quantized(4, train_threshold=False)):
        assert not list(neuron.parameters())
        assert neuron.threshold.item() == 6.0
        neuron(noise(3).requires_grad_()).sum().backward()
    with pytest.raises(ValueError, match="threshold must be positive"):
        dsr.Clamp(0.0)
    with pytest.raises(ValueError, match="alpha must be in"):
        dsr.Quantized(4, alpha=1.5)


@pytest.mark.parametrize("method", LADDER)
def test_what_does_not_spike_is_no_neuron_for_what_runs_or_measures_spikes(method):
    network = build(TINY, method, 1, 10)
    assert layer_errors(network, [noise(2, 3, 16, 16)]) == []
    with pytest.raises((NotImplementedError, ValueError)):
        dsr.RepresentationSpace(network._hidden[0], DirectCoding)(noise(2, 3, 16, 16))


def test_nan_stays_nan_without_a_graph_too():
    for neuron in (dsr.Clamp(2.0), dsr.Quantized(4, 2.0)):
        assert neuron(torch.tensor([torch.nan])).isnan().all()
        with torch.no_grad():
            assert neuron(torch.tensor([torch.nan])).isnan().all()


def trained_once(method: str, steps: int, threshold: float = 1.2) -> tuple[nn.Module, Tensor]:
    """A network in double precision after its first backward pass, and its logits."""
    torch.manual_seed(0)
    network = build(TINY, method, steps, 10).double().train()
    for module in network.modules():
        if isinstance(module, dsr.IF | dsr.Clamp | dsr.Quantized):
            module.threshold.data.fill_(threshold)
    logits = network(noise(16, 3, 16, 16).double())
    F.cross_entropy(logits, torch.arange(16) % 10).backward()
    return network, logits.detach()


@pytest.mark.parametrize("method", ["dsr-if", "dsr-if-rep"])
def test_with_one_step_the_network_of_levels_is_dsrs_own_with_the_same_gradients(method):
    """At T = 1 nothing can deviate: readout, first layer, norms and thresholds have to be the same."""
    (levels, logits), (spiking, expected) = trained_once("dsr-quantized", 1), trained_once(method, 1)
    assert logits.std() > 0.1
    assert torch.allclose(logits, expected, atol=1e-9)
    theirs = dict(spiking.named_parameters())
    assert [name for name, _ in levels.named_parameters()] == list(theirs)
    for name, parameter in levels.named_parameters():
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, theirs[name].grad, rtol=1e-6, atol=1e-9), name  # type: ignore[arg-type]
    for (name, ours), other in zip(levels.named_buffers(), spiking.buffers(), strict=True):
        assert torch.allclose(ours.double(), other.double()), name


def test_the_network_of_levels_tends_to_the_network_of_clamps():
    _, expected = trained_once("dsr-clamp", 1)
    errors = [(trained_once("dsr-quantized", steps)[1] - expected).abs().max().item() for steps in (10, 10_000)]
    assert errors[1] < 0.01 < errors[0]


def test_the_measured_start_is_dsrs_where_nothing_can_deviate():
    starts = {}
    for method in ("dsr-quantized", "dsr-if-rep"):
        torch.manual_seed(0)
        network = build(TINY, method, 1, 10)
        starts[method] = dsr.bound_gradient(network, noise(16, 3, 16, 16), torch.arange(16) % 10)
        thresholds = {m.threshold.item() for m in network.modules() if isinstance(m, dsr.IF | dsr.Quantized)}
        assert thresholds == {starts[method]}
    assert starts["dsr-quantized"] == starts["dsr-if-rep"]


def test_the_measured_start_of_a_clamp_bounds_its_gradient_or_makes_it_smallest():
    torch.manual_seed(0)
    network, images, labels = build(TINY, "dsr-clamp", 1, 10), noise(16, 3, 8, 8), torch.arange(16) % 10
    found = dsr.bound_gradient(network, images, labels)
    ratios = {}
    for ceiling in dsr.start.CEILINGS:
        dsr.start.set_ceilings(network, ceiling)
        ratios[ceiling] = dsr.start.first_gradient(network, images, labels)
    bounded = [ceiling for ceiling, ratio in ratios.items() if ratio <= 1]
    assert found == pytest.approx(min(bounded) if bounded else min(ratios, key=lambda c: ratios[c]))


def test_rungs_have_the_recipe_of_the_rung_above():
    for scale, steps in ((scale, steps) for scale in SCALES for steps in (1, 5, 20)):
        top = resolve(Run("cifar10", TINY, "dsr-if-rep", steps, 0, scale))
        levels = resolve(Run("cifar10", TINY, "dsr-quantized", steps, 0, scale))
        assert vars(levels) | {"sources": top.sources} == vars(top)
    clamp = resolve(Run("cifar10", TINY, "dsr-clamp", 1, 0, "workstation"))
    assert vars(clamp) | {"neuron": {**clamp.neuron, "alpha": 0.5}, "sources": ""} == vars(
        resolve(Run("cifar10", TINY, "dsr-if-rep", 5, 0, "workstation"))
    ) | {"sources": ""}


def test_rungs_take_dsrs_neuron_parameters_that_make_sense():
    require_method("dsr-clamp", {"threshold": 2, "train_threshold": False, "threshold_floor": 0.1})
    require_method("dsr-quantized", {"threshold": 2, "alpha": 1, "train_threshold": False})
    with pytest.raises(BadInput, match="unknown parameter of dsr-clamp 'alpha'"):
        require_method("dsr-clamp", {"alpha": 1})
    with pytest.raises(BadInput, match="alpha must be in"):
        require_method("dsr-quantized", {"alpha": 2})


def test_the_ladder_holds_every_rung_at_every_t_once():
    runs = SWEEPS["ladder"].runs("workstation")
    wanted = {("ann", 1), ("dsr-ann", 1), ("dsr-clamp", 1)} | {
        (m, t) for m in ("dsr-quantized", "dsr-if-rep") for t in (5, 20)
    }
    assert {(run.method, run.timesteps) for run in runs} == wanted
    assert len(runs) == 3 * len(wanted)


@pytest.mark.parametrize("dataset", [name for name, data in DATASETS.items() if data.entry.kind == "events"])
def test_rungs_without_time_see_the_mean_frame_of_a_recording(dataset):
    for method, steps, expected in (("dsr-clamp", 1, 1), ("dsr-quantized", 10, 1), ("dsr-if-rep", 10, 10)):
        run = Run(dataset, "vgg11-narrow", method, steps, 0, "laptop")
        assert frames(run, resolve(run)) == passes(method, steps) == expected


def test_levels_multiply_once_whatever_their_number():
    found = []
    for method, steps in (("dsr-clamp", 1), ("dsr-quantized", 5), ("dsr-quantized", 20)):
        torch.manual_seed(0)
        network, x = build(TINY, method, steps, 10).eval(), noise(2, 3, 16, 16)
        with torch.no_grad(), counting(network, x[:1], passes(method, steps)) as counter:
            network(x)
        counted = counter.per_image()
        assert (counted.acs, counted.neuron_updates, counted.firing_rate) == (0, 0, None)
        assert 0 < counted.analog_macs == counted.analog_macs_every_step <= counted.dense_macs_per_step
        assert {row.timesteps for row in counter.ledger()} == {1}
        assert all(row.kind == "mac" for row in counter.ledger())
        found.append(counted.dense_macs_per_step)
    assert len(set(found)) == 1


def test_a_row_of_levels_states_the_multiplications_of_one_pass(tmp_path):
    job = job_of(Run("digits", TINY, "dsr-quantized@threshold=2", 4, 0, "smoke"), tmp_path)
    prepared = execution._prepare(job)
    prepared.network.eval()
    _, counter = execution._measure(job, prepared, lambda *of: None)
    counted = counter.per_image()
    assert 0 < counted.analog_macs == counted.analog_macs_every_step < counted.dense_macs_per_step
    assert counter.images == len(prepared.data.test.labels)


def test_the_floor_of_levels_is_an_anns():
    rates = Rates(10.0, 6.0, 4.0, copied_bytes_per_second=24_000.0, neurons=1)  # 1 ms a transfer
    assert floor_ms("dsr-quantized", 20, 1, rates) == floor_ms("ann", 1, 1, rates) == pytest.approx(31.0)
