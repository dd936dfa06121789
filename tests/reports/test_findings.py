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
from reports.energy.models import FP32_45NM
from reports.findings import figures, plain, sentences, tables
from reports.findings import page as findings_page

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
        ["dsr-lif", "", "–", "63.00 [62.05, 63.94]"],
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
        "\n\nVerdicts on the paper's accuracies, one per claim and scale: 1 inconclusive, 1 not run "
        "(inconclusive: seeds or parts are missing). "
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


STATION = {"scale": "workstation", "train_images": 45_000, "epochs": 20}


def station(method: str, timesteps: int, *top1: float, **more: Any) -> list[dict[str, Any]]:
    return cifar(method, timesteps, *top1, **STATION | more)


def said(tmp_path: Path, *rows: dict[str, Any]) -> list[str]:
    facts = gathered(tmp_path, *rows)
    return list(plain.findings(facts.frame, facts.kept))


STILL = station("ann", 1, 90.0, 90.1, 90.2, acs=0.0, analog_macs=1e7, train_cpu_seconds=2000.0, core_gflops=100.0)


@pytest.mark.parametrize(("dsr", "words"), [
    ((86.0, 86.1, 86.3), "DSR (`dsr-if-rep`) is less accurate than the ANN at T = 20: -3.97 points"),
    ((91.0, 91.1, 91.3), "DSR (`dsr-if-rep`) is more accurate than the ANN at T = 20: +1.03 points"),
    ((86.0, 90.1, 92.3), "Whether DSR (`dsr-if-rep`) or the ANN is more accurate at T = 20 is open: -0.63 points"),
    ((80.0,), "One run on a side cannot say whether DSR (`dsr-if-rep`) or the ANN is more accurate at T = 20: -10.00 "
              "points (seed 0; -10.10 over all runs; n = 1 and 3)."),
])  # fmt: skip
def test_a_difference_is_stated_only_where_it_is_certain(dsr: tuple[float, ...], words: str, tmp_path: Path) -> None:
    found = said(tmp_path, *STILL, *station("dsr-if-rep", 20, *dsr))
    assert any(sentence.startswith(words) for sentence in found), found


def test_findings_are_of_the_best_founded_scale_and_one_bullet_each(tmp_path: Path) -> None:
    rows = [
        *STILL,
        *station("dsr-if-rep", 5, 79.0, 79.1, 79.2, acs=2e7, train_cpu_seconds=3000.0, core_gflops=109.0),
        *station("dsr-if-rep", 2, 66.0, 66.1),
        *station("dsr-if", 5, 79.1, 79.0, 79.2),
        *station("stbp-tdbn", 5, 75.0, 75.2, 75.1, train_cpu_seconds=12000.0, core_gflops=91.0),
        *cifar("stbp-tdbn", 5, 99.0, 99.1, 99.2),  # laptop
    ]
    level, printed, ann, surrogates, fewer, gradients, energy, cost = said(tmp_path, *rows)
    assert level == (
        "Of CIFAR-10's test images, `preact-resnet18-narrow` at scale `workstation` classifies correctly: the ANN "
        "90.1 % (n = 3), DSR (`dsr-if-rep`) 79.1 % at T = 5 (n = 3), DSR (`dsr-if-rep`) 66.0 % at T = 2 (n = 2)."
    )
    assert printed == (
        "The paper has, in the full `preact-resnet18` after 200 epochs: ANN 95.41 %, DSR (IF, T = 20) 95.24 %, "
        "DSR (LIF, T = 20) 95.40 %."
    )
    assert ann.startswith("DSR (`dsr-if-rep`) is less accurate than the ANN at T = 5: -11.00 points")
    assert surrogates.startswith("DSR (`dsr-if-rep`) is more accurate than surrogate gradients (`stbp-tdbn`) at T = 5")
    assert fewer.startswith("With T = 2 instead of 5, DSR (`dsr-if-rep`) is less accurate: -13.05 points")
    # differences -0.1, 0.1, 0: s = 0.1, t(0.95, 2) = 2.920: half 0.17
    assert gradients == (
        "At T = 5, `dsr-if-rep` and `dsr-if`, the two gradients of DSR, are equal within 0.5 points: "
        "+0.00 points (-0.17 to +0.17, 90 %; n = 3, paired)."
    )
    # 1e7 MACs of 4.6 pJ; 2e7 and 1e4 accumulates of 0.9 pJ and 1e3 MACs
    assert energy.startswith(
        "An inference takes an estimated 46.0 µJ (the ANN), 18.0 (`dsr-if-rep`, T = 5), 0.0 (`stbp-tdbn`, T = 5): "
    )
    assert cost.startswith(
        "Training at T = 5 took, in core-seconds on equally fast cores, 1.5 times (`dsr-if-rep`, n = 3), 6.0 times "
        "(`stbp-tdbn`, n = 3) the ANN's 2,000 (n = 3)."
    )
    assert "The cheapest ANN to 90 %" in cost


