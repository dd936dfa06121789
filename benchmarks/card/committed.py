"""The card of a committed row: all that its row and recipe say. Its weights stayed where it was trained."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args

from benchmarks.card.shapes import described
from benchmarks.methods import named
from benchmarks.runs import store
from benchmarks.runs.record import HINTS, Provenance, Result
from benchmarks.spec import BadInput
from reports.cards import model_card as text
from reports.queries.lookup import Known, Row

NO_GRAPH = "None here: a graph is made of the weights."


def render(known: Known) -> str:
    """The model card. Raises BadInput for a row that did not end well, and where the recipe has changed since."""
    row, where = known.row, f"{known.key}, a row of {known.place}"
    if row.get("status") != "done":
        raise BadInput(f"{where}: the run has not ended well ({row.get('status') or 'no result'})")
    if known.recipe is None:
        raise BadInput(
            f"{where}: its recipe has changed since, or its method is not here; at commit {row['commit']} it is known"
        )
    said, shape = described(known.run, known.recipe)
    result, title = result_of(row), named(known.run.method).title
    return text.render(result, asdict(known.recipe), title, said, shape, NO_GRAPH, weights=_weights(known))


def _weights(known: Known) -> str:
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


def result_of(row: Row) -> Result:
    """A typed row as the result that it was written from."""
    of = {name: _typed(name, row.get(name)) for name in HINTS if name != "provenance"}
    stated: dict[str, Any] = {one.name: of[one.name] for one in fields(Provenance)}
    stated = {name: "" if value is None and HINTS[name] is str else value for name, value in stated.items()}
    known = {one.name: of[one.name] for one in fields(Result) if one.name != "provenance"}
    return Result(**known, provenance=Provenance(**stated))


def _typed(name: str, value: Any) -> Any:
    """Numbers of a CSV are read as floats; a count is whole."""
    whole = int in (HINTS[name], *get_args(HINTS[name]))
    return int(value) if whole and value is not None else value
