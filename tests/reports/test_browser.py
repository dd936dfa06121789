"""The page in headless Chromium: it renders without an error, sorts, filters, toggles, opens cards, fits a phone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from invented import ann, conversion, result, write_rows

import reports
from reports.rendering import latex

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]
OFFLINE = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--enable-logging=stderr"),
)
PROBE = """
<script>
addEventListener("load", () => setTimeout(() => {
  const answer = (() => { try { return (%s)(); } catch (error) { return { error: String(error) }; } })();
  const told = document.createElement("pre");
  told.id = "answer";
  told.textContent = JSON.stringify(answer);
  document.body.append(told);
}, 50));
</script>
"""


METHODS = ["dsr-if", "dsr-lif", "stbp-tdbn", "dsr-if-rep"]
ROWS = [
    *(
        result(method=m, timesteps=t, top1=50.0 + 7 * i % 4 + t, top1_best=90.0 - i, top1_validation_selected=60.0)
        for i, m in enumerate(METHODS)
        for t in (4, 10)
    ),
    *(ann(), conversion(), result(dataset="cifar10", network="preact-resnet18-narrow", timesteps=5)),
    *(result(method=f"{m}@alpha=1", timesteps=4) for m in METHODS),
]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of made-up rows."""
    folder = tmp_path_factory.mktemp("page")
    reports.write(reports.read([write_rows(folder / "rows.csv", *ROWS)]), folder)
    return (folder / "index.html").read_text()


def asked(tmp_path: Path, text: str, question: str, width: int = 1200, fragment: str = "") -> Any:
    """What a JavaScript function says of the page; any message on the console is a failure."""
    page = tmp_path / "probe.html"
    page.write_text(text.replace("</body>", PROBE % question + "</body>"))
    command = [CHROMIUM, *OFFLINE, f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},900"]
    command += ["--virtual-time-budget=2000", "--dump-dom", f"{page.as_uri()}{fragment}"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=800, check=True)  # type: ignore[arg-type]
    assert not [line for line in shown.stderr.splitlines() if "CONSOLE" in line]
    found = re.search(r'<pre id="answer">(.*?)</pre>', shown.stdout, re.DOTALL)
    assert found is not None
    answer = json.loads(unescape(found[1]))
    assert "error" not in answer, answer
    return answer


RESULTS = (
    '() => { const table = document.querySelector("#results .behind table"); const head = (name) => '
    "[...table.tHead.rows[0].cells].find((cell) => cell.textContent.startsWith(name));"
    "const column = (index) => [...table.tBodies[0].rows].map((row) => row.cells[index].textContent);"
)


@pytest.mark.timeout(300)
def test_a_heading_sorts_by_number_and_a_second_click_turns_it_round(tmp_path: Path, text: str) -> None:
    question = (
        RESULTS
        + """
      const before = table.tBodies[0].rows.length;
      head("T").querySelector("button").click(); const up = column(1);
      head("T").querySelector("button").click();
      return { before, up, down: column(1), sorted: head("T").getAttribute("aria-sort") };
    }"""
    )
    answer = asked(tmp_path, text, question)
    steps = [int(text) for text in answer["up"]]
    assert steps == sorted(steps)
    assert [int(text) for text in answer["down"]] == steps[::-1]
    assert (answer["before"], answer["sorted"]) == (len(steps), "descending")


@pytest.mark.timeout(300)
def test_one_accuracy_is_shown_at_a_time_and_lines_are_filtered(tmp_path: Path, text: str) -> None:
    question = (
        RESULTS
        + """
      const tools = document.querySelector("#results .behind .tools");
      const seen = () => [...table.tHead.rows[0].cells].filter((cell) => !cell.hidden && cell.dataset.accuracy)
        .map((cell) => cell.dataset.accuracy);
      const first = seen();
      tools.querySelector("input[value=best]").click(); const second = seen();
      tools.querySelector("input[value=all]").click(); const all = seen();
      const field = tools.querySelector("input[type=search]");
      field.value = "dsr-if t=10"; field.dispatchEvent(new Event("input"));
      const left = [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.cells[0].textContent);
      return { first, second, all, left, told: tools.querySelector("[role=status]").textContent };
    }"""
    )
    answer = asked(tmp_path, text, question)
    assert (answer["first"], answer["second"], answer["all"]) == (["last"], ["best"], ["last", "best", "selected"])
    assert answer["left"] == ["dsr-if", "dsr-if-rep"]
    assert answer["told"].startswith("2 of ")


