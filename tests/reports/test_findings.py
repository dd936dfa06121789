"""The generated page: its words follow the verdicts, its numbers the rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from invented import result, write_rows
from typer.testing import CliRunner

from benchmarks.__main__ import app
from benchmarks.spec import BadInput
from reports import findings
from reports.claims.statement import Claim, Kind, Outcome
from reports.findings import page as findings_page
from reports.findings import sentences, tables

NARROW = {"dataset": "cifar10", "network": "preact-resnet18-narrow", "test_images": 10_000, "train_images": 9_000}


def cifar(method: str, timesteps: int, *top1: float, **more: Any) -> list[dict[str, Any]]:
    facts = NARROW | {"method": method, "timesteps": timesteps} | more
    return [result(seed=seed, top1=one, **facts) for seed, one in enumerate(top1)]


def gathered(tmp_path: Path, *rows: dict[str, Any]) -> findings.Facts:
    return findings.gather([write_rows(tmp_path / "cifar10.csv", *rows)])


LOSES = [*cifar("dsr-if", 5, 59.8, 59.9, 60.0), *cifar("ann", 1, 70.0, 70.1, 70.2, acs=0.0)]


@pytest.mark.parametrize(("many", "said"), [
    ((60.0, 60.1, 60.2), "- **Holds**‡ (scale laptop): DSR, IF: less than 1 point lost"),
    ((60.0, 61.5, 60.5), "- **Open** (scale laptop): DSR, IF: less than 1 point lost"),
    ((65.0, 65.1, 65.2), "- **Does not hold**‡ (scale laptop): DSR, IF: less than 1 point lost"),
])  # fmt: skip
def test_a_finding_says_what_its_verdict_says(many: tuple[float, ...], said: str, tmp_path: Path) -> None:
    rows = [*LOSES, *cifar("dsr-if", 20, *many)]
    text = findings.text_of(gathered(tmp_path, *rows))
    (line,) = [line for line in text.splitlines() if line.startswith("- **") and "less than 1 point" in line]
    assert line.startswith(said)
    assert "n = 3, paired" in line


def test_a_small_miss_is_told_with_its_bound() -> None:
    claim = Claim("x", "Tab. 2", "As printed", lambda *_: Outcome("not run", ""))
    ledger = [(claim, "paper", Outcome("reproduced", "+0.10 points", 0.01, 0.25, True))]
    assert list(sentences.claims_of_kind(ledger, "accuracy")) == [
        "- **Holds within 0.25 points**‡ (scale paper): As printed. +0.10 points."
    ]


def test_levels_name_every_method_with_its_seeds(tmp_path: Path) -> None:
    rows = [*LOSES, *cifar("stbp-tdbn", 5, 50.0), *cifar("stbp-tdbn-tuned", 5, 65.0), *cifar("dsr-if", 20, 99.0)]
    (line,) = sentences.levels(gathered(tmp_path, *rows).frame)
    assert line == (
        "- CIFAR-10 (`preact-resnet18-narrow`, scale `laptop`, trained on 9,000 images, tested on 10,000), T = 5: "
        "the ANN 70.1 % (`ann`, n = 3); DSR 59.9 % (`dsr-if`, n = 3); surrogate gradient 50.0 % (`stbp-tdbn`, n = 1); "
        "controls 65.0 % (`stbp-tdbn-tuned`, n = 1)."
    )


def test_accuracies_are_a_matrix_and_methods_without_steps_have_one_number(tmp_path: Path) -> None:
    rows = [*LOSES, *cifar("dsr-if", 20, 61.0, 62.0), *cifar("dsr-lif", 20, 63.0)]
    (table,) = tables.accuracies(tables.grouped(gathered(tmp_path, *rows).frame))
    assert [column.label for column in table.columns] == ["method", "no T", "T=5", "T=20"]
    # s = 0.1, t(0.975, 2) = 4.303: half 0.25
    assert [[cell.text for cell in line] for line in table.rows] == [
        ["dsr-if", "", "59.90 ± 0.25 (n = 3)", "61.50 (61.00, 62.00)"],
        ["ann", "70.10 ± 0.25 (n = 3)", "", ""],
        ["dsr-lif", "", "–", "63.00 (62.05–63.94)"],
    ]


def test_conversions_are_a_matrix_over_all_their_steps(tmp_path: Path) -> None:
    converted = {"parent_key": "p", "epochs": 0}
    rows = [row for steps in (2, 4, 8, 16) for row in cifar("qcfs", steps, 10.0 + steps, 11.0 + steps, **converted)]
    rows += [*cifar("qcfs", 32, 50.0, **converted), *cifar("qcfs-ann", 1, 60.0, key="p", acs=0.0)]
    frame = gathered(tmp_path, *rows).frame
    (table,) = tables.conversions(tables.grouped(frame), frame)
    assert [cell.text + cell.marks for cell in table.rows[0]] == ["qcfs", "12.5", "14.5", "18.5", "26.5", "50.0′"]


def test_variants_stand_beside_the_method_they_change(tmp_path: Path) -> None:
    rows = [*cifar("stbp-tdbn", 2, 45.0), *cifar("stbp-tdbn@reset=soft", 2, 52.0), *cifar("stbp-tdbn", 5, 50.0)]
    facts = gathered(tmp_path, *rows, *LOSES)
    (table,) = tables.variants(tables.grouped(facts.frame))
    assert [line[0].text for line in table.rows] == ["stbp-tdbn", "stbp-tdbn@reset=soft"]
    assert [column.label for column in table.columns] == ["method", "T=2"]
    (table,) = tables.accuracies(tables.grouped(facts.frame))
    assert not any("@" in line[0].text for line in table.rows)


def test_a_block_is_put_between_its_marks_and_nowhere_else(tmp_path: Path) -> None:
    facts, readme = gathered(tmp_path, *LOSES), tmp_path / "README.md"
    readme.write_text("before\n<!-- results -->\nold\n<!-- /results -->\nafter\n")
    findings.put_block(facts, readme)
    text = readme.read_text()
    assert text.startswith("before\n<!-- results -->\nCIFAR-10")
    assert text.endswith("\n<!-- /results -->\nafter\n")
    assert "old" not in text
    assert "| dsr-if |  | 59.90 ± 0.25 (n = 3) |" in text
    assert sum(line.startswith("| ") for line in text.splitlines()) == 2 + 2  # heading, rule, and two methods
    with pytest.raises(BadInput, match="has no block of results"):
        findings.with_block("nothing", facts, readme)


def test_a_block_counts_verdicts_and_tells_the_first_reproduced_claim_about_cost(tmp_path: Path) -> None:
    def claim(statement: str, kind: Kind) -> Claim:
        return Claim(statement, "Tab. 1", statement, lambda *_: Outcome("not run", ""), kind)

    ledger = [
        (claim("accurate", "accuracy"), "paper", Outcome("not run", "")),
        (claim("accurate", "accuracy"), "laptop", Outcome("inconclusive", "")),
        (claim("robust", "control"), "laptop", Outcome("reproduced", "")),
        (claim("small", "cost"), "", Outcome("inconclusive", "two T")),
        (claim("fast", "cost"), "", Outcome("reproduced", "ratio 0.40")),
        (claim("cheap", "cost"), "", Outcome("reproduced", "ratio 0.06")),
        (claim("cool", "cost"), "", Outcome("not run", "")),
    ]
    assert findings_page.block(gathered(tmp_path, *LOSES).frame, ledger).endswith(
        "\n\nVerdicts on the paper's accuracies, one per claim and scale: 1 inconclusive, 1 not run. "
        'Of 3 claims about the cost of a training step, 2 are reproduced. The first: "fast": ratio 0.40.'
    )


def test_the_command_writes_page_and_block(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "cifar10.csv", *LOSES)
    readme, page = tmp_path / "README.md", tmp_path / "results.md"
    readme.write_text("<!-- results -->\n<!-- /results -->\n")
    asked = ["report", str(path), "--results-page", str(page), "--results-block", str(readme)]
    ending = CliRunner().invoke(app, asked)
    assert ending.exit_code == 0, ending.output
    facts = findings.gather([path])
    assert page.read_text() == findings.text_of(facts)
    assert readme.read_text() == findings.with_block(readme.read_text(), facts, readme)
