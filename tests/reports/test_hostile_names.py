"""Whatever a name holds is text on the page."""

from __future__ import annotations

from dataclasses import fields, replace
from html import escape
from pathlib import Path

import pytest
from invented import ORIGIN, result, write_rows
from test_page import Page

import reports
from benchmarks.runs.record import Provenance

EVIL = "<img src=x onerror=alert(1)>\"'><script>alert(1)</script>&lt;b&gt;"
TEXTS = ("dataset", "network", "method")
TEXTS_OF_ORIGIN = tuple(f.name for f in fields(Provenance) if f.type == "str" and f.name != "started")


def written(path: Path, folder: Path) -> str:
    reports.write(reports.read([path]), folder)
    for drawing in folder.glob("*.svg"):
        assert "<script" not in drawing.read_text(), drawing.name
    return (folder / "index.html").read_text()


def assert_harmless(text: str) -> None:
    """One script, which is the page's own, no image, and no attribute that runs anything; all tags close in order."""
    found = Page(text)
    assert (found.count("script"), found.count("img"), found.count("b", onclick="")) == (1, 0, 0)
    assert not [name for _, attributes in found.tags for name in attributes if name.startswith("on")]


@pytest.mark.slow
def test_what_a_row_says_of_itself_and_of_where_it_came_from_is_text(tmp_path: Path) -> None:
    source = replace(ORIGIN, **dict.fromkeys(TEXTS_OF_ORIGIN, EVIL))
    rows = [result(timesteps=steps, provenance=source, **{column: EVIL}) for steps in (2, 4) for column in TEXTS]
    rows += [result(timesteps=8, status="failed", reason=EVIL), result(method="ann", timesteps=1)]
    text = written(write_rows(tmp_path / "rows.csv", *rows), tmp_path / "report")
    assert_harmless(text)
    assert text.count(escape(EVIL).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")) >= len(TEXTS)


def test_names_of_files_folders_and_layers_are_text(tmp_path: Path) -> None:
    name = EVIL.replace("/", "|")
    (folder := tmp_path / name).mkdir()
    path = write_rows(folder / f"{name}.csv", result(key="a", method=EVIL, top1=21.0, epochs=2, validation_top1=31.0))
    ledger = "key,layer,kind,operations\n"
    path.with_name(f"{name}-layers.csv").write_text(ledger)
    curves = "key,epoch,train_seconds,train_joules,test_top1,train_loss,train_cpu_seconds,validation_top1\n"
    path.with_name(f"{name}-curves.csv").write_text(f"{curves}a,1,1,,20,,,30\na,2,2,,21,,,31\n")
    assert_harmless(written(path, folder / "report"))
