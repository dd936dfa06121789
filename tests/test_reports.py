"""From invented CSV rows to table cells: every expected number is worked out by hand here."""

from __future__ import annotations

import io
import math
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

import reports
from benchmarks.record import COLUMNS, Provenance, Result, row, write_csv
from benchmarks.spec import BadInput
from reports import energy, latex, markdown, terminal
from reports.comparison import compare, read
from reports.statistics import interval, student, wilson
from reports.table import DASH, SMOKE_WARNING, Cell, Column, Table, numbers

ORIGIN = Provenance(
    commit="0123456789abcdef",
    dirty=False,
    started="2025-03-02T10:00:00+00:00",
    machine="bench-01",
    device="cpu",
    threads=2,
    python="3.11",
    torch="2.13",
    data_sha256="aa",
    data_source="invented",
)


def result(**changes: Any) -> dict[str, Any]:
    """One CSV row of a spiking run at T = 4; its key follows from what identifies it."""
    facts: dict[str, Any] = {
        "parent_key": None, "dataset": "digits", "network": "tiny", "method": "dsr-if", "timesteps": 4, "seed": 0,
        "scale": "laptop", "status": "done", "top1": 90.0, "test_images": 360, "epochs": 10, "train_seconds": 10.0,
        "train_step_ms": 50.0, "other_load_cores": 0.0, "peak_step_bytes": 5 * 2**20, "idle_bytes": 2 * 2**20,
        "dense_macs_per_step": 20_000, "analog_macs": 1_000.0, "analog_macs_every_step": 4_000.0, "acs": 10_000.0,
        "provenance": ORIGIN,
    }  # fmt: skip
    facts |= changes
    identity = ("dataset", "network", "scale", "method", "timesteps", "seed")
    facts.setdefault("key", "/".join(str(facts[name]) for name in identity))
    return row(Result(**facts))


def ann(**changes: Any) -> dict[str, Any]:
    """One row of a network that does not spike."""
    facts = {"method": "qcfs-ann", "timesteps": 1, "key": "parent", "acs": 0.0, "analog_macs": 5_000.0}
    return result(**facts | {"train_seconds": 300.0, "train_step_ms": 20.0} | changes)


def conversion(**changes: Any) -> dict[str, Any]:
    """One row of a converted network, which has no training of its own."""
    nothing = {"train_seconds": None, "train_step_ms": None, "peak_step_bytes": None, "idle_bytes": None}
    return result(**{"method": "qcfs", "parent_key": "parent", "epochs": 0} | nothing | changes)


def write_rows(path: Path, *rows: dict[str, Any]) -> Path:
    write_csv(rows, path)
    return path


def tables(tmp_path: Path, *rows: dict[str, Any]) -> list[Table]:
    return compare(read([write_rows(tmp_path / "rows.csv", *rows)]))


def cell(table: Table, label: str, method: str = "dsr-if", timesteps: int = 4) -> Cell:
    labels = [column.label for column in table.columns]
    (line,) = [line for line in table.rows if line[0].text == method and line[1].text == str(timesteps)]
    return line[labels.index(label)]


def note(table: Table, word: str) -> str:
    """The only note with this word, or nothing."""
    found = [text for text in table.notes if word in text]
    assert len(found) < 2
    return found[0] if found else ""


# intervals


def test_two_seeds_get_the_student_t_interval() -> None:
    # s = sqrt(((-1)^2 + 1^2) / 1) = sqrt 2, s / sqrt 2 = 1, and t(0.975, 1) = 12.706.
    found = student([90.0, 92.0])
    assert found.mean == 91.0
    assert found.half_width == pytest.approx(12.706, abs=5e-4)
    assert (found.low + found.high) / 2 == pytest.approx(91.0)


def test_three_seeds_get_the_student_t_interval() -> None:
    # s = sqrt((1 + 0 + 1) / 2) = 1, t(0.975, 2) = 4.3027, 4.3027 / sqrt 3 = 2.4841.
    assert student([89.0, 90.0, 91.0]).half_width == pytest.approx(2.4841, abs=1e-4)


def test_one_seed_gets_the_wilson_interval() -> None:
    # Its ends are the p with |0.9 - p| = 1.96 * sqrt(p (1 - p) / 360); solved by hand: 0.86466 and 0.92689.
    found = wilson(90.0, 360)
    assert (found.low, found.high) == (pytest.approx(86.466, abs=1e-3), pytest.approx(92.689, abs=1e-3))
    for end in (found.low / 100, found.high / 100):
        assert abs(0.9 - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / 360), rel=1e-6)


