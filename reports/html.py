"""Everything as one HTML page that needs nothing else: no request, no font; its script only makes it handier."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports import claims, latex, protocol
from reports.claims.statement import VERDICTS
from reports.energy import FP32_45NM, EnergyModel
from reports.sections import Contents
from reports.table import DASH, Table

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


def render(contents: Contents, model: EnergyModel = FP32_45NM) -> str:
    """The whole page; `model` is that of the tables that show one energy."""
    return PAGES.get_template("template.html").render(
        sections=[section for section in contents.sections if section.tables or section.figures],
        verdicts=claims.counts(contents.ledger),
        ledger=contents.ledger,
        slugs={verdict: verdict.replace(" ", "-") for verdict in VERDICTS},
        cards=contents.cards,
        foot={"energy": str(model), **contents.origin},
        dash=DASH,
        differs=protocol.DIFFERS,
        accuracies=ACCURACIES,
        latex=lambda table: latex.render([table], {}),
        csv=csv,
        inline=inline,
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        script=(HERE / "page.js").read_text(encoding="utf-8"),
    )


def inline(svg: str) -> str:
    """A drawing without what only a file of its own needs: namespaces, and metadata in another one."""
    return re.sub(r'<metadata>.*?</metadata>| xmlns(:\w+)?="[^"]*"', "", svg, flags=re.DOTALL)


def csv(table: Table) -> str:
    """A table's text as CSV, marks apart from numbers left out."""
    lines = [[f"{column.label} ({column.unit})" if column.unit else column.label for column in table.columns]]
    lines += [[cell.text for cell in row] for row in table.rows]
    return "\n".join(",".join(_quoted(text) for text in line) for line in lines) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(character in text for character in ',"\n') else text