@pytest.mark.parametrize(("ann", "dsr"), [(100.0, 60.0), (100.0, None), (None, 100.0), (None, None)])
def test_core_seconds_of_cores_of_another_or_an_unknown_speed_are_not_compared(
    ann: float | None, dsr: float | None, tmp_path: Path
) -> None:
    still = station("ann", 1, 90.0, 90.1, acs=0.0, train_cpu_seconds=2000.0, core_gflops=ann)
    slow = station("dsr-if-rep", 5, 79.0, 79.1, train_cpu_seconds=3000.0, core_gflops=dsr)
    assert not [sentence for sentence in said(tmp_path, *still, *slow) if "times (`dsr-if-rep`)" in sentence]


def test_depth_and_the_two_techniques_are_told_where_they_were_run(tmp_path: Path) -> None:
    name = "dsr-if-rep{}@threshold=6{}".format
    rows = [
        *STILL,
        *station("dsr-if-rep", 5, 75.0, 75.1, network="preact-resnet20"),
        *station("dsr-if-rep", 5, 70.0, 70.1, network="preact-resnet56"),
        *station(name("", ""), 20, 86.0, 86.1, 86.2),
        *station(name("@alpha=1", ""), 20, 84.0, 84.1, 84.3),
        *station(name("", "@train_threshold=false"), 20, 84.0, 87.0, 86.0),
    ]
    _, _, deeper, techniques, *_ = said(tmp_path, *rows)
    assert deeper.startswith("With 56 layers instead of 20, DSR (`dsr-if-rep`) is less accurate: -5.00 points")
    assert techniques.startswith("A firing level at half the threshold makes DSR more accurate at T = 20: +1.97 points")
    assert "Whether a trained threshold helps DSR at T = 20 is open" in techniques


def test_depth_has_one_table_of_layers_and_no_matrix_per_network(tmp_path: Path) -> None:
    rows = [
        *STILL,
        *station("ann", 1, 91.0, network="preact-resnet20", acs=0.0),
        *station("ann", 1, 92.0, 92.5, network="preact-resnet32", acs=0.0),
        *station("dsr-if-rep", 5, 75.0, 75.5, network="preact-resnet32"),
    ]
    groups = tables.grouped(gathered(tmp_path, *rows).frame)
    assert [table.title for table in tables.accuracies(groups)] == [
        "Accuracy, preact-resnet18-narrow on cifar10 (%), scale workstation, n = 3 seeds"
    ]
    (table,) = tables.depths(groups)
    assert [column.label for column in table.columns] == ["method", "T", "20 layers", "32 layers"]
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["ann", "–", "91.00 [90.42, 91.55]", "92.25 (92.00, 92.50)"],
        ["dsr-if-rep", "5", "–", "75.25 (75.00, 75.50)"],
    ]


def test_trials_alone_make_no_scale_the_best_founded_one(tmp_path: Path) -> None:
    trial = station("ann@epochs=4@learning_rate=0.2", 1, 80.0, acs=0.0)
    (level, *_) = said(tmp_path, *trial, *cifar("ann", 1, 60.0, 60.1, 60.2, acs=0.0))
    assert "at scale `laptop` classifies correctly: the ANN 60.1 %" in level
    facts = gathered(tmp_path, *trial)
    assert list(plain.findings(facts.frame, facts.kept)) == []
    assert {scale for _, scale, _ in facts.ledger} == {"", "paper"}


def test_trials_are_in_no_matrix_of_accuracies(tmp_path: Path) -> None:
    rows = [*STILL, *station("ann@epochs=4@learning_rate=0.2", 1, 80.0, acs=0.0)]
    rows += [
        *station("dsr-if-rep@epochs=4", 5, 70.0),
        *station("dsr-if-rep@epochs=4", 5, 77.0, network="preact-resnet18"),
    ]
    groups = tables.grouped(gathered(tmp_path, *rows).frame)
    (table,) = tables.accuracies(groups)
    assert [row[0].text for row in table.rows] == ["ann"]
    assert tables.variants(groups) == []


def test_the_front_leaves_out_what_is_beaten(tmp_path: Path) -> None:
    rows = [
        *station("ann", 1, 90.0, acs=0.0, analog_macs=10e6, neuron_updates=0),
        *station("dsr-if-rep", 5, 79.0, acs=10e6, analog_macs=0.0),
        *station("stbp-tdbn", 5, 75.0, acs=20e6, analog_macs=0.0),
    ]
    (table,) = tables.fronts(tables.grouped(gathered(tmp_path, *rows).frame), FP32_45NM)
    # 0.9 pJ x 10 million = 9 uJ; 4.6 pJ x 10 million = 46 uJ; STBP has 18 uJ and is less accurate than DSR
    assert [[cell.text for cell in row[:3]] for row in table.rows] == [
        ["dsr-if-rep", "5", "9.00"],
        ["ann", "–", "46.00"],
    ]


