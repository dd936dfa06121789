"""Figures as SVG (for the page) and PDF (for papers), in one style."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import LogLocator, NullFormatter

from benchmarks import catalogue

SUBJECTS = {"dsr-if-reference": "#777777", "stbp-spikingjelly": "#8FBC8F"}
"""Colours of what `perf` times and is not a method."""
# Okabe and Ito's colours, then Tol's, which stay apart for colour-blind eyes; one per method in every figure.
COLOURS = {name: facts.colour for name, facts in catalogue.BUILT_IN.items() if facts.colour} | SUBJECTS
OTHER = "#999999"
STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e8eb",
    "legend.frameon": False,
    "svg.hashsalt": "dsr-bench",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "figure.figsize": (5.4, 3.6),
}


@dataclass(frozen=True)
class Figure:
    """A drawn figure: file name without ending, what it shows, and its two forms, of which a page needs one."""

    name: str
    caption: str
    svg: str
    as_pdf: Callable[[], bytes]

    @property
    def pdf(self) -> bytes:
        """Made when it is asked for: embedding its fonts takes as long as drawing it."""
        return self.as_pdf()


def draw(name: str, caption: str, paint: Callable[[Axes], None]) -> Figure:
    """Draw on one pair of axes; `paint` puts everything there."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(layout="constrained")
        paint(axes)
        axes.set_axisbelow(True)
        svg = io.StringIO()
        figure.savefig(svg, format="svg", metadata={"Date": None, "Title": caption})
        figure.set_layout_engine("none")  # everything has its place
        plt.close(figure)
    text = svg.getvalue()
    return Figure(name, caption, _own(text[text.index("<svg") :], name), lambda: _pdf(figure, caption))


def _pdf(figure: Drawing, caption: str) -> bytes:
    found = io.BytesIO()
    with plt.rc_context(STYLE):
        figure.savefig(found, format="pdf", metadata={"CreationDate": None, "Title": caption})
    return found.getvalue()


def _own(svg: str, name: str) -> str:
    """The drawing with identifiers that no other figure of a page has."""
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{_mine(name)}-", svg)


def _mine(name: str) -> str:
    """How the identifiers in the drawing of this name begin."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", name)


def is_of_report(path: Path) -> bool:
    """Whether an SVG file is a figure that was drawn here, under the name that it still has."""
    return path.is_file() and f'id="{_mine(path.stem)}-figure_1"' in path.read_text(encoding="utf-8", errors="replace")


def colour_of(method: str) -> str | None:
    """The colour that a method, or what `perf` times beside methods, has in every figure; None without one."""
    if method in SUBJECTS:
        return SUBJECTS[method]
    about = catalogue.facts(method)
    return about.colour if about else None


def against_t(record: Mapping[str, Any], key: str, label: str, scale: float) -> Callable[[Axes], None]:
    """Lines of a quantity against T, one per method; a method without time is a level line, a single T a point."""
    methods: dict[str, list[tuple[int, float]]] = {}
    for row in record["rows"]:
        if row.get(key) is not None:
            methods.setdefault(row["subject"], []).append((row["T"], row[key] * scale))
    most = max((t for points in methods.values() for t, _ in points), default=1)

    def paint(axes: Axes) -> None:
        ends = []
        for method, points in methods.items():
            colour = colour_of(method) or OTHER
            if points[0][0] == 1 and catalogue.timeless(method):
                axes.axhline(points[0][1], color=colour, lw=1, ls="--")
                ends.append((method, points[0][1], colour))
            else:
                axes.plot(*zip(*points, strict=True), color=colour, marker="o", ms=3.5, lw=1.5)
                ends.append((method, points[-1][1], colour))
        axes.set(xlabel="time steps T", ylabel=label, yscale="log", xlim=(0, most * 1.02), xticks=_ticks(methods))
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        label_ends(axes, ends)

    return paint


def _ticks(methods: Mapping[str, Sequence[tuple[int, float]]]) -> list[int]:
    return sorted({t for points in methods.values() if len(points) > 1 for t, _ in points})


def label_ends(axes: Axes, ends: Sequence[tuple[str, float, str]]) -> None:
    """Names at the right end of their lines, moved apart where they would touch."""
    low, high = axes.get_ylim()
    apart = (high / low) ** 0.055
    above = 0.0
    for name, value, colour in sorted(ends, key=lambda end: end[1]):
        above = max(value, above * apart)
        axes.annotate(
            name,
            (1.0, value),
            xytext=(1.02, above),
            xycoords=("axes fraction", "data"),
            textcoords=("axes fraction", "data"),
            color=colour,
            va="center",
            fontsize=8,
            annotation_clip=False,
        )
