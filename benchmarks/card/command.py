"""`dsr-bench card RUN`: a finished run as weights, a model card and a NIR graph."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError
from typing import NamedTuple

import torch
from rich.console import Console
from rich.markup import escape
from torch import nn

from benchmarks.card import neurons, nir_graph, weights
from benchmarks.card.committed import result_of
from benchmarks.card.shapes import described
from benchmarks.files.partials import make_folder
from benchmarks.methods import named
from benchmarks.runs import store
from benchmarks.runs.record import Result, load, write_whole
from benchmarks.spec import BadInput, Recipe, Run, one_line
from reports.cards import model_card
from reports.queries.lookup import Known, find

CARD, GRAPH = "README.md", "network.nir"
NO_GRAPH = "None here: a graph is made of the weights."

SAYS = """`network.nir` is the network in evaluation mode for the Neuromorphic Intermediate Representation (`nir.read`).

- Norms, the height of spikes and constant currents are folded into weights; neurons emit ones.
- Edges into one node add up.
- The logits are the sum over the {steps} steps of `readout_weights` times what `output` is given; {input}.
- A step integrates a neuron's equation exactly over dt = {dt:g}, the current being constant.
{unsaid}
`benchmarks.card.nir_simulation.logits(graph, images)` does all of this."""
UNSAID = """- Beyond NIR 1.0's text, or against it: {}. Every neuron's metadata say so, and a simulator that does
  not read them gives other spikes.
"""


@dataclass(frozen=True)
class Request:
    """`name`: a run's directory, its key, or how the key begins. `folder`: where to write (None: the usual place)."""

    name: str
    folder: Path | None = None


def command(request: Request, console: Console) -> int:
    """Write the folder; of a committed row, whose weights are not here, the model card alone.

    Raises BadInput for no such run, and where the packages are missing.
    """
    known, to = find(request.name, store.results_root()), request.folder
    place = Path(known.place)
    if not (place / store.RUN).is_file():
        return _without_weights(known, to, console)
    if missing := [package for package in ("safetensors", "nir") if find_spec(package) is None]:
        raise BadInput(f"a card needs {' and '.join(missing)}: pip install 'dsr-bench[export]'")
    found = _read(place)
    title = named(found.run.method).title
    inputs, shape = described(found.run, found.recipe, weights.sizes(found.state)[1])
    target = to or store.results_root() / "cards" / place.name
    make_folder(target)
    weights.save(found.state, found.run, found.recipe, found.result, target)
    said, written = _graph(found.result, weights.load(target), shape, target)
    write_whole(target / CARD, model_card.render(found.result, asdict(found.recipe), title, inputs, shape, said))
    console.print(escape(f" card   {target}"), highlight=False, soft_wrap=True)
    if not written:
        console.print(f" [yellow]nir[/]    {escape(said)}", highlight=False, soft_wrap=True)
    return 0


def _without_weights(known: Known, to: Path | None, console: Console) -> int:
    said = _card_of_row(known)
    target = to or store.results_root() / "cards" / store.directory(Path(), known.run).name
    make_folder(target)
    write_whole(target / CARD, said)
    note = f"not on this disk: {known.key} is a row of {known.place}; the card says where it was trained"
    console.print(escape(f" card   {target}"), highlight=False, soft_wrap=True)
    console.print(f" [yellow]weights[/] {escape(note)}", highlight=False, soft_wrap=True)
    return 0


def _card_of_row(known: Known) -> str:
    """The model card of a committed row.

    Raises BadInput for a row that did not end well, and if the recipe has changed since.
    """
    row, where = known.row, f"{known.key}, a row of {known.place}"
    if row.get("status") != "done":
        raise BadInput(f"{where}: the run has not ended well ({row.get('status') or 'no result'})")
    if known.recipe is None:
        raise BadInput(
            f"{where}: its recipe has changed since, or its method is not here; at commit {row['commit']} it is known"
        )
    said, shape = described(known.run, known.recipe)
    result, title = result_of(row), named(known.run.method).title
    return model_card.render(result, asdict(known.recipe), title, said, shape, NO_GRAPH, weights=_whereabouts(known))


def _whereabouts(known: Known) -> str:
    """Where the weights are, and how to have some of one's own."""
    run, row = known.run, known.row
    place = store.directory(Path("results"), run)
    again = f"dsr-bench run --dataset {run.dataset} --network {run.network} --method {run.method}"
    again += f" --timesteps {run.timesteps} --seed {run.seed} --scale {run.scale}"
    return (
        f"The weights are not here. They are in `{place}` on the machine that trained them ({row['machine']}; "
        f"{row['device']}), started {row['started']}; `dsr-bench card` there writes them too. "
        f"Where the row is taken out of the CSV, `{again}` trains the network again."
    )


class Finished(NamedTuple):
    """What a run's directory holds."""

    run: Run
    recipe: Recipe
    result: Result
    state: dict[str, torch.Tensor]


def _read(place: Path) -> Finished:
    try:
        about = store.described(place)
        result = load(place / store.RESULT)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadInput(f"{place}: the run has not ended, or its records are of another version") from error
    if result.status != "done":
        raise BadInput(f"{place}: the run has not ended well ({result.status})")
    if not (place / store.NETWORK).exists():
        raise BadInput(f"{place} holds no {store.NETWORK}: a conversion read off a longer run has that run's weights")
    try:
        state = torch.load(place / store.NETWORK, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, UnpicklingError) as error:
        raise BadInput(f"{place / store.NETWORK} is damaged: {one_line(error)}") from error
    return Finished(about.run, about.recipe, result, state)


def _graph(result: Result, network: nn.Module, shape: tuple[int, ...], target: Path) -> tuple[str, bool]:
    """Write the NIR graph; what is to be said of it, or why there is none, and whether there is."""
    import nir

    (target / GRAPH).unlink(missing_ok=True)
    at_steps = "frame t is the input of step t" if len(shape) == 5 else "the input is the same at every step"
    about = {name: getattr(result, name) for name in ("key", "method", "network", "dataset", "scale")}
    about |= {"commit": result.provenance.commit, "input": at_steps}
    try:
        graph = nir_graph.graph_of(network, torch.zeros(1, *shape[-3:]), result.timesteps, about)
    except BadInput as error:
        return f"There is no `{GRAPH}`: {error}.", False
    nir.write(target / GRAPH, graph)
    layers = [node for node in graph.nodes.values() if hasattr(node, "v_threshold")]
    words = neurons.unsaid(layers)
    unsaid = UNSAID.format("; ".join(words)) if words else ""
    dt = layers[0].metadata["dt"]
    return SAYS.format(steps=result.timesteps, input=at_steps, dt=dt, unsaid=unsaid), True
