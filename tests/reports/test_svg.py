"""Drawings on a page: small, and what they show is what their files show; too many of them are linked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from invented import result, write_rows

import reports
from reports import page
from reports.figures import drawing
from reports.rendering.svg import inline


def drawn(name: str = "a", low: float = 1.0) -> drawing.Figure:
    def paint(axes: drawing.Axes) -> None:
        axes.plot([1, 2, 3], [low, 2.0, 5.0], marker="o", color="#ff0000", label="a <line>")
        axes.legend()

    return drawing.draw(name, "What it shows", paint)


def places(svg: str, tag: str, *names: str) -> list[tuple[float, ...]]:
    found = [dict(re.findall(r'([\w:]+)="([^"]*)"', one)) for one in re.findall(rf"<{tag} ([^>]*)>", svg)]
    return [tuple(float(one[name]) for name in names) for one in found if set(names) <= one.keys()]


def test_a_drawing_is_a_third_of_its_file_and_shows_the_same_places() -> None:
    figure = drawn()
    (small,), sheet = inline([figure.svg])
    assert len(small) + len(sheet) < len(figure.svg) / 3
    assert "metadata" not in small
    assert "<style" not in small
    markers = places(figure.svg, "use", "x", "y")
    shown = places(small, "use", "x", "y")
    ticks = len(markers) - len(shown)
    assert ticks > 4, "ticks are lines now"
    assert {(round(x, 1), round(y, 1)) for x, y in markers} >= set(shown)
    words = re.findall(r"<text[^>]*>([^<]+)<", figure.svg)
    assert sorted(words) == sorted(re.findall(r"<text[^>]*>([^<]+)<", small))
    assert "a &lt;line&gt;" in small


def test_ticks_and_grid_lines_keep_their_places() -> None:
    figure = drawn()
    (small,), _ = inline([figure.svg])
    grid = re.findall(r'<path d="M ([\d.]+) ([\d.]+) \nL \1 ([\d.]+) \n"[^>]*e6e8eb', figure.svg)
    assert len(grid) > 3
    for x, top, bottom in grid:
        assert f"M{round(float(x), 1):g} {round(float(top), 1):g}V{round(float(bottom), 1):g}" in small


def test_drawings_of_a_page_share_styles_and_shapes_but_no_identifier() -> None:
    drawings, sheet = inline([drawn("a").svg, drawn("b", 1.5).svg])
    names = [name for one in drawings for name in re.findall(r' id="([^"]+)"', one)]
    assert len(names) == len(set(names))
    wanted = {name for one in drawings for name in re.findall(r'(?:href="|url\()#([^")]+)', one)}
    assert wanted <= set(names)
    assert len(drawings[1]) < len(drawings[0])
    classes = {name for one in drawings for name in re.findall(r'class="([^"]+)"', one)}
    assert classes == set(re.findall(r"\.(s\d+){", sheet))
    assert "stroke:#ff0000" in sheet


def test_drawings_beyond_a_pages_room_are_links_to_their_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.csv", *(result(timesteps=steps) for steps in (2, 4, 8)))
    report = reports.read([rows])
    whole = page.render(report.contents, report.headline)
    assert whole.count("<figure>\n<svg") == 3
    monkeypatch.setattr(page, "MOST_CHARACTERS", len(whole) - 2_000)
    cut = page.render(report.contents, report.headline)
    assert cut.count("<figure>\n<svg") == 2
    (name,) = re.findall(r'<figure>\n<a href="([^"]+)\.svg">', cut)
    reports.write(report, tmp_path / "report")
    assert (tmp_path / "report" / f"{name}.svg").exists()
    assert len(cut) < len(whole)


def test_a_drawing_that_has_not_changed_keeps_its_pdf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.csv", *(result(timesteps=steps) for steps in (2, 4)))
    reports.write(reports.read([rows]), tmp_path / "report")
    made: list[str] = []
    monkeypatch.setattr(drawing, "_pdf", lambda figure, caption: made.append(caption) or b"%PDF")
    reports.write(reports.read([rows]), tmp_path / "report")
    assert made == []
    rows = write_rows(tmp_path / "rows.csv", *(result(timesteps=steps, top1=20.0) for steps in (2, 4)))
    reports.write(reports.read([rows]), tmp_path / "report")
    assert len(made) == 1
