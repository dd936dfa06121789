"""How a method looks in every figure: its colour and marker, the dash of its kind; and the warning on smoke figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from benchmarks.catalogue import BUILT_IN, facts
from reports.figures.drawing import Figure, colour_of, draw
from reports.rendering.table import warning_of

# Methods without a marker of their own take the next of these; no built-in method has one of them.
SPARE_MARKERS = (
    *((3, 1, 0), (8, 1, 0), (4, 1, 45), "8", (3, 1, 60), (9, 1, 0), "H", (12, 1, 0), (7, 0, 0)),
    *((5, 0, 36), (10, 1, 0), (6, 1, 30), (8, 2, 0), (9, 0, 0)),
)
SPARE_COLOURS = ("#666666", "#A6611A", "#7570B3", "#117733", "#CC6677")
DASHES = {"trained": "-", "converted": (0, (4, 1.5)), "still": (0, (1, 1.2))}
WARN = "#7a4a00"
WIDEST = 25
"""Characters of a method's name on one line of a legend."""


@dataclass(frozen=True)
class Style:
    """A method's colour and marker."""

    colour: str
    marker: Any


def styles_of(methods: Iterable[str]) -> dict[str, Style]:
    """Each method's style, no two alike: a variant `method@...` has its method's colour and a marker of its own."""
    spare = product(SPARE_COLOURS, SPARE_MARKERS)
    assigned: dict[str, Style] = {}
    for method in sorted(set(methods), key=_rank):
        colour, marker = colour_of(method.split("@")[0]), _marker(method)
        if colour and marker and Style(colour, marker) not in assigned.values():
            assigned[method] = Style(colour, marker)
            continue
        free = (Style(colour, marker) for marker in SPARE_MARKERS) if colour else (Style(*pair) for pair in spare)
        assigned[method] = next(
            (style for style in free if style not in assigned.values()), Style(colour or "#666666", ".")
        )
    return assigned


def _rank(method: str) -> tuple[bool, bool, str]:
    """Methods of this repository choose first, then plug-ins with a marker of their own."""
    marked = bool(_marker(method))
    return not (marked and method in BUILT_IN), not marked, method


def _marker(method: str) -> Any:
    """A method's own marker; a variant has none."""
    about = None if "@" in method else facts(method)
    return about.marker if about else None


def wrapped(method: str) -> str:
    """A method's name on as many lines as a variant's needs."""
    lines = [""]
    for number, part in enumerate(method.split("@")):
        part = f"@{part}" if number else part
        if lines[-1] and len(lines[-1]) + len(part) > WIDEST:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def legend_beside(axes: Axes, entries: Iterable[Line2D]) -> None:
    """A legend to the right of the axes, small enough for fifteen methods."""
    handles = list(entries)
    rows = sum(str(handle.get_label()).count("\n") + 1 for handle in handles)
    axes.legend(
        handles=handles,
        fontsize=6.5 if rows <= 24 else 5.5,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.02),
        borderpad=0.2,
        handlelength=2.2,
        labelspacing=0.45,
    )


def draw_at_scale(name: str, caption: str, scale: str, paint: Callable[[Axes], None]) -> Figure:
    """A figure of one scale, named above it; of smoke scale it says what that is worth, above, across and below."""
    warning = warning_of(scale)

    def paint_with_scale(axes: Axes) -> None:
        paint(axes)
        if not warning:
            axes.set_title(f"scale {scale}", loc="right", fontsize=7)
        else:
            axes.set_title(warning, fontsize=8, color=WARN, weight="bold")
            mark = {"color": WARN, "alpha": 0.12, "fontsize": 48, "rotation": 15, "weight": "bold"}
            axes.text(0.5, 0.5, "SMOKE", transform=axes.transAxes, ha="center", va="center", **mark)  # type: ignore[arg-type]

    return draw(name, f"{warning} {caption}".strip(), paint_with_scale)
