"""`dsr-bench check METHOD`: what the suite relies on in a method, clause by clause, and which a method does not meet.

A clause is a function of a method's name that raises AssertionError; its docstring is the line that is printed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product

import torch
from rich.console import Console
from rich.markup import escape
from torch import Tensor, nn

from benchmarks.catalogue import network_of, networks, reference, runs_on
from benchmarks.catalogue.datasets import ENTRIES
from benchmarks.data import digits
from benchmarks.methods import backward, named, parts
from benchmarks.networks import NETWORKS, build
from benchmarks.networks.parts import SpikingNeuron
from benchmarks.operations.counter import counting
from benchmarks.operations.structure import INPUT, structure
from benchmarks.recipes import passes, resolve, timeless
from benchmarks.recipes.delays import of_enough_steps
from benchmarks.runs.identity import key
from benchmarks.spec import Run
from benchmarks.training.backward import Backward
from benchmarks.training.losses import mean_over_time
from benchmarks.training.schedule import make_optimizer
from benchmarks.training.thresholds import start_by

OF_SUMS = "sew-resnet-tiny"
"""Its blocks add outputs of neurons."""
LARGE = tuple(name for name, network in networks.ENTRIES.items() if network.costly)
ORIGINAL = "parametrizations.weight.original"
CLASSES = 7
STEPS = 40, 200
"""Training steps that a method has for learning: neurons that start almost silent, as PLIF's do, need most of them."""

Clause = Callable[[str], None]


def report(method: str, console: Console) -> int:
    """Print every clause and why it is broken, if it is, and the networks that the method cannot run; 1 if one is."""
    kept = 0
    for clause in CLAUSES:
        trouble, promise = broken(clause, method), (clause.__doc__ or "").rstrip(".")
        kept += not trouble
        mark, said = ("[red]✗[/]", f": [red]{escape(trouble)}[/]") if trouble else ("[green]✓[/]", "")
        console.print(f" {mark} {promise}{said}", highlight=False, soft_wrap=True)
    console.print(f" [bold]{method}[/] keeps {kept} of {len(CLAUSES)} clauses", highlight=False)
    others = ", ".join(name for name in NETWORKS if not runs_on(method, name))
    kind = "without" if network_of(method) in networks.WITH_FEEDBACK else "with"
    console.print(f" not checked on networks {kind} a feedback loop: {others}", highlight=False, soft_wrap=True)
    return int(kept < len(CLAUSES))


def broken(clause: Clause, method: str) -> str:
    """Why a clause is broken, in a line; empty where it is kept."""
    try:
        clause(method)
    except Exception as error:
        text = (str(error).strip().splitlines() or ["the assertion fails"])[0]
        return text if isinstance(error, AssertionError) else f"{type(error).__name__}: {text}"
    return ""


def steps_of(method: str) -> int:
    """Number of steps that clauses use: enough for the output to hear of all layers."""
    if timeless(method):
        return 1
    run = Run("cifar10", network_of(method), method, 3, 0, "paper")
    return of_enough_steps(run, resolve(run)).timesteps


def has_a_recipe(method: str) -> None:
    """It has a recipe for every data set, its scales and every T; a parent is a known method."""
    places = [(name, scale) for name, entry in ENTRIES.items() for scale in entry.scales]
    for (dataset, scale), steps in product(places, (1,) if timeless(method) else (1, 5, 20)):
        run = Run(dataset, network_of(method), method, steps, 0, scale)
        recipe = resolve(run)
        key(run)
        parts(method, steps, recipe).neuron()
        if recipe.parent:
            named(recipe.parent)


def maps_images(method: str) -> None:
    """Images (B, C, H, W) become finite logits (B, classes), at T = 1, 2 and 5."""
    for steps in (1,) if timeless(method) else (1, 2, 5):
        logits = mean_over_time(_fresh(method, steps)(_noise(2)))
        assert logits.shape == (2, CLASSES), f"logits have the shape {tuple(logits.shape)} at T = {steps}"
        assert logits.isfinite().all(), f"logits are not finite at T = {steps}"


def maps_frames(method: str) -> None:
    """Event frames (T, B, C, H, W) that repeat an image give the same logits as the image."""
    steps, x = passes(method, steps_of(method)), _noise(2)
    network = _fresh(method).eval()
    with torch.no_grad():
        _same(network(x.expand(steps, *x.shape)), network(x), "logits of frames and image")