def test_a_perfect_seed_still_has_an_interval() -> None:
    # p = 1: low = 1 / (1 + z^2 / m) = 1 / (1 + 3.84146 / 100).
    found = wilson(100.0, 100)
    assert found.low == pytest.approx(100 / 1.0384146)
    assert found.high == pytest.approx(100.0)


def test_one_seed_of_unknown_test_images_has_a_mean_but_no_interval() -> None:
    found = interval([90.0], [math.nan])
    assert found.mean == 90.0
    assert math.isnan(found.low)


def test_a_seed_without_a_value_leaves_no_mean() -> None:
    assert math.isnan(interval([90.0, math.nan], [360.0, 360.0]).mean)
    assert math.isnan(interval([], []).mean)


# energy


def test_a_spiking_network_multiplies_in_its_first_layer_only() -> None:
    # 1,000 MACs * 4.6 pJ + 10,000 ACs * 0.9 pJ = 13,600 pJ; at every step 4,000 * 4.6 + 9,000 = 27,400 pJ.
    frame = pd.DataFrame([result()])
    assert energy.headline(frame).tolist() == pytest.approx([0.0136])
    assert energy.second_count(frame).tolist() == pytest.approx([0.0274])


@pytest.mark.parametrize("acs", [0.0, None])
def test_an_ann_multiplies_everywhere(acs: float | None) -> None:
    # 20,000 dense MACs * 4.6 pJ = 92,000 pJ; 5,000 with zero activations skipped: 23,000 pJ.
    frame = pd.DataFrame([ann(acs=acs)]).astype({"acs": float})
    assert energy.headline(frame).tolist() == pytest.approx([0.092])
    assert energy.second_count(frame).tolist() == pytest.approx([0.023])


def test_a_silent_or_uncounted_spiking_network_does_not_pass_for_an_ann() -> None:
    frame = pd.DataFrame([result(acs=0.0), result(acs=None)]).astype({"acs": float})
    silent, uncounted = energy.headline(frame)
    assert silent == pytest.approx(0.0046)
    assert math.isnan(uncounted)


def test_the_constants_stand_under_every_table(tmp_path: Path) -> None:
    for table in tables(tmp_path, result(), result(scale="short")):
        assert "4.6 pJ per MAC, 0.9 pJ per AC" in note(table, "Energy")


# which rows stand together


def test_scales_datasets_and_networks_never_share_a_table(tmp_path: Path) -> None:
    apart = [{}, {"scale": "smoke"}, {"dataset": "cifar10"}, {"network": "vgg11"}]
    found = tables(tmp_path, *(result(seed=seed, **changes) for seed in (0, 1) for changes in apart))
    assert [(table.dataset, table.network, table.scale) for table in found] == [
        ("digits", "tiny", "laptop"),
        ("digits", "tiny", "smoke"),
        ("cifar10", "tiny", "laptop"),
        ("digits", "vgg11", "laptop"),
    ]
    assert [len(table.rows) for table in found] == [1, 1, 1, 1]


def test_methods_keep_their_order_and_their_latencies_ascend(tmp_path: Path) -> None:
    order = [("stbp-tdbn", 8), ("dsr-if", 10), ("stbp-tdbn", 2), ("dsr-if", 4)]
    (table,) = tables(tmp_path, *(result(method=method, timesteps=steps) for method, steps in order))
    lines = [(line[0].text, line[1].text) for line in table.rows]
    assert lines == [("stbp-tdbn", "2"), ("stbp-tdbn", "8"), ("dsr-if", "4"), ("dsr-if", "10")]


def test_a_row_in_two_files_counts_once_and_a_finished_one_beats_a_failed_one(tmp_path: Path) -> None:
    done = write_rows(tmp_path / "done.csv", result(top1=80.0))
    failed = write_rows(tmp_path / "failed.csv", result(status="failed", top1=None))
    (table,) = compare(read([done, done, failed]))
    assert (cell(table, "n").text, note(table, "failed")) == ("1", "")
    assert cell(table, "accuracy").text.startswith("80.00")


