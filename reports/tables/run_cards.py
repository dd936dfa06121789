"""Run cards: what stands behind a line of a table, one card per data set, network, scale, method and T.

A conversion has one card for all its T.

A card has the command that makes the line again, the recipe, every seed with its key and commit, and learning curves.
What layers did is a table of its own per method, a selection of T across. All of it is from the committed rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any, NamedTuple

import pandas as pd

from benchmarks.recipes import resolve
from benchmarks.runs.identity import key
from benchmarks.spec import SCALES, BadInput, Recipe, Run
from reports.cost.progress import followed
from reports.rendering.table import DASH, Cell, Column, Table, laid_out, numbers, wall_times
from reports.tables.protocol import settings

LINE = ["dataset", "network", "scale", "method", "timesteps"]
DEFAULTS = {
    of.name: str(of.default) for of in fields(Recipe) if of.default not in (MISSING, None, ()) and of.name != "sources"
}
"""What a recipe has unless it says otherwise: shown once, and not on every card."""
MOST_STEPS = 6
"""How many T a table of layers has side by side."""
OF_LAYERS = "Operations per image over all steps, spikes per neuron and step; of the first seed."
WIDTH, HEIGHT = 240, 80


@dataclass(frozen=True)
class Card:
    """`recipe`: each setting that is not `DEFAULTS`', to its value, empty where the method is not known here; `stale`:
    today's recipe is another.

    `also`: anchors of further lines that it stands behind. `curves`: a drawing, and `curves_of` what of. `layers`:
    anchor of the table of its method's layers, empty where none are known; `same_as`: anchor and T of the method's
    first card, where its recipe is this one's.
    """

    anchor: str
    title: str
    badge: str
    command: str
    sources: str
    recipe: Mapping[str, str]
    stale: bool
    seeds: Table
    curves: str
    curves_of: str = ""
    also: tuple[str, ...] = ()
    layers: str = ""
    same_as: tuple[str, int] | None = None


def anchor(line: Mapping[Any, Any]) -> str:
    """The card's name in links: `run-cifar10-...-T5`."""
    text = "-".join(["run", *(str(line[name]) for name in LINE[:4])])
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text) + f"-T{line['timesteps']}"


def cards_of(frame: pd.DataFrame, curves: pd.DataFrame, layers: pd.DataFrame) -> list[Card]:
    """The cards of all lines, in the order of the rows. `frame` holds costs.

    What trains nothing has the same recipe at many T, and one card for all of them.
    """
    by_key = dict(iter(followed(curves).groupby("key", sort=False)))
    counted = set(layers["key"])
    found: list[Card] = []
    first: dict[tuple[Any, ...], Card] = {}
    for lines in _shared(frame):
        card = _card(lines, by_key, counted)
        origin = first.setdefault(tuple(lines[0].named[name] for name in LINE[:4]), card)
        alike = (card.recipe, card.sources, card.stale) == (origin.recipe, origin.sources, origin.stale)
        same = (origin.anchor, int(origin.anchor.rpartition("-T")[2]))
        found.append(replace(card, same_as=same) if alike and card is not origin else card)
    return found


class _Line(NamedTuple):
    """A line's identity by name, its rows, and its recipe with sources and whether it is stale."""

    named: Mapping[str, Any]
    rows: pd.DataFrame
    recipe: tuple[Mapping[str, str], str, bool]


def _shared(frame: pd.DataFrame) -> list[list[_Line]]:
    """Lines that share a card: those of a conversion with one recipe; every other line by itself."""
    groups: dict[tuple[Any, ...], list[_Line]] = {}
    for identity, rows in frame.groupby(LINE, sort=False):
        named = dict(zip(LINE, identity, strict=True))
        line = _Line(named, rows, _recipe(_first(named, rows), rows))
        untrained = bool((rows["epochs"] == 0).all())
        place = (*identity[:4], repr(line.recipe)) if untrained else tuple(identity)
        groups.setdefault(place, []).append(line)
    return list(groups.values())


def _first(line: Mapping[str, Any], rows: pd.DataFrame) -> Run:
    return Run(**{name: line[name] for name in LINE}, seed=int(rows["seed"].iloc[0]))


