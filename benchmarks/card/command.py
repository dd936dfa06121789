"""`dsr-bench card RUN`: exports a finished run as weights, a model card and a NIR graph."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console
from rich.markup import escape
from torch import nn

from benchmarks.card import neurons, nir_graph, weights
from benchmarks.card.committed import result_of
from benchmarks.card.shapes import described
from benchmarks.files.partials import make_folder
from benchmarks.measurement import weights as stored
from benchmarks.methods import named
from benchmarks.runs import store
from benchmarks.runs.record import Result, write_whole
from benchmarks.spec import BadInput, Recipe, Run
from reports import model_card
from reports.queries.lookup import Known, find
from reports.rendering.markdown import code, word

CARD, GRAPH = "README.md", "network.nir"
NO_GRAPH = "Not included: a graph is made from the weights."

SAYS = """`network.nir` is the network in evaluation mode for the Neuromorphic Intermediate Representation (`nir.read`).

- Norms, the height of spikes and constant currents are folded into weights; neurons emit ones.
- Edges into one node add up.
- The logits are the sum over the {steps} steps of `readout_weights` times the input of `output`; {input}.
- A step integrates a neuron's equation exactly over dt = {dt:g}, with constant current.
{unsaid}
`benchmarks.card.nir_simulation.logits(graph, images)` does all of this."""
UNSAID = """- Differences from NIR 1.0's specification: {}. The metadata of every neuron contain them, and a simulator
  that ignores the metadata gives other spikes.
"""


@dataclass(frozen=True)
class Request:
    """`name`: a run's directory, its key, or how the key begins. `folder`: where to write (None: the usual place)."""

    name: str
    folder: Path | None = None


def command(request: Request, console: Console) -> int:
    """Write the folder; for a committed row without a run directory only the model card.

    Raises BadInput if the run is not found, has not ended well, or packages are missing.
    """
    known, to = find(request.name, store.results_root()), request.folder
    place = Path(known.place)
    if not (place / store.RUN).is_file():
        return _without_weights(known, to, console)
    if missing := [package for package in ("safetensors", "nir") if find_spec(package) is None]:
        raise BadInput(f"a card needs {' and '.join(missing)}: pip install 'dsr-bench[export]'")
    finished = _read(place)
    title = named(finished.run.method).title
    inputs, shape = described(finished.run, finished.recipe, weights.sizes(finished.state)[1])
    target = to or store.results_root() / "cards" / place.name
    make_folder(target)
    weights.save(finished.state, finished.run, finished.recipe, finished.result, target)
    paragraph, written = _graph(finished.result, weights.load(target), shape, target)
    card = model_card.render(finished.result, asdict(finished.recipe), title, inputs, shape, paragraph)
    write_whole(target / CARD, card)
    console.print(escape(f" card   {target}"), highlight=False, soft_wrap=True)
    if not written:
        console.print(f" [yellow]nir[/]    {escape(paragraph)}", highlight=False, soft_wrap=True)
    return 0


def _without_weights(known: Known, to: Path | None, console: Console) -> int:
    card = _card_of_row(known)
    target = to or store.results_root() / "cards" / store.directory(Path(), known.run).name
    make_folder(target)
    write_whole(target / CARD, card)
    note = f"not on this disk: {known.key} is a row of {known.place}; the card names the machine that trained it"
    console.print(escape(f" card   {target}"), highlight=False, soft_wrap=True)
    console.print(f" [yellow]weights[/] {escape(note)}", highlight=False, soft_wrap=True)
    return 0


def _card_of_row(known: Known) -> str:
    """Render the model card of a row. Raises BadInput if the run has not succeeded or its recipe has changed since."""
    row, where = known.row, f"{known.key}, a row of {known.place}"
    if row.get("status") != "done":
        raise BadInput(f"{where}: the run has not succeeded ({row.get('status') or 'no result'})")
    if known.recipe is None:
        raise BadInput(
            f"{where}: its recipe has changed since, or its method is not installed; check out commit {row['commit']}"
        )
    inputs, shape = described(known.run, known.recipe)
    result, title = result_of(row), named(known.run.method).title
    return model_card.render(result, asdict(known.recipe), title, inputs, shape, NO_GRAPH, weights=_whereabouts(known))


def _whereabouts(known: Known) -> str:
    """Say where the weights are, and how to train the network again."""
    run, row = known.run, known.row
    place = store.directory(Path("results"), run)
    again = f"dsr-bench run --dataset {run.dataset} --network {run.network} --method {run.method}"
    again += f" --timesteps {run.timesteps} --seed {run.seed} --scale {run.scale}"
    return (
        f"The weights are not included. They are in {code(str(place))} on the machine that trained them "
        f"({word(str(row['machine']))}; {word(str(row['device']))}), started {word(str(row['started']))}; "
        f"`dsr-bench card` on that machine exports them too. "
        f"After the row has been deleted from the CSV, {code(again)} trains the network again."
    )


class Finished(NamedTuple):
    """The contents of a finished run's directory."""

    run: Run
    recipe: Recipe
    result: Result
    state: dict[str, torch.Tensor]


def _read(place: Path) -> Finished:
    about, result = store.finished(place)
    if result.status != "done":
        raise BadInput(f"{place}: the run has not succeeded ({result.status})")
    if not (place / store.NETWORK).exists():
        raise BadInput(
            f"{place / store.NETWORK} not found; a conversion read off a longer run shares that run's weights"
        )
    state = stored.read(place / store.NETWORK, torch.device("cpu"), result.weights_sha256)
    return Finished(about.run, about.recipe, result, state)


def _graph(result: Result, network: nn.Module, shape: tuple[int, ...], target: Path) -> tuple[str, bool]:
    """Write the NIR graph. Returns the card's paragraph on it, and whether the network could be expressed in NIR."""
    import nir

    (target / GRAPH).unlink(missing_ok=True)
    at_steps = "frame t is the input of step t" if len(shape) == 5 else "the input is the same at every step"
    about = {name: getattr(result, name) for name in ("key", "method", "network", "dataset", "scale")}
    about |= {"commit": result.provenance.commit, "input": at_steps}
    try:
        graph = nir_graph.graph_of(network, torch.zeros(1, *shape[-3:]), result.timesteps, about)
    except BadInput as error:
        return f"`{GRAPH}` was not written: {error}.", False
    nir.write(target / GRAPH, graph)
    layers = [node for node in graph.nodes.values() if hasattr(node, "v_threshold")]
    words = neurons.unsaid(layers)
    unsaid = UNSAID.format("; ".join(words)) if words else ""
    dt = layers[0].metadata["dt"]
    return SAYS.format(steps=result.timesteps, input=at_steps, dt=dt, unsaid=unsaid), True