def test_one_run_with_two_recipes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"dsr-if T=4 seed 0, tiny on digits \(laptop\) .* several keys"):
        tables(tmp_path, result(key="a"), result(key="b"))


# what a line says


def test_two_seeds_are_averaged_with_their_interval(tmp_path: Path) -> None:
    best = {"top1_best": 93.0, "firing_rate": 0.1}
    (table,) = tables(tmp_path, result(top1=90.0, **best), result(top1=92.0, seed=1, **best | {"firing_rate": 0.2}))
    assert table.title == "tiny on digits, scale laptop, n = 2 seeds"
    assert cell(table, "n").text == "2"
    assert cell(table, "accuracy").text == "91.00 ± 12.71"
    assert cell(table, "best on test").text == "93.00"
    assert cell(table, "firing rate").text == "0.150"
    assert "Student t" in note(table, "Accuracy")
    assert "Wilson" not in note(table, "Accuracy")


def test_one_seed_shows_its_wilson_interval(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, result())
    assert cell(table, "accuracy").text == "90.00 (86.47–92.69)"
    assert table.title.endswith("n = 1 seed")
    assert "Wilson" in note(table, "Accuracy")


def test_memory_is_the_peak_over_what_lay_there_before(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, result())
    assert cell(table, "peak memory") == Cell("3.000")


def test_a_missing_value_is_a_dash(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, result(top1_best=None, acs=None))
    for label in ("best on test", "selected on validation", "energy", "firing rate"):
        assert cell(table, label) == Cell(DASH)


def test_a_value_that_one_seed_lacks_has_no_mean(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, result(), result(seed=1, train_step_ms=None))
    assert cell(table, "train step").text == DASH
    assert cell(table, "training time").text == "10.00"


def test_a_column_has_one_number_of_decimals_and_loses_no_small_value() -> None:
    # Four digits of 1,234.5 need no decimals; two digits of 0.37 need two.
    assert numbers([1234.5, 88.0]) == [Cell("1,234"), Cell("88")]
    assert numbers([1234.5, 0.37, math.nan]) == [Cell("1,234.50"), Cell("0.37"), Cell(DASH)]


# conversion


def test_conversion_costs_what_its_parent_cost(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, ann(), conversion(train_seconds=5.0))
    assert cell(table, "training time", "qcfs") == Cell("305.0", "†")
    assert cell(table, "peak memory", "qcfs") == Cell("3.000", "†")
    assert cell(table, "train step", "qcfs") == Cell("20.00", "†")
    assert cell(table, "training time", "qcfs-ann", 1) == Cell("300.0")
    assert "includes its parent ANN" in note(table, "†")


def test_conversion_without_training_costs_exactly_its_parent(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, ann(), conversion())
    assert cell(table, "training time", "qcfs") == Cell("300.0", "†")


def test_each_seed_adds_its_own_parent(tmp_path: Path) -> None:
    # (300 + 5 + 100 + 15) / 2 = 210
    rows = [
        ann(key="a"),
        ann(key="b", seed=1, train_seconds=100.0),
        conversion(parent_key="a", train_seconds=5.0),
        conversion(parent_key="b", seed=1, train_seconds=15.0),
    ]
    (table,) = tables(tmp_path, *rows)
    assert cell(table, "training time", "qcfs").text == "210.0"


def test_a_parent_in_another_file_is_found(tmp_path: Path) -> None:
    paths = [write_rows(tmp_path / "b.csv", conversion()), write_rows(tmp_path / "a.csv", ann())]
    (table,) = compare(read(paths))
    assert cell(table, "training time", "qcfs") == Cell("300.0", "†")


def test_conversion_without_its_parents_row_has_no_cost(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, conversion(train_seconds=5.0))
    for label in ("training time", "peak memory", "train step"):
        assert cell(table, label, "qcfs") == Cell(DASH)
    assert note(table, "†") == ""


def test_a_run_that_trains_on_from_a_parent_keeps_its_own_memory_and_step(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, ann(idle_bytes=0), result(parent_key="parent"))
    assert cell(table, "peak memory") == Cell("3.000")
    assert cell(table, "train step") == Cell("50.00")
    assert cell(table, "training time") == Cell("310.0", "†")


# marks and footnotes