def runs_on_every_network(method: str) -> None:
    """It runs on every network of its kind (except the largest, which consist of the same blocks)."""
    for network in (name for name in NETWORKS if name not in LARGE and runs_on(method, name)):
        logits = _fresh(method, network=network)(_noise(2))
        assert logits.isfinite().all(), f"logits on {network} are not finite"


def forgets(method: str) -> None:
    """Nothing is carried from one batch to the next."""
    network, x = _fresh(method).eval(), _noise(4)
    with torch.no_grad():
        first = network(x)
        network(_noise(6, seed=1))
        assert torch.equal(network(x), first), "the same images have different logits after another batch"


def treats_images_apart(method: str) -> None:
    """In evaluation mode, an image's logits do not depend on the other images in its batch."""
    network, x = _seen(method), _noise(4)
    with torch.no_grad():
        alone = torch.cat([network(x[i : i + 1]) for i in range(4)])
        _same(network(x), alone, "logits together and alone")


def is_deterministic(method: str) -> None:
    """Built twice from one seed, it is the same network with the same logits."""
    _same(_fresh(method)(_noise(4)), _fresh(method)(_noise(4)), "logits of two networks of one seed", exactly=True)


def starts_as_others_do(method: str) -> None:
    """From one seed, it starts with the same convolution weights as the ANN, up to a factor (with feedback: as ide)."""
    place = network_of(method)
    ours, theirs = (_weights(_fresh(name, network=place)) for name in (method, reference(place)))
    for name in _convolutions(theirs):
        assert name in ours, f"{name} not found"
        factor = ours[name].norm() / theirs[name].norm()  # methods without a norm choose how large currents are
        assert torch.allclose(ours[name], factor * theirs[name]), f"{name} starts from other values"


def has_gradients(method: str) -> None:
    """A training step gives every parameter a finite gradient (conversions are not trained and pass)."""
    if not _trains(method):
        return
    network = _fresh(method)
    logits, loss = _backward(method)(network, _noise(8), torch.arange(8) % CLASSES)
    assert logits.shape == (8, CLASSES), f"its step returns logits of the shape {tuple(logits.shape)}"
    assert loss.dim() == 0, f"its loss has the shape {tuple(loss.shape)}"
    assert loss.isfinite(), f"its loss is {loss.item()}"
    with_graph = logits.requires_grad or loss.requires_grad
    assert not with_graph, "its step returns values with a graph"
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, f"{name} has no gradient"
        assert parameter.grad.isfinite().all(), f"the gradient of {name} is not finite"


def learns(method: str) -> None:
    """Forty training steps (if it is slow, 200) on 64 digits lower its loss and change all its convolutions."""
    if not _trains(method):
        return
    split = digits.read().train
    x, y = split.images[:64].float() / 255, split.labels[:64]
    torch.manual_seed(0)
    steps = steps_of(method)
    recipe = resolve(Run("digits", network_of(method), method, steps, 0, "smoke"))
    if recipe.parent:  # its rate may be one for a network that is trained already; here it starts from nothing
        recipe = replace(recipe, learning_rate=max(recipe.learning_rate, 0.003))
    network = build(network_of(method), method, steps, 10, 1, recipe).train()
    if recipe.start != "constant":
        start_by(method, network, x, y)
    optimizer = make_optimizer(network, replace(recipe, weight_decay=0.0))  # decay moves what no gradient reaches
    step = backward(method, recipe)
    weights = dict(network.named_parameters())
    before = {name: weights[name].detach().clone() for name in _convolutions(weights)}
    losses: list[float] = []
    while len(losses) < STEPS[0] or (losses[-1] >= 0.9 * losses[0] and len(losses) < STEPS[1]):
        optimizer.zero_grad()
        _, loss = step(network, x, y)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0], (
        f"in {len(losses)} steps the loss goes from {losses[0]:.3f} to {losses[-1]:.3f}"
    )
    still = [name for name, value in before.items() if torch.equal(weights[name], value)]
    assert not still, f"no gradient reaches {', '.join(still)}"


