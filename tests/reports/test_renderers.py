"""Markdown, LaTeX, terminal and raw numbers."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
from invented import ann, conversion, result, tables, write_rows
from rich.console import Console

import reports
from reports.rendering import latex, markdown, terminal
from reports.rendering.table import DASH, SMOKE_WARNING, Cell, Column, Table


def test_write_leaves_a_page_markdown_latex_and_raw_numbers(tmp_path: Path) -> None:
    target = tmp_path / "new" / "report"
    written = reports.write(reports.read([write_rows(tmp_path / "rows.csv", result(top1=90.123456))]), target)
    tables = ["index.html", "tables.md", "tables.tex", "tables.csv", "energy.csv", "checklist.md"]
    assert [path.name for path in written] == tables
    assert sorted(written) == sorted(target.iterdir())
    raw = pd.read_csv(target / "tables.csv").iloc[0]
    assert (raw["scale"], raw["top1"], raw["peak_memory_bytes"]) == ("laptop", 90.123456, 3 * 2**20)


def test_latex_prints_every_special_character_as_it_stands() -> None:
    assert latex.escape(r"50 % & $x_1 #2 {a} ~ ^ \b") == (
        r"50 \% \& \$x\_1 \#2 \{a\} \textasciitilde{} \textasciicircum{} \textbackslash{}b"
    )
    assert latex.escape("1 ± 2 µJ – † ‡") == r"1 $\pm$ 2 $\mu$J -- $\dagger$ $\ddagger$"


def test_latex_tables_are_named_and_ruled(tmp_path: Path) -> None:
    text = latex.render(
        tables(tmp_path, ann(), conversion(), result(network="a_b", scale="smoke")), {"machines": "x\ny"}
    )
    assert r"\caption{tiny on digits, scale laptop, n = 1 seed.}" in text
    assert rf"\caption{{a\_b on digits, scale smoke, n = 1 seed. {SMOKE_WARNING}}}" in text
    assert r"300.0\rlap{$^{\dagger}$}" in text
    assert text.count(r"\toprule") == text.count(r"\midrule") == text.count(r"\bottomrule") == 2
    body = re.search(r"\\midrule\n(.*?)\n\\bottomrule", text, re.DOTALL)
    assert body is not None
    assert [line.count(" & ") for line in body[1].splitlines()] == [13, 13]
    assert "% machines: x y\n" in text


def test_markdown_keeps_its_columns_whatever_a_name_holds(tmp_path: Path) -> None:
    rows = [result(method="a|b*c", train_step_ms=50.0), result(other_load_cores=2.0, scale="smoke")]
    text = markdown.render(tables(tmp_path, *rows), {"commits": "x"})
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {15}
    assert r"a\|b\*c" in text
    assert "| –\\* |" in text
    assert "| 50.00 |" in text
    assert f"> **{SMOKE_WARNING}**" in text


def shown(tmp_path: Path, width: int, is_terminal: bool) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=is_terminal, color_system="standard")
    rows = write_rows(tmp_path / "rows.csv", ann(), conversion(), result(scale="smoke"))
    reports.show(reports.read([rows]), console, tables=True)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_pipe_gets_plain_text_with_whole_lines(tmp_path: Path) -> None:
    text = shown(tmp_path, width=40, is_terminal=False)
    assert "\x1b" not in text
    assert SMOKE_WARNING in text.splitlines()
    lines = [line.split() for line in text.splitlines() if line.startswith("qcfs ")]
    assert ["3.000†", DASH, "20.00†", "300.0†"] in [line[-4:] for line in lines]


def test_a_terminal_gets_colour_and_all_columns_if_they_fit(tmp_path: Path) -> None:
    text = shown(tmp_path, width=140, is_terminal=True)
    assert "\x1b[" in text
    assert "validation" in text
    assert "left out" not in text


def test_a_narrow_terminal_leaves_whole_columns_out_and_says_so(tmp_path: Path) -> None:
    text = shown(tmp_path, width=80, is_terminal=True)
    assert "left out here" in text
    assert "validation" not in text
    assert "90.00 [86.47, 92.69]" in text
    assert "…" not in text


def test_a_very_narrow_terminal_cuts_no_number() -> None:
    table = Table("n on d", "scale laptop", "title", (Column("value"),), ((Cell("1" * 60),),), ())
    console = Console(file=io.StringIO(), width=30, force_terminal=True)
    terminal.show([table], {}, console)
    assert isinstance(console.file, io.StringIO)
    assert "1" * 60 in console.file.getvalue()


def test_reports_load_of_the_harness_only_what_plans_and_records() -> None:
    code = "import sys, reports; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "mlflow", "dsr", "baselines"} & set(loaded)
    rooms = {name.split(".")[1] for name in loaded if name.startswith("benchmarks.")}
    assert rooms == {"campaigns", "catalogue", "files", "plugins", "recipes", "runs", "spec", "sweeps"}