def test_a_timing_on_a_busy_machine_is_marked(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, result(other_load_cores=0.26), result(method="dsr-lif", other_load_cores=0.25))
    assert cell(table, "train step").marks == "*"
    assert cell(table, "training time").marks == "*"
    assert cell(table, "peak memory").marks == ""
    assert cell(table, "train step", "dsr-lif").marks == ""
    assert "busy machine" in note(table, "*")


def test_a_parents_busy_timing_marks_the_conversion(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, ann(other_load_cores=1.0), conversion())
    assert cell(table, "training time", "qcfs").marks == "†*"


def test_a_quiet_table_has_no_busy_note(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, result(other_load_cores=None))
    assert note(table, "busy") == ""


def test_failed_runs_enter_no_mean_and_are_counted_with_their_reason(tmp_path: Path) -> None:
    failed = {"status": "out-of-memory", "reason": "no room\n  for 8 GB", "top1": 0.0, "train_seconds": 9999.0}
    rows = [result(), result(seed=1, **failed), result(seed=2, **failed)]
    (table,) = tables(tmp_path, *rows)
    assert cell(table, "n").text == "1"
    assert cell(table, "accuracy").text.startswith("90.00 (")
    assert cell(table, "training time").text == "10.00"
    assert note(table, "failed") == (
        "2 failed and are not in the means: 2 x dsr-if T=4, out-of-memory: no room for 8 GB."
    )


def test_a_line_with_failed_runs_only_stands_with_dashes(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, result(), result(method="stbp-tdbn", status="failed", reason=None, top1=50.0))
    assert cell(table, "n", "stbp-tdbn").text == "0"
    assert cell(table, "accuracy", "stbp-tdbn").text == DASH
    assert "no reason given" in note(table, "failed")
    assert "n = 0 to 1 seeds" in table.title


def test_times_of_different_machines_are_noted(tmp_path: Path) -> None:
    elsewhere = Provenance(**{**ORIGIN.__dict__, "machine": "bench-02"})
    (table,) = tables(tmp_path, result(), result(seed=1, provenance=elsewhere))
    assert "2 different machines" in note(table, "machines")
    (table,) = tables(tmp_path, result(), result(seed=1))
    assert note(table, "different machines") == ""


# bad input


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"cannot read .*nowhere\.csv: No such file"):
        read([tmp_path / "nowhere.csv"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        (",".join(COLUMNS) + "\n", "has no rows"),
        ("key,dataset\n1,digits\n", "lacks the columns parent_key, network"),
        ("\xff", "cannot read .*: not a text file"),
    ],
)
def test_a_file_that_is_no_result_csv_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "odd.csv"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(BadInput, match=message) as caught:
        read([path])
    assert "odd.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"top1": "good"}, "column top1"),
        ({"scale": "huge"}, "unknown scale"),
        ({"timesteps": 4.5}, "column timesteps"),
        ({"timesteps": None}, "column timesteps has an empty cell"),
    ],
)
def test_a_cell_that_makes_no_sense_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read([write_rows(tmp_path / "rows.csv", result(**changes))])


def test_no_file_at_all_is_refused() -> None:
    with pytest.raises(BadInput, match="no CSV file"):
        read([])


# the page


class Page(HTMLParser):
    """Collects the tags of a page and checks that they close in order."""

    VOID = ("meta", "link")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def count(self, tag: str, **attributes: str) -> int:
        return sum(name == tag and attributes.items() <= found.items() for name, found in self.tags)


def page(tmp_path: Path, *rows: dict[str, Any]) -> str:
    reports.write([write_rows(tmp_path / "rows.csv", *rows)], tmp_path / "report")
    return (tmp_path / "report" / "index.html").read_text()


def test_the_page_is_whole_and_asks_for_nothing(tmp_path: Path) -> None:
    text = page(tmp_path, result(), result(scale="smoke"))
    found = Page(text)
    assert not re.search(r"https?://", text)
    assert found.count("script") == 0
    assert "@import" not in text
    assert found.count("table") == found.count("caption") == 2
    assert found.count("th", scope="col") == 24
    assert found.count("th", scope="row") == 2
    assert "prefers-color-scheme: dark" in text


def test_only_a_smoke_page_carries_the_warning(tmp_path: Path) -> None:
    assert SMOKE_WARNING in page(tmp_path, result(scale="smoke"))
    assert SMOKE_WARNING not in page(tmp_path, result(scale="laptop"))