def is_saved_and_loaded(method: str) -> None:
    """Saved and loaded, it gives the same logits."""
    network, other, x = _seen(method), _fresh(method, seed=1), _noise(4)
    other.load_state_dict(network.state_dict())
    with torch.no_grad():
        _same(other.eval()(x), network(x), "logits before and after", exactly=True)


def books_its_operations(method: str) -> None:
    """Its operations are counted as what they are: accumulates behind spiking neurons, multiplications elsewhere."""
    for network in (network_of(method), OF_SUMS):
        if runs_on(method, network):
            _books(method, network)


def _books(method: str, name: str) -> None:
    network, x, steps = _seen(method, name), _noise(4), passes(method, steps_of(method))
    with counting(network, x[:1], steps) as counter, torch.no_grad():
        network(x)
    counted = counter.per_image()
    layers, neuron = structure(network, x[:1]).layers, parts(method, steps, resolve(_run(method))).neuron()
    weighed = steps * sum(layer.dense_macs for layer in layers if layer.temporal)  # by neurons that say so
    first = layers[0].dense_macs if layers[0].origin == INPUT else 0  # else what codes the images makes spikes of them
    if not isinstance(neuron, SpikingNeuron):
        assert counted.acs == 0, "it has no spiking neuron, and accumulates"
        most = steps * counted.dense_macs_per_step
        assert first < counted.analog_macs <= most, f"{counted.analog_macs:,.0f} multiplications of at most {most:,}"
        return
    _spikes_are_of_one_height(neuron, steps)
    assert counted.analog_macs == first + weighed, "something behind what sees the images multiplies"
    assert counted.firing_rate is not None
    assert 0 <= counted.firing_rate <= 1, f"its firing rate is {counted.firing_rate}"
    most = max(len(layer.sources) for layer in layers)  # spikes in a value
    assert counted.acs <= steps * (most * counted.dense_macs_per_step + counted.neuron_updates * 10)


def _spikes_are_of_one_height(neuron: SpikingNeuron, steps: int) -> None:
    """What is emitted is 0 or the height that the neuron states: anything else is no accumulate."""
    with torch.no_grad():
        assert isinstance(neuron, nn.Module)
        emitted = neuron.eval()(3 * torch.randn(steps * 4, 5, generator=torch.Generator().manual_seed(0)))
        height = torch.as_tensor(neuron.spike_amplitude()).expand_as(emitted)
    other = emitted[(emitted != 0) & ~emitted.isclose(height)]
    assert not len(other), (
        f"a spike of {other[0].item() if len(other) else 0:.4g}, and its height is {height[0, 0]:.4g}"
    )


CLAUSES: tuple[Clause, ...] = (
    has_a_recipe,
    maps_images,
    maps_frames,
    runs_on_every_network,
    forgets,
    treats_images_apart,
    is_deterministic,
    starts_as_others_do,
    has_gradients,
    learns,
    is_saved_and_loaded,
    books_its_operations,
)


def _convolutions(weights: Mapping[str, Tensor]) -> list[str]:
    """The names of a network's convolution weights."""
    return [name for name, weight in weights.items() if weight.dim() == 4]


def _weights(network: nn.Module) -> dict[str, Tensor]:
    """The parameters; what a parametrization of torch's makes weights of has the name of these weights."""
    return {name.replace(ORIGINAL, "weight"): value for name, value in network.named_parameters()}


def _run(method: str) -> Run:
    return Run("cifar10", network_of(method), method, steps_of(method), 0, "paper")


def _backward(method: str) -> Backward:
    return backward(method, resolve(_run(method)))


def _trains(method: str) -> bool:
    return resolve(_run(method)).epochs > 0


def _fresh(method: str, steps: int | None = None, network: str | None = None, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build(network or network_of(method), method, steps or steps_of(method), CLASSES)


def _seen(method: str, name: str | None = None) -> nn.Module:
    """A network in evaluation mode whose norms have seen a batch."""
    network = _fresh(method, network=name)
    network(_noise(4))
    return network.eval()


def _noise(images: int, seed: int = 0) -> Tensor:
    return torch.randn(images, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def _same(found: Tensor, expected: Tensor, what: str, exactly: bool = False) -> None:
    error = (found - expected).abs().max().item()
    assert error == 0 if exactly else error < 1e-4, f"{what} differ by {error:.2g}"
