"""Everything as one HTML page that needs nothing else: no request, no font; its script only makes it handier."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports import claims
from reports.claims.rule import SURVIVES
from reports.claims.statement import VERDICTS
from reports.energy.models import FP32_45NM, EnergyModel
from reports.figures.drawing import Figure
from reports.rendering import latex
from reports.rendering.svg import inline
from reports.rendering.table import DASH
from reports.sections import Contents
from reports.tables import protocol
from reports.tables.footnotes import BUSY
from reports.tables.run_cards import DEFAULTS

HERE = Path(__file__).parent
PAGES = Environment(
    loader=FileSystemLoader(HERE),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
ACCURACIES = {"accuracy": "last", "best on test": "best", "selected on validation": "selected"}
"""Columns of which a page can show one at a time."""
MOST_CHARACTERS = 1_400_000
LAST = ("training-loss", "coverage")
"""Of a page, so that it opens at once, and drawings that give way first."""
MARK = re.compile("\x00([^\x00]*)\x00")


def render(contents: Contents, model: EnergyModel = FP32_45NM) -> str:
    """The whole page; `model` is that of the tables that show one energy."""
    return _with_drawings(_text(contents, model), contents.figures)


def _text(contents: Contents, model: EnergyModel) -> str:
    """The page with a mark where each drawing belongs."""
    return PAGES.get_template("template.html").render(
        sections=[section for section in contents.sections if section.tables or section.figures],
        verdicts=claims.counts(contents.ledger),
        ledger=contents.ledger,
        survives=SURVIVES,
        slugs={verdict: verdict.replace(" ", "-") for verdict in VERDICTS},
        cards=contents.cards,
        layers=contents.layers,
        defaults=DEFAULTS,
        busy=BUSY,
        foot={"energy": str(model), **contents.origin},
        dash=DASH,
        differs=protocol.DIFFERS,
        accuracies=ACCURACIES,
        place=_place,
        latex={chr(code): text for code, text in latex.SPECIAL.items()},
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        script=(HERE / "page.js").read_text(encoding="utf-8"),
    )


def _place(figure: Figure | None = None) -> Markup:
    """The mark in place of a drawing, or of the style sheet of all."""
    return Markup("\x00{}\x00").format(figure.name if figure else "sheet")


def _with_drawings(text: str, figures: Sequence[Figure]) -> str:
    """Drawings in their places; those that the page has no room for are links to the files beside it."""
    ordered = sorted(figures, key=lambda figure: figure.name.startswith(LAST))
    drawings, sheet = inline([figure.svg for figure in ordered])
    room = MOST_CHARACTERS - len(text) - len(sheet)
    placed = {"sheet": sheet}
    for figure, drawing in zip(ordered, drawings, strict=True):  # from the first without room on, all are links
        room -= len(drawing)
        placed[figure.name] = drawing if room >= 0 else f'<a href="{figure.name}.svg">{figure.name}.svg</a>'
    return MARK.sub(lambda found: placed.get(found[1], ""), text)