def test_the_page_says_where_its_rows_come_from(tmp_path: Path) -> None:
    later = Provenance(**{**ORIGIN.__dict__, "started": "2025-03-05T01:00:00+00:00", "dirty": True})
    text = page(tmp_path, result(), result(seed=1, provenance=later))
    for fact in ("4.6 pJ per MAC", "0123456789ab; 0123456789ab (dirty)", "bench-01, cpu", "2025-03-02 to 2025-03-05"):
        assert fact in text.partition("<footer>")[2]


def test_text_from_the_csv_cannot_become_markup(tmp_path: Path) -> None:
    text = page(tmp_path, result(method="<script>x</script>"), result(status="failed", reason="<img src=y>"))
    assert Page(text).count("script") == Page(text).count("img") == 0
    assert "&lt;script&gt;" in text


# the other renderers


def test_write_leaves_a_page_markdown_latex_and_raw_numbers(tmp_path: Path) -> None:
    target = tmp_path / "new" / "report"
    written = reports.write([write_rows(tmp_path / "rows.csv", result(top1=90.123456))], target)
    assert [path.name for path in written] == ["index.html", "tables.md", "tables.tex", "tables.csv"]
    assert sorted(written) == sorted(target.iterdir())
    raw = pd.read_csv(target / "tables.csv").iloc[0]
    assert (raw["scale"], raw["top1"], raw["peak_memory_bytes"]) == ("laptop", 90.123456, 3 * 2**20)


def test_latex_prints_every_special_character_as_it_stands() -> None:
    assert latex.escape(r"50 % & $x_1 #2 {a} ~ ^ \b") == (
        r"50 \% \& \$x\_1 \#2 \{a\} \textasciitilde{} \textasciicircum{} \textbackslash{}b"
    )
    assert latex.escape("1 ± 2 µJ – †") == r"1 $\pm$ 2 $\mu$J -- $\dagger$"


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
    assert [line.count(" & ") for line in body[1].splitlines()] == [11, 11]
    assert "% machines: x y\n" in text


def test_markdown_keeps_its_columns_whatever_a_name_holds(tmp_path: Path) -> None:
    rows = [result(method="a|b*c"), result(other_load_cores=2.0, scale="smoke")]
    text = markdown.render(tables(tmp_path, *rows), {"commits": "x"})
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {13}
    assert r"a\|b\*c" in text
    assert r"50.00\*" in text
    assert f"> **{SMOKE_WARNING}**" in text


def shown(tmp_path: Path, width: int, is_terminal: bool) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=is_terminal, color_system="standard")
    reports.show([write_rows(tmp_path / "rows.csv", ann(), conversion(), result(scale="smoke"))], console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_pipe_gets_plain_text_with_whole_lines(tmp_path: Path) -> None:
    text = shown(tmp_path, width=40, is_terminal=False)
    assert "\x1b" not in text
    assert SMOKE_WARNING in text.splitlines()
    (line,) = [line for line in text.splitlines() if line.startswith("qcfs ")]
    assert line.split()[-3:] == ["3.000†", "20.00†", "300.0†"]


def test_a_terminal_gets_colour_and_all_columns_if_they_fit(tmp_path: Path) -> None:
    text = shown(tmp_path, width=140, is_terminal=True)
    assert "\x1b[" in text
    assert "validation" in text
    assert "left out" not in text


def test_a_narrow_terminal_leaves_whole_columns_out_and_says_so(tmp_path: Path) -> None:
    text = shown(tmp_path, width=80, is_terminal=True)
    assert "left out here" in text
    assert "validation" not in text
    assert "90.00 (86.47–92.69)" in text
    assert "…" not in text


def test_a_very_narrow_terminal_cuts_no_number() -> None:
    table = Table("d", "n", "laptop", "n = 1 seed", (Column("value"),), ((Cell("1" * 60),),), ())
    console = Console(file=io.StringIO(), width=30, force_terminal=True)
    terminal.show([table], {}, console)
    assert isinstance(console.file, io.StringIO)
    assert "1" * 60 in console.file.getvalue()


def test_reports_never_load_torch_mlflow_or_the_rest_of_the_harness() -> None:
    code = "import sys, reports; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "mlflow", "dsr", "baselines"} & set(loaded)
    harness = {name for name in loaded if name.startswith("benchmarks")}
    assert harness == {"benchmarks", "benchmarks.record", "benchmarks.spec"}