def _card(lines: Sequence[_Line], curves: Mapping[Any, pd.DataFrame], counted: set[str]) -> Card:
    line, first = lines[0].named, lines[0]
    rows = pd.concat([one.rows for one in lines]) if len(lines) > 1 else first.rows
    recipe, sources, stale = first.recipe
    drawn = {row["seed"]: curves[row["key"]] for row in rows.to_dict("records") if row["key"] in curves}
    steps = ", ".join(str(one.named["timesteps"]) for one in lines)
    return Card(
        anchor=anchor(line),
        also=tuple(anchor(one.named) for one in lines[1:]),
        title=f"{line['method']}, T = {steps}, {line['network']} on {line['dataset']}",
        badge=f"scale {line['scale']}",
        command=command_of(_first(line, first.rows)),
        sources=sources,
        recipe=recipe,
        stale=stale,
        seeds=_seeds(rows, with_steps=len(lines) > 1),
        curves=sparkline(drawn),
        curves_of=_curves_of(drawn),
        layers=layers_anchor(line) if counted & set(rows["key"]) else "",
    )


def command_of(run: Run) -> str:
    """The command that carries a run out, with its parents."""
    where = f"--dataset {run.dataset} --network {run.network} --method {run.method}"
    return f"dsr-bench run {where} -T {run.timesteps} --seed {run.seed} --scale {run.scale}"


def _recipe(run: Run, rows: pd.DataFrame) -> tuple[Mapping[str, str], str, bool]:
    """Today's recipe, and whether it is another than the row's; nothing for a method of somebody else's package."""
    try:
        told = {name: value for name, value in settings(run).items() if value not in (DASH, DEFAULTS.get(name))}
        return told, resolve(run).sources, key(run) != rows["key"].iloc[0]
    except (BadInput, KeyError, TypeError):
        return {}, "", False


def _seeds(rows: pd.DataFrame, with_steps: bool) -> Table:
    """A row per run; of accuracies and costs that no run has, no column."""
    measured: list[tuple[str, Column, list[Cell]]] = [
        ("top1_best", Column("best", "%"), numbers(rows["top1_best"].tolist(), decimals=2)),
        (
            "top1_validation_selected",
            Column("selected", "%"),
            numbers(rows["top1_validation_selected"].tolist(), decimals=2),
        ),
        ("validation_top1", Column("held out", "%"), numbers(rows["validation_top1"].tolist(), decimals=2)),
        (
            "train_cpu_seconds",
            Column("training", "core-seconds"),
            numbers(rows["train_cpu_seconds"].tolist(), decimals=0),
        ),
        ("train_seconds", Column("training", "s"), wall_times(rows["train_seconds"].tolist(), rows["busy"])),
    ]
    steps = [(Column("T"), [Cell(str(one)) for one in rows["timesteps"]])] if with_steps else []
    columns: list[tuple[Column, list[Cell]]] = [
        (Column("seed", numeric=False), [Cell(str(seed)) for seed in rows["seed"]]),
        *steps,
        (Column("status", numeric=False), [Cell(_status(row)) for row in rows.to_dict("records")]),
        (Column("last", "%"), numbers(rows["top1"].tolist(), decimals=2)),
        *((column, cells) for name, column, cells in measured if rows[name].notna().any()),
        (Column("started", numeric=False), [Cell(_text(text)[:16]) for text in rows["started"]]),
        (Column("machine", numeric=False), [Cell(_text(text)) for text in rows["machine"]]),
        (Column("commit", numeric=False), [Cell(_text(text)[:12]) for text in rows["commit"]]),
        (Column("key", numeric=False), [Cell(text) for text in rows["key"]]),
    ]
    headings, cells = laid_out(columns)
    return Table("Seeds", "", "Seeds", headings, cells, ())


def _status(row: Mapping[Any, Any]) -> str:
    return str(row["status"]) if pd.isna(row["reason"]) else f"{row['status']}: {row['reason']}"


def _text(text: Any) -> str:
    return "" if pd.isna(text) else str(text)


def layers_anchor(line: Mapping[Any, Any]) -> str:
    """The name in links of a method's table of layers."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", "-".join(["layers", *(str(line[name]) for name in LINE[:4])]))


def best_founded(frame: pd.DataFrame, layers: pd.DataFrame) -> pd.DataFrame:
    """The layers of each method's runs at the best-founded scale that any are known of, per data set and network."""
    known = frame[frame["key"].isin(layers["key"])]
    rank = known["scale"].map(SCALES.index)
    best = rank.groupby([known[name] for name in ("dataset", "network", "method")]).transform("min")
    return layers[layers["key"].isin(known["key"][rank == best])]


