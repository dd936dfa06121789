"""The history of `dsr-bench regression`: what the last check found, and how every quantity moved from commit to commit.

A figure's ordinate is the same for all quantities,   (value - baseline) / (limit - baseline):   0 as the baseline,
1 the last value allowed, below 0 better.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from benchmarks.files import columns, csv_files
from benchmarks.files.columns import Number, Rules, Words
from benchmarks.spec import BadInput
from reports.figures.drawing import COLOURS, OTHER, Figure, draw
from reports.inputs.typed import frame_of
from reports.rendering.table import DASH, Cell, Column, Table, laid_out, numbers

VERDICTS = ("worse", "changed", "missing", "failed", "better", "same", "new", "not compared")
"""Those of `benchmarks.regression.finding`, which reports do not load; a test compares the two."""
ANY = Number(low=-math.inf)
RULES: Rules = {
    **dict.fromkeys(("started", "commit"), Words(needed=True)),
    "dirty": Words(("True", "False", "TRUE", "FALSE")),
    **dict.fromkeys(("machine", "part", "group", "quantity"), Words(needed=True)),
    "verdict": Words(VERDICTS, needed=True),
    "value": Number(low=-math.inf, needed=True),
    "baseline": ANY,
    "limit": ANY,
    "unit": Words(),
    "since": Words(),
}
WHAT = ["part", "group", "quantity"]
SHOWN_CHECKS = 40
BAD = ("worse", "changed", "failed", "missing")


def read(paths: Iterable[Path]) -> list[pd.DataFrame]:
    """The rows of each machine's history. Raises BadInput for a file that is none."""
    frames = []
    for path in paths:
        rows = csv_files.rows(path)
        if not rows or not set(rows[0]) >= set(RULES):
            raise BadInput(f"{path} is no history of `dsr-bench regression`")
        columns.refuse(rows, RULES, str(path))
        columns.refuse_repeated(rows, ("started", "commit", *WHAT), str(path))
        frames.append(frame_of(rows, RULES))
    return frames


def table_of(frame: pd.DataFrame) -> Table:
    """One line per quantity: its latest check, and how many there have been."""
    last = frame.groupby(WHAT, sort=False).tail(1)
    counts = frame.groupby(WHAT, sort=False).size()
    moved = [_moved(row, row["value"]) for row in last.to_dict("records")]
    allowed = [_moved(row, row["limit"]) for row in last.to_dict("records")]
    headings, cells = laid_out(
        [
            (Column("what", numeric=False), [Cell(group) for group in last["group"]]),
            (Column("quantity", numeric=False), [Cell(name) for name in last["quantity"]]),
            (Column("verdict", numeric=False), [_verdict(word) for word in last["verdict"]]),
            (Column("now"), [_value(v, u) for v, u in zip(last["value"], last["unit"], strict=True)]),
            (Column("was"), [_value(v, u) for v, u in zip(last["baseline"], last["unit"], strict=True)]),
            (Column("change"), moved),
            (Column("allowed"), allowed),
            (Column("since", numeric=False), [Cell(_short(commit)) for commit in last["since"]]),
            (
                Column("checks", detail=True),
                numbers([counts[tuple(row[WHAT])] for _, row in last.iterrows()], decimals=0),
            ),
        ]
    )
    heading, machine = "Regression checks", str(frame["machine"].iloc[-1])
    return Table(heading, machine, f"{heading}, {machine}", headings, cells, tuple(_notes(frame, last)))


def _notes(frame: pd.DataFrame, last: pd.DataFrame) -> Iterable[str]:
    checks = frame.drop_duplicates(["started", "commit"])
    yield (
        f"{len(checks)} checks of {checks['commit'].nunique()} commits, {checks['started'].iloc[0][:10]} to "
        f"{checks['started'].iloc[-1][:10]}; every line shows the last check of its quantity."
    )
    if bad := int(last["verdict"].isin(BAD).sum()):
        yield f"{bad} of {len(last)} are worse than allowed."
    yield (
        "Steps are in reference kernels, a convolution timed in turn with them: a machine that is slower as a whole "
        "moves no ratio. Overhead: the harness's share of a laptop-scale run. Since: the commit of the baseline."
    )


def figures_of(frame: pd.DataFrame) -> list[Figure]:
    """One small figure per part and quantity that has a baseline; the latest checks."""
    known = frame[frame["baseline"].notna() & frame["limit"].notna() & (frame["part"] != "rows")]
    known = known.assign(used=(known["value"] - known["baseline"]) / (known["limit"] - known["baseline"]))
    machine = str(frame["machine"].iloc[-1])
    return [
        _figure(str(part), str(quantity), rows, machine)
        for (part, quantity), rows in known.groupby(["part", "quantity"], sort=False)
    ]


def _figure(part: str, quantity: str, rows: pd.DataFrame, machine: str) -> Figure:
    checks = list(dict.fromkeys(zip(rows["started"], rows["commit"], strict=True)))[-SHOWN_CHECKS:]
    place = {check: number for number, check in enumerate(checks)}
    caption = (
        f"{part.capitalize()}: {quantity}, check by check, as a share of what is allowed (1: threshold). {machine}."
    )
    name = "-".join(["regression", part, quantity.replace(" ", "-"), *_slug(machine)])
    return draw(name, caption, _painter(rows, place))


def _painter(rows: pd.DataFrame, place: dict[tuple[str, str], int]) -> Callable[[Axes], None]:
    def paint(axes: Axes) -> None:
        for group, found in rows.groupby("group", sort=False):
            kept = found[[check in place for check in zip(found["started"], found["commit"], strict=True)]]
            where = [place[check] for check in zip(kept["started"], kept["commit"], strict=True)]
            axes.plot(where, kept["used"], color=_colour(str(group)), marker="o", ms=3.5, lw=1.2, label=str(group))
            worse = kept["verdict"].isin(BAD).to_numpy()
            axes.plot([w for w, bad in zip(where, worse, strict=True) if bad], kept["used"][worse], "rx", ms=8)
        axes.axhline(1, color="#b00020", lw=1, ls="--")
        axes.axhline(0, color="black", lw=0.8)
        axes.set(ylabel="change, share of what is allowed", xlim=(-0.4, len(place) - 0.6), xticks=range(len(place)))
        axes.set_xticklabels([_short(commit) for _, commit in place], rotation=60, ha="right", fontsize=7)
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, -1.2), max(high, 1.2))
        axes.legend(fontsize=6.5, loc="upper left", bbox_to_anchor=(1.0, 1.0))

    return paint


def _colour(group: str) -> str:
    words = group.replace(",", " ").split()
    return next((COLOURS[word] for word in words if word in COLOURS), OTHER)


def _verdict(word: str) -> Cell:
    return Cell(word, "!" if word in BAD else "")


def _value(value: float, unit: object) -> Cell:
    if pd.isna(value):
        return Cell(DASH)
    return Cell(f"{value:,.4g} {unit}" if isinstance(unit, str) and unit else f"{value:,.4g}")


def _moved(row: dict, to: float) -> Cell:  # type: ignore[type-arg]
    if pd.isna(to) or pd.isna(row["baseline"]):
        return Cell(DASH)
    if row["unit"] == "%":
        return Cell(f"{to - row['baseline']:+.2f} points")
    return Cell(f"{100 * (to / row['baseline'] - 1):+.1f} %" if row["baseline"] else DASH)


def _short(commit: object) -> str:
    return commit[:8] if isinstance(commit, str) else DASH


def _slug(machine: str) -> list[str]:
    return ["".join(c if c.isalnum() else "-" for c in machine.lower()).strip("-").replace("--", "-")]