@pytest.mark.timeout(300)
def test_a_link_opens_the_card_behind_a_line_and_everything_has_a_name(tmp_path: Path, text: str) -> None:
    question = """() => ({
      open: [...document.querySelectorAll(".card[open]")].map((card) => card.id),
      links: [...document.querySelectorAll("a[href^='#']")].filter((a) => !document.querySelector(a.hash)).length,
      nameless: [...document.querySelectorAll("button, input, [role=region], svg[role=img]")].filter((one) =>
        !(one.textContent.trim() || one.getAttribute("aria-label") || one.getAttribute("aria-labelledby")
          || one.closest("label"))).length,
      doubled: [...document.querySelectorAll("[id]")].map((one) => one.id)
        .filter((id, index, all) => all.indexOf(id) !== index),
    })"""
    answer = asked(tmp_path, text, question, fragment="#run-digits-tiny-laptop-dsr-lif-T10")
    assert answer == {"open": ["run-digits-tiny-laptop-dsr-lif-T10"], "links": 0, "nameless": 0, "doubled": []}


@pytest.mark.timeout(300)
def test_a_click_on_any_cell_opens_the_card_of_its_line(tmp_path: Path, text: str) -> None:
    question = (
        RESULTS
        + """
      table.tBodies[0].rows[2].cells[4].click(); dispatchEvent(new HashChangeEvent("hashchange"));
      return { want: table.tBodies[0].rows[2].querySelector("a").hash, at: location.hash,
        open: [...document.querySelectorAll(".card[open]")].map((card) => `#${card.id}`) };
    }"""
    )
    answer = asked(tmp_path, text, question)
    assert answer["at"] == answer["want"]
    assert answer["open"] == [answer["want"]]


MATRIX = (
    '() => { const table = document.querySelector("#results table"); '
    'const tools = document.querySelector("#results .tools");'
)


@pytest.mark.timeout(300)
def test_a_matrix_is_filtered_by_t_and_its_numbers_lead_to_cards_of_their_own(tmp_path: Path, text: str) -> None:
    question = (
        MATRIX
        + """
      const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
      const field = tools.querySelector("input[type=search]");
      field.value = "t=10 lif"; field.dispatchEvent(new Event("input"));
      const left = [...table.tBodies[0].rows].filter((row) => !row.hidden);
      left[0].cells[heads.indexOf("T=10")].click(); dispatchEvent(new HashChangeEvent("hashchange"));
      return { heads, left: left.map((row) => row.cells[0].textContent), at: location.hash,
        open: [...document.querySelectorAll(".card[open]")].map((card) => card.id) };
    }"""
    )
    answer = asked(tmp_path, text, question)
    assert answer["heads"] == ["method", "no T", "T=4", "T=10"]
    assert answer["left"] == ["dsr-lif"]
    assert answer["open"] == ["run-digits-tiny-laptop-dsr-lif-T10"] == [answer["at"][1:]]


@pytest.mark.timeout(300)
def test_what_is_copied_as_latex_and_csv_is_what_the_files_say(tmp_path: Path, text: str) -> None:
    question = (
        MATRIX
        + """
      const found = [];
      document.execCommand = () => { found.push(document.querySelector("body > textarea").value); return true; };
      Object.defineProperty(navigator, "clipboard", { value: undefined });
      tools.querySelectorAll(".copies button").forEach((button) => button.click());
      return found;
    }"""
    )
    csv, latex_text = asked(tmp_path, text, question)
    assert csv.splitlines()[0] == "method,no T,T=4,T=10"
    assert csv.splitlines()[1].startswith("dsr-if,,")
    path = write_rows(tmp_path / "rows.csv", *ROWS)
    (results,) = [part for part in reports.read([path]).contents.sections if part.name == "results"]
    written = latex.render(results.tables[:1], {})
    rows = re.search(r"\\midrule\n(.*?)\\bottomrule", written, re.DOTALL)
    copied = re.search(r"\\midrule\n(.*?)\\bottomrule", latex_text, re.DOTALL)
    assert rows is not None
    assert copied is not None
    assert copied[1] == rows[1]


@pytest.mark.timeout(300)
def test_nothing_but_tables_scrolls_sideways_on_a_phone(tmp_path: Path, text: str) -> None:
    question = """() => ({ page: document.documentElement.scrollWidth, room: document.documentElement.clientWidth })"""
    answer = asked(tmp_path, text, question, width=500)
    assert answer["page"] <= answer["room"]
