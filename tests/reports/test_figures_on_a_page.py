"""Figures of runs in a report: files, and drawings that live on one page together."""

from __future__ import annotations

import re
from pathlib import Path

from invented import ann, result, write_rows
from test_page import Page

import reports
from reports.figures.series import slug


def test_figures_share_no_identifier_and_the_page_asks_for_nothing(tmp_path: Path) -> None:
    rows = [ann(), *(result(timesteps=steps, top1=40.0 + steps) for steps in (2, 4, 8))]
    csv = write_rows(tmp_path / "rows.csv", *rows)
    written = {path.name for path in reports.write(reports.read([csv]), tmp_path / "report")}
    stems = [f"accuracy-against-{what}-digits-tiny-laptop" for what in ("t", "energy", "training-time")]
    assert {f"{stem}.{ending}" for stem in stems for ending in ("svg", "pdf")} <= written
    page = (tmp_path / "report" / "index.html").read_text()
    assert page.count("<figure>") == 3
    assert not re.search(r"https?://", page)
    found = Page(page)
    names = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(names) == len(set(names)) > 30
    wanted = {match for match in re.findall(r'(?:url\(|href=")#([^)"]+)', page) if not match.startswith("table-")}
    assert wanted
    assert wanted <= set(names)


def test_a_drawing_is_a_file_of_its_own_and_its_words_are_text(tmp_path: Path) -> None:
    rows = [result(timesteps=steps) for steps in (2, 4)]
    reports.write(reports.read([write_rows(tmp_path / "rows.csv", *rows)]), tmp_path / "report")
    svg = (tmp_path / "report" / "accuracy-against-t-digits-tiny-laptop.svg").read_text()
    assert 'xmlns="http://www.w3.org/2000/svg"' in svg
    for word in ("dsr-if", "time steps T"):
        assert re.search(rf"<text[^>]*>\s*{word}", svg)
    page = (tmp_path / "report" / "index.html").read_text()
    assert re.search(r"<text[^>]*>\s*dsr-if", page)


def test_a_method_from_the_csv_cannot_become_markup_in_a_figure(tmp_path: Path) -> None:
    rows = [result(method="<script>x</script>", timesteps=steps) for steps in (2, 4)]
    reports.write(reports.read([write_rows(tmp_path / "rows.csv", *rows)]), tmp_path / "report")
    page = (tmp_path / "report" / "index.html").read_text()
    assert page.count("<figure>") == 1
    assert Page(page).count("script") == 1


def test_a_files_name_holds_nothing_a_path_may_not() -> None:
    assert slug("coverage", "", "../../etc", "a b") == "coverage-etc-a-b"


def test_figures_of_an_earlier_report_are_removed_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    rows, target = [result(timesteps=steps) for steps in (2, 4)], tmp_path / "report"
    reports.write(reports.read([write_rows(tmp_path / "rows.csv", *rows)]), target)
    name = "accuracy-against-t-digits-tiny-laptop"
    kept = {"mine.svg": (target / f"{name}.svg").read_text(), "theirs.svg": "<svg/>", "theirs.pdf": "", "notes.md": ""}
    for other, text in kept.items():
        (target / other).write_text(text)
    before = {path.name for path in target.iterdir()}
    written = reports.write(reports.read([write_rows(tmp_path / "rows.csv", rows[0])]), target)
    assert f"{name}.svg" in before
    assert f"{name}.svg" not in {path.name for path in written}
    assert {path.name for path in target.iterdir()} == {path.name for path in written} | kept.keys()
