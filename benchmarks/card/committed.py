"""The model card of a committed row, made from the row and its recipe, without weights."""

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

NO_GRAPH = "Not included: a graph is made from the weights."


def render(known: Known) -> str:
    """Render the model card. Raises BadInput if the run has not succeeded or its recipe has changed since."""
    row, where = known.row, f"{known.key}, a row of {known.place}"
    if row.get("status") != "done":
        raise BadInput(f"{where}: the run has not succeeded ({row.get('status') or 'no result'})")
    if known.recipe is None:
        raise BadInput(
            f"{where}: its recipe has changed since, or its method is not installed; check out commit {row['commit']}"
        )
    inputs, shape = described(known.run, known.recipe)
    result, title = result_of(row), named(known.run.method).title
    return text.render(result, asdict(known.recipe), title, inputs, shape, NO_GRAPH, weights=_weights(known))


def _weights(known: Known) -> str:
    """Say where the weights are, and how to train the network again."""
    run, row = known.run, known.row
    place = store.directory(Path("results"), run)
    again = f"dsr-bench run --dataset {run.dataset} --network {run.network} --method {run.method}"
    again += f" --timesteps {run.timesteps} --seed {run.seed} --scale {run.scale}"
    return (
        f"The weights are not included. They are in `{place}` on the machine that trained them ({row['machine']}; "
        f"{row['device']}), started {row['started']}; `dsr-bench card` on that machine exports them too. "
        f"After the row has been deleted from the CSV, `{again}` trains the network again."
    )


def result_of(row: Row) -> Result:
    """Convert a typed row to the result that it was written from."""
    values = {name: _typed(name, row.get(name)) for name in HINTS if name != "provenance"}
    origin: dict[str, Any] = {one.name: values[one.name] for one in fields(Provenance)}
    origin = {name: "" if value is None and HINTS[name] is str else value for name, value in origin.items()}
    known = {one.name: values[one.name] for one in fields(Result) if one.name != "provenance"}
    return Result(**known, provenance=Provenance(**origin))


def _typed(name: str, value: Any) -> Any:
    """Convert a number of a CSV, which is read as a float, to an integer if the field is one."""
    whole = int in (HINTS[name], *get_args(HINTS[name]))
    return int(value) if whole and value is not None else value