def test_the_cost_table_says_what_accuracies_and_budgets_took(tmp_path: Path) -> None:
    rows = [*STILL, *station("dsr-if-rep", 5, 79.0, train_cpu_seconds=3000.0, core_gflops=98.0, key="dsr")]
    path = write_rows(tmp_path / "cifar10.csv", *rows)
    heads = "key,epoch,train_seconds,train_joules,test_top1,train_loss,train_cpu_seconds,validation_top1"
    (tmp_path / "cifar10-curves.csv").write_text(f"{heads}\ndsr,1,,,,,1000,60\ndsr,2,,,,,2000,81\ndsr,3,,,,,3000,80\n")
    facts = findings.gather([path])
    (table,) = tables.costs(tables.grouped(facts.frame), facts.frame, facts.curves)
    labels = [column.label for column in table.columns]
    line = dict(zip(labels, (cell.text for cell in table.rows[1]), strict=True))
    assert line == {
        "method": "dsr-if-rep", "T": "5", "n": "1", "accuracy": "79.0", "training": "3,000", "to 80 %": "2,000",
        "after 10 min": "60.0", "after 1 h": "80.0", "peak memory": "3", "core speed": "98",
    }  # fmt: skip
    assert any(note.startswith("Held-out images") for note in table.notes)


def test_the_page_begins_with_findings_and_ends_with_the_ledger(tmp_path: Path) -> None:
    rows = [*STILL, *(row for t in (5, 20) for row in station("dsr-if-rep", t, 79.0, 79.1, 79.2)), *LOSES]
    text = findings.text_of(gathered(tmp_path, *rows))
    titles = [line for line in text.splitlines() if line.startswith("## ")]
    assert titles[0] == "## Findings"
    assert titles[-1] == "## The ledger"
    assert titles.index("## Accuracy") < titles.index("## Controls and variants of ours")
    assert "CIFAR-10 at scale `workstation`: a narrow network, up to 900,000 image visits." in text
    notes = [line for line in text.splitlines() if line.startswith("- Percent of the test images, last epoch")]
    assert len(notes) == 1, "of two matrices"


def test_a_scale_without_a_run_of_dsr_is_not_the_best_founded_one(tmp_path: Path) -> None:
    rows = [*station("ann", 1, 86.0, acs=0.0), *cifar("dsr-if-rep", 5, 50.0, 51.0, 52.0)]
    (level, *_) = said(tmp_path, *rows)
    assert "at scale `laptop` classifies correctly: DSR (`dsr-if-rep`) 51.0 %" in level
    facts = gathered(tmp_path, *rows)
    assert "scale `laptop`" in findings_page.block(facts.frame, facts.ledger)
    assert "scale `workstation`" in findings_page.block(facts.frame[facts.frame["method"] == "ann"], facts.ledger)


def test_the_block_is_of_the_best_founded_scale(tmp_path: Path) -> None:
    rows = [*LOSES, *station("dsr-if-rep", 5, 79.0, network="preact-resnet20"), *STILL[:1]]
    rows += station("ann", 1, 91.0, 91.0, acs=0.0, network="preact-resnet20")
    text = findings_page.block(gathered(tmp_path, *rows).frame, [])
    assert text.startswith("CIFAR-10, `preact-resnet18-narrow`, scale `workstation`")
    assert "| ann | 90.00 \\[89.40, 90.57] |" in text


def test_the_figure_is_of_the_next_scale_while_the_best_founded_one_has_a_single_t(tmp_path: Path) -> None:
    rows = [*STILL, *station("dsr-if-rep", 5, 79.0), *cifar("ann", 1, 60.0, acs=0.0)]
    rows += [row for t in (2, 5) for row in cifar("dsr-if-rep", t, 50.0 + t)]
    facts = gathered(tmp_path, *rows)
    assert "scale laptop" in figures.drawn(facts)["accuracy.svg"]
    assert ">scale laptop<" in figures.drawn(facts)["accuracy.svg"], (
        "written in the drawing, which has no caption there"
    )
    assert [group.place[-1] for group in tables.grouped(facts.frame)] == ["workstation", "laptop"]
    assert [line.partition(", T")[0].split("scale ")[1][:12] for line in sentences.levels(facts.frame)] == [
        "`workstation",
        "`laptop`, tr",
    ]


def test_figures_are_written_beside_the_page(tmp_path: Path) -> None:
    rows = [*STILL, *(row for t in (2, 5) for row in station("dsr-if-rep", t, 70.0 + t))]
    rows += [*station("ann@epochs=4", 1, 80.0), *station("stbp-tdbn", 5, 60.0), *cifar("dsr-lif", 5, 50.0)]
    findings.write_page(gathered(tmp_path, *rows), tmp_path / "results.md")
    svg = (tmp_path / "accuracy.svg").read_text()
    assert "Accuracy against T: preact-resnet18-narrow on cifar10, scale workstation" in svg
    assert "stbp-tdbn" in svg
    assert "epochs=4" not in svg
    energy = (tmp_path / "accuracy-against-energy.svg").read_text()
    assert "Stepped line: Pareto front" in energy
    assert "(accuracy-against-energy.svg)" in (tmp_path / "results.md").read_text()
