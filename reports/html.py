"""Tables as one HTML page that needs nothing else: no script, no font, no request."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports.energy import FP32_45NM, EnergyModel
from reports.figures import Figure
from reports.table import DASH, Table

PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(
    tables: Sequence[Table],
    origin: Mapping[str, str],
    figures: Sequence[Figure] = (),
    model: EnergyModel = FP32_45NM,
) -> str:
    """The whole page; `model` is that of the tables that show one energy."""
    foot = {"energy": str(model), **origin}
    drawings = [replace(figure, svg=_inline(figure.svg)) for figure in figures]
    return PAGES.get_template("template.html").render(tables=tables, figures=drawings, foot=foot, dash=DASH)


def _inline(svg: str) -> str:
    """A drawing without what only a file of its own needs: namespaces, and metadata in another one."""
    return re.sub(r'<metadata>.*?</metadata>| xmlns(:\w+)?="[^"]*"', "", svg, flags=re.DOTALL)