def layers_of(frame: pd.DataFrame, layers: pd.DataFrame) -> dict[str, Table]:
    """By anchor, per method: what each layer accumulates or multiplies, and how often its neurons fire, T across.

    Of a method with more than `MOST_STEPS` T, a selection.
    """
    by_key = dict(iter(layers.groupby("key", sort=False)))
    found = {}
    for identity, rows in frame[frame["key"].isin(by_key.keys())].groupby(LINE[:4], sort=False):
        first = rows.sort_values("timesteps", kind="stable").drop_duplicates("timesteps").to_dict("records")
        shown = _spread(first)
        seeds = [(int(row["timesteps"]), by_key[row["key"]]) for row in shown]
        line = dict(zip(LINE, identity, strict=False))
        heading = f"Layers of {line['method']}, {line['network']} on {line['dataset']}"
        left = [str(row["timesteps"]) for row in first if row not in shown]
        note = f"{OF_LAYERS} The file of layers beside the rows has T = {', '.join(left)} too." if left else OF_LAYERS
        found[layers_anchor(line)] = _layers(heading, f"scale {line['scale']}", seeds, note)
    return found


def _spread(rows: Sequence[Any]) -> list[Any]:
    """At most `MOST_STEPS` of the rows, at even distances, with the first and the last."""
    if len(rows) <= MOST_STEPS:
        return list(rows)
    return [rows[round(place * (len(rows) - 1) / (MOST_STEPS - 1))] for place in range(MOST_STEPS)]


def _layers(heading: str, badge: str, seeds: Sequence[tuple[int, pd.DataFrame]], note: str) -> Table:
    """Of one seed at each T."""
    names = list(dict.fromkeys(name for _, rows in seeds for name in rows["layer"]))
    kinds = {name: _text(kind) for _, rows in seeds for name, kind in zip(rows["layer"], rows["kind"], strict=True)}
    columns: list[tuple[Column, list[Cell]]] = [
        (Column("layer", numeric=False), [Cell(name) for name in names]),
        (Column("counted as"), [Cell(kinds[name]) for name in names]),
    ]
    for steps, rows in seeds:
        rate = rows["output_spikes"] / (rows["output_neurons"] * rows["timesteps"])
        at = rows.assign(rate=rate).drop_duplicates("layer").set_index("layer").reindex(names)
        columns.append((Column(f"T={steps}", "operations"), numbers(at["operations"].tolist(), decimals=0)))
        columns.append((Column(f"T={steps}", "rate"), numbers(at["rate"].tolist(), decimals=3)))
    headings, cells = laid_out(columns)
    return Table(heading, badge, f"{heading}, {badge}", headings, cells, (note,))


def sparkline(curves: Mapping[Any, pd.DataFrame]) -> str:
    """Accuracy against epoch as a small SVG, a line per seed; nothing without curves. `curves` are `followed`."""
    points = {seed: rows[["epoch", "top1"]].dropna().to_numpy().tolist() for seed, rows in curves.items()}
    points = {seed: line for seed, line in points.items() if len(line) > 1}
    if not points:
        return ""
    epochs = [epoch for line in points.values() for epoch, _ in line]
    tops = [top1 for line in points.values() for _, top1 in line]
    low, high, first, last = min(tops), max(tops), min(epochs), max(epochs)

    def placed(line: Sequence[Sequence[float]]) -> Iterable[str]:
        for epoch, top1 in line:
            x = 4 + (WIDTH - 8) * (epoch - first) / (last - first)
            y = HEIGHT - 4 - (HEIGHT - 8) * (top1 - low) / ((high - low) or 1)
            yield f"{x:.1f},{y:.1f}"

    lines = "".join(f'<polyline points="{" ".join(placed(line))}"/>' for line in points.values())
    label = f"{_curves_of(curves)}, epoch {first:g} to {last:g}: {low:.1f} to {high:.1f} %"
    return f'<svg class="spark" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{lines}</svg>'


def _curves_of(curves: Mapping[Any, pd.DataFrame]) -> str:
    """On which images the accuracies of a drawing were measured."""
    held_out = any(bool(rows["held_out"].any()) for rows in curves.values())
    return "accuracy on held-out images" if held_out else "test accuracy"
